import pytest

from hclip_jax.analysis.benchmark.cases import BUILDERS
from tests.small_models import micro

OTHERS = {"step", "image", "adapt"}  # tests/tools/test_benchmark.py measures these


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "sliding" else name
        for name in sorted(set(BUILDERS) - OTHERS)
    ],
)
def test_the_case_runs(name: str) -> None:
    case = BUILDERS[name](micro(), 3)
    case.run()
    assert (case.flops > 0) == (name != "data")
