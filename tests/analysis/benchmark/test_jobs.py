from hclip_jax.analysis.benchmark.cases import BUILDERS
from hclip_jax.analysis.benchmark.jobs import CASES, make_jobs


def test_every_case_has_a_builder() -> None:
    assert tuple(BUILDERS) == tuple(CASES)


def test_cases_are_combined_with_the_sizes_they_depend_on() -> None:
    jobs = make_jobs(["step", "text", "adapt", "data"], "tiny", (), [3, 5], [1, 2], 4, "trace")
    assert [(job.case, job.num_classes, job.batch_size) for job in jobs] == [
        ("step", 3, 1),
        ("step", 3, 2),
        ("step", 5, 1),
        ("step", 5, 2),
        ("text", 3, 0),
        ("text", 5, 0),
        ("adapt", 0, 0),
        ("data", 0, 1),
        ("data", 0, 2),
    ]
    assert {(job.config, job.num_runs, job.profile_dir) for job in jobs} == {("tiny", 4, "trace")}
