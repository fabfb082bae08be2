"""Each kernel equals the plain form of its module, for both widths of vectors."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.models.head.class_aggregation import ClassAggregation
from hclip_jax.models.head.decoder import Decoder
from hclip_jax.models.head.spatial_aggregation import SpatialAggregation
from hclip_jax.ops import backend
from hclip_jax.ops.native import call, library
from tests.ops.native.modules import WIDTHS, apply_guided, guided, needs_kernels, normal, random_params, slow

pytestmark = needs_kernels


def assert_equals_plain(function: Callable[..., Array], *args: Any, widths: list[int] = WIDTHS) -> None:
    want = np.asarray(jax.jit(lambda *x: function(*x))(*args))
    for width in widths:
        with pytest.MonkeyPatch.context() as monkeypatch, backend.forward_only(True):
            monkeypatch.setattr(library, "lanes", lambda width=width: width)
            program = jax.jit(lambda *x: function(*x)).lower(*args)
            assert "hclip_jax_" in program.as_text()
            got = program.compile()(*args)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize(
    ("channels", "heads", "window", "batch", "classes", "grid"),
    [
        (128, 4, 12, 1, 2, (24, 24)),  # as published: 144 tokens, half of a vector too many for the panels
        (64, 2, 4, 2, 3, (8, 12)),  # fewer tokens than vectors have floats, windows of two images
        slow(96, 3, 5, 1, 2, (10, 15)),  # 25 tokens, an odd number
        # One window, larger than the grid and so not shifted; a head of 64 channels.
        slow(64, 1, 12, 1, 1, (7, 7)),
    ],
)
def test_swin_blocks(
    channels: int, heads: int, window: int, batch: int, classes: int, grid: tuple[int, int]
) -> None:
    module = SpatialAggregation(channels, 16, heads, window, jnp.float32)
    x, guidance = normal(batch, classes, *grid, channels), normal(batch, *grid, 16)
    params = random_params(nn.init(guided, module), x, guidance)
    assert_equals_plain(lambda p, x, g: apply_guided(module, p, x, g), params, x, guidance)


@pytest.mark.parametrize(
    ("channels", "heads", "batch", "classes", "pooling", "num_classes"),
    [
        (128, 4, 1, 171, 1, 171),  # rows that fill no last tile
        slow(64, 2, 2, 5, 2, 5),  # two images, pooled patches
        (96, 3, 1, 20, 1, 13),  # 7 classes are padding
        slow(32, 1, 1, 1, 1, 256),  # no padding token
    ],
)
def test_class_aggregation(
    channels: int, heads: int, batch: int, classes: int, pooling: int, num_classes: int
) -> None:
    module = ClassAggregation(channels, 16, heads, 256, jnp.float32)
    x, guidance = normal(batch, classes, 4, 6, channels), normal(batch, classes, 16)
    mask = jnp.ones((batch, 1)) * (jnp.arange(classes) < num_classes).astype(jnp.float32)[None]
    masks = () if num_classes >= classes else (mask,)
    params = random_params(lambda rng, x, g: module.init(rng, x, g, pooling, num_classes), x, guidance)

    def apply(params: Any, x: Array, guidance: Array, *masks: Array) -> Any:
        return module.apply(params, x, guidance, pooling, num_classes, *masks)

    assert_equals_plain(apply, params, x, guidance, *masks)


@pytest.mark.parametrize(
    ("channels", "dims", "batch", "classes", "grid"),
    [
        slow(128, (64, 32), 1, 2, (24, 24)),
        (64, (32, 96), 2, 3, (5, 7)),  # rows that fill no last tile; the second step is wider
        slow(32, (32, 32), 1, 1, (1, 2)),
    ],
)
def test_decoders(
    channels: int, dims: tuple[int, int], batch: int, classes: int, grid: tuple[int, int]
) -> None:
    module = Decoder(channels, dims, (8, 4), 0.0, jnp.float32)
    x = normal(batch, classes, *grid, channels)
    guidance = tuple(normal(batch, *(s * n for n in grid), d) for s, d in ((2, 8), (4, 4)))
    params = random_params(nn.init(guided, module), x, guidance)
    assert_equals_plain(lambda p, x, g: apply_guided(module, p, x, g), params, x, guidance)


def swin_case() -> tuple[SpatialAggregation, Any, Array, Array]:
    module = SpatialAggregation(32, 8, 1, 2, jnp.float32)
    x, guidance = normal(1, 3, 4, 4, 32), normal(1, 4, 4, 8)
    return module, random_params(nn.init(guided, module), x, guidance), x, guidance


def test_under_vmap_and_in_loops() -> None:
    module, params, x, guidance = swin_case()
    apply = lambda x: apply_guided(module, params, x, guidance)  # noqa: E731
    both = lambda xs: jax.vmap(apply)(xs) + jax.lax.map(apply, xs)  # noqa: E731
    assert_equals_plain(both, jnp.stack([x, 2 * x, -x]), widths=WIDTHS[:1])


def test_the_input_is_not_overwritten_where_it_is_used_later() -> None:
    module, params, x, guidance = swin_case()
    before = np.asarray(x).copy()
    assert_equals_plain(lambda x: apply_guided(module, params, x, guidance) - x, x, widths=WIDTHS[:1])
    np.testing.assert_array_equal(x, before)


def test_on_several_devices_at_once() -> None:
    module, params, x, guidance = swin_case()
    mesh, p = jax.make_mesh((8,), ("data",), (jax.sharding.AxisType.Auto,)), jax.sharding.PartitionSpec
    images = jnp.concatenate([x * i for i in range(8)])

    def apply(images: Array) -> Array:
        on_device = lambda x: apply_guided(module, params, x, guidance)  # noqa: E731
        return jax.shard_map(on_device, mesh=mesh, in_specs=p("data"), out_specs=p("data"), check_vma=False)(
            images
        )

    assert_equals_plain(apply, images, widths=WIDTHS[:1])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_only_float32_on_a_cpu(dtype: Any) -> None:
    assert call.usable(jnp.float32, 32, 64)
    assert not call.usable(dtype, 32)
    assert not call.usable(jnp.float32, 32, 40)
    with backend.compiled_for("tpu"):
        assert not call.usable(jnp.float32, 32)
    with backend.use_kernels(False):
        assert not call.usable(jnp.float32, 32)
