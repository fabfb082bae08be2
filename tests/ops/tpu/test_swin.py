"""The kernel of a Swin block for TPUs, interpreted on a CPU, against the plain form."""

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.experimental.pallas import tpu as pltpu

from hclip_jax.models.clip.image_encoder import ImageFeatures
from hclip_jax.models.head.head import ClassLogits, SegmentationHead
from hclip_jax.models.head.spatial_aggregation import SpatialAggregation
from hclip_jax.ops import backend
from tests.ops.native.modules import apply_guided, guided, normal, random_params
from tests.small_models import micro

PUBLISHED = (128, 4, 12, 1, 1, (24, 24))
SMALL = (128, 2, 4, 2, 3, (8, 12))  # two images, an odd number of classes, two strips of three windows


@pytest.fixture(autouse=True)
def on_a_tpu() -> Iterator[None]:
    with backend.compiled_for("tpu"), jax.default_matmul_precision("highest"):
        yield


def values_and_gradients(sizes: tuple[Any, ...], dtype: Any, *, kernels: bool, operands: Any = None) -> Any:
    """The result of two blocks, and its gradients by parameters, activations and guidance."""
    channels, heads, window, *_ = sizes
    module = SpatialAggregation(channels, 16, heads, window, dtype)
    params, x, guidance, cotangent = operands or make_operands(sizes)

    def function(params: Any, x: Array, guidance: Array) -> Array:
        return apply_guided(module, params, x, guidance)

    def run(*args: Any) -> Any:
        y, gradient = jax.vjp(function, *args)
        return y, gradient(cotangent.astype(dtype))

    with backend.use_kernels(kernels), pltpu.force_tpu_interpret_mode():
        program = jax.jit(run).trace(params, x.astype(dtype), guidance.astype(dtype))
        assert ("pallas_call" in str(program.jaxpr)) == kernels
        return program.lower().compile()(params, x.astype(dtype), guidance.astype(dtype))


def make_operands(sizes: tuple[Any, ...]) -> Any:
    channels, heads, window, batch, classes, grid = sizes
    module = SpatialAggregation(channels, 16, heads, window, jnp.float32)
    x, guidance = normal(batch, classes, *grid, channels), normal(batch, *grid, 16)
    params = random_params(nn.init(guided, module), x, guidance)
    # Logits of about 1: where a softmax has one large weight, its gradient is a difference of equal numbers.
    params = jax.tree.map(lambda p: p * 5 / len(p) ** 0.5 if p.ndim == 2 else p, params)
    return params, x, guidance, normal(*x.shape)


def errors(got: Any, want: Any) -> dict[str, float]:
    """Largest difference of each array, in parts of its largest value."""
    named = zip(jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(want), strict=True)
    return {
        jax.tree_util.keystr(path): float(
            np.abs(np.float32(a) - np.float32(b)).max() / np.abs(np.float32(b)).max()
        )
        for (path, a), b in named
        # Zero but for rounding: all logits of a row move together.
        if "['key']['guidance']['bias']" not in jax.tree_util.keystr(path)
    }


@pytest.mark.parametrize("sizes", [SMALL, PUBLISHED])
def test_gradients_are_those_of_the_plain_form(sizes: tuple[Any, ...]) -> None:
    operands = make_operands(sizes)
    got, want = (
        values_and_gradients(sizes, jnp.float32, kernels=kernels, operands=operands)
        for kernels in (True, False)
    )
    for name, error in errors(got, want).items():
        assert error < 2e-5, name


def test_in_bfloat16_the_kernel_is_nearer_to_float32_than_the_plain_form() -> None:
    operands = make_operands(SMALL)
    exact = values_and_gradients(SMALL, jnp.float32, kernels=False, operands=operands)
    kernel, plain = (
        errors(values_and_gradients(SMALL, jnp.bfloat16, kernels=kernels, operands=operands), exact)
        for kernels in (True, False)
    )
    assert np.mean(list(kernel.values())) < np.mean(list(plain.values()))
    assert max(kernel.values()) < 0.05


def test_the_head_gives_the_kernel_all_classes() -> None:
    """Chunks of one class are for the plain forms only."""
    config = dataclasses.replace(micro().head, hidden_dim=128, num_heads=4, window_size=4)
    head = SegmentationHead(config, jnp.float32, 1, "full")
    image = ImageFeatures(normal(1, 8, 8, 16), (normal(1, 8, 8, 16), normal(1, 8, 8, 16)))
    text = normal(3, 1, 16)
    params = random_params(lambda rng: head.init(rng, image, text, 1))

    def logits(params: Any, image: ImageFeatures, text: Array) -> Array:
        return cast(ClassLogits, head.apply(params, image, text, 1)).logits

    def run(kernels: bool) -> tuple[str, Array]:
        with backend.use_kernels(kernels), pltpu.force_tpu_interpret_mode():
            program = jax.jit(logits).trace(params, image, text)
            return str(program.jaxpr), program.lower().compile()(params, image, text)

    (jaxpr, got), (_, want) = run(True), run(False)
    assert jaxpr.count("grid=(2, 1, 2)") == 2 * config.num_layers  # all three classes, of two cores
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize(
    ("channels", "heads", "window", "grid", "dtype"),
    [
        (64, 2, 4, (8, 4), jnp.float32),  # half of a register's lanes
        (128, 2, 5, (10, 5), jnp.float32),  # 25 patches, which leave registers half empty
        (128, 16, 12, (24, 24), jnp.float32),  # the rest is too large for a v4
        (256, 4, 12, (24, 24), jnp.float32),
        (128, 4, 16, (16, 16), jnp.float32),
        (128, 4, 12, (24, 36), jnp.float32),
        (128, 4, 4, (8, 4), jnp.float16),  # no TPU has it
    ],
)
def test_other_sizes_have_the_plain_form(
    channels: int, heads: int, window: int, grid: tuple[int, int], dtype: Any
) -> None:
    module = SpatialAggregation(channels, 16, heads, window, dtype)
    x, guidance = jnp.zeros((1, 2, *grid, channels), dtype), jnp.zeros((1, *grid, 16), dtype)
    params = jax.eval_shape(nn.init(guided, module), jax.random.key(0), x, guidance)
    program = jax.jit(lambda *args: apply_guided(module, *args)).trace(params, x, guidance)
    assert "pallas_call" not in str(program.jaxpr)
    assert not module.in_kernel(x)


@pytest.mark.parametrize("precision", ["default", "high", "tensorfloat32", "highest", "BF16_BF16_F32_X3"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_it_can_be_lowered_at_every_precision(dtype: Any, precision: str) -> None:
    """Also under `jax.vmap` and `jax.checkpoint`, which the interpreter cannot do."""
    module = SpatialAggregation(128, 16, 2, 4, dtype)
    x, guidance = jnp.zeros((1, 3, 8, 8, 128), dtype), jnp.zeros((1, 8, 8, 16), dtype)
    params = jax.eval_shape(nn.init(guided, module), jax.random.key(0), x, guidance)

    def loss(params: Any, x: Array) -> Array:
        return apply_guided(module, params, x, guidance).astype(jnp.float32).sum()

    gradient = jax.grad(lambda *args: jax.checkpoint(loss)(*args).sum())
    with jax.default_matmul_precision(precision):
        text = jax.jit(jax.vmap(gradient, in_axes=(None, 0))).trace(params, jnp.stack([x, x]))
        assert "tpu_custom_call" in text.lower(lowering_platforms=("tpu",)).as_text()
