from dataclasses import replace

import pytest

from hclip_jax.analysis.benchmark.jobs import OPERATIONS
from hclip_jax.analysis.benchmark.operations import BUILDERS
from hclip_jax.ops.backend import compiled_for
from tests.small_models import micro


def test_every_operation_has_a_builder() -> None:
    assert tuple(BUILDERS) == tuple(OPERATIONS)


@pytest.mark.parametrize("name", sorted(set(BUILDERS) - {"cudnn-attention"}))
@pytest.mark.parametrize("platform", [pytest.param("cpu", marks=pytest.mark.slow), "gpu"])
def test_the_operation_runs_in_both_forms(name: str, platform: str) -> None:
    config = micro()
    with compiled_for(platform):
        case = BUILDERS[name](replace(config, model=replace(config.model, head_dtype="bfloat16")), 3)
        y, gradients = case.run()
    assert y.size
    assert len(gradients) >= 1
    if name in ("dense", "conv", "conv-transpose", "window-attention", "image-attention"):
        assert case.flops > 0
