import pytest

from hclip_jax.analysis.benchmark.cases import BUILDERS
from tests.small_models import micro


# The command measures the others in tests/tools/test_benchmark.py.
@pytest.mark.parametrize("name", sorted(set(BUILDERS) - {"step", "image", "adapt"}))
def test_the_case_runs(name: str) -> None:
    case = BUILDERS[name](micro(), 3)
    case.run()
    assert (case.flops > 0) == (name != "data")
