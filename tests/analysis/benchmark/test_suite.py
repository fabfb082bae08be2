import json
from pathlib import Path

import pytest

from hclip_jax.analysis.benchmark import suite
from hclip_jax.analysis.benchmark.jobs import OPERATIONS, Job
from hclip_jax.analysis.benchmark.measure import Measurement, to_markdown
from hclip_jax.config.overrides import read_config


def jobs(*cases: str, batch_sizes: tuple[int, ...] = (1, 4)) -> list[Job]:
    return suite.suite_jobs(cases or suite.SUITE_CASES, "vitb", (), [171], batch_sizes, 5, "")


def test_every_case_is_measured_in_every_precision() -> None:
    for case in set(suite.SUITE_CASES) - {"cudnn-attention"}:
        assert {job.precision for job in jobs(case)} == {"float32", "tf32", "bfloat16"}
    assert {job.precision for job in jobs("cudnn-attention")} == {"bfloat16"}
    assert {job.batch_size for job in jobs("sliding")} == {1, 4}
    for job in jobs("step", "sliding"):
        config = read_config(job.config, job.overrides)
        dtype = "bfloat16" if job.precision == "bfloat16" else "float32"
        assert (config.model.dtype, config.model.head_dtype) == (dtype, dtype)


def test_classes_in_chunks_and_all_together() -> None:
    for case in ("step", "image"):
        sizes = {read_config("vitb", job.overrides).model.class_chunk_size for job in jobs(case)}
        assert sizes == {20, 171}


def test_operations_are_measured_in_both_forms() -> None:
    for case in set(OPERATIONS) - {"cudnn-attention"}:
        assert {job.forms for job in jobs(case)} == {"plain", "cpu"}


def test_each_row_has_a_file_of_its_own() -> None:
    names = [suite._file_name(job) for job in jobs()]
    assert len(set(names)) == len(names)
    assert "step-bfloat16-20-classes-together-171-classes-batch-4" in names


@pytest.fixture
def attempted(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were measured; those of batch 4 fail."""
    found: list[Job] = []

    def attempt(job: Job) -> Measurement:
        found.append(job)
        if job.batch_size == 4:
            figures = dict.fromkeys(Measurement._fields[3:11], 0.0)
            return Measurement(
                job.case, job.num_classes, 4, **figures, variant=job.variant, failure="out of memory"
            )
        return Measurement(
            job.case, job.num_classes, job.batch_size, 9, 2, 1, 3, 4e9, 2e9, 8e9, 7e9, job.variant
        )

    monkeypatch.setattr(suite, "attempt", attempt)
    return found


def test_a_second_run_measures_only_what_is_missing(tmp_path: Path, attempted: list[Job]) -> None:
    todo = jobs("text", "sliding")
    rows = suite.run_suite(todo, tmp_path, "H100")
    first = [next(rows), next(rows)]  # interrupted
    again = list(suite.run_suite(todo, tmp_path, "H100"))
    assert again[:2] == first
    assert attempted == todo
    broken, other = sorted(tmp_path.iterdir())[:2]
    broken.write_text(broken.read_text()[:50])
    row = json.loads(other.read_text())
    row["job"]["num_runs"] = 1
    other.write_text(json.dumps(row))
    attempted.clear()
    assert list(suite.run_suite(todo, tmp_path, "H100")) == again
    assert len(attempted) == 2
    attempted.clear()
    list(suite.run_suite(todo, tmp_path, "H200"))
    assert len(attempted) == len(todo)


def test_a_row_that_fails_is_in_the_table(tmp_path: Path, attempted: list[Job]) -> None:
    table = to_markdown(list(suite.run_suite(jobs("sliding"), tmp_path, "H100"))).splitlines()
    assert table[0].split()[:6] == ["|", "case", "|", "variant", "|", "classes"]
    assert len({line.count("|") for line in table}) == 1
    assert sum("out of memory" in line for line in table) == 3
    assert attempted
