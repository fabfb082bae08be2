"""Kernels called in unusual ways: dtypes, shapes, empty arrays, JAX's transformations, two threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from tests.ops.native.modules import apply_guided, guided, needs_kernels, normal, random_params

pytestmark = needs_kernels

Case = tuple[Callable[..., Array], Any, Array, Any]
"""A function of parameters, activations of B images and T classes, and guidance; then these."""


def swin(batch: int = 2, classes: int = 3) -> Case:
    module = SpatialAggregation(32, 8, 1, 2, jnp.float32)
    x, guidance = normal(batch, classes, 4, 4, 32), normal(batch, 4, 4, 8)
    params = random_params(nn.init(guided, module), normal(1, 1, 4, 4, 32), guidance[:1])
    return lambda p, x, g: apply_guided(module, p, x, g), params, x, guidance


def decoder(batch: int = 2, classes: int = 3) -> Case:
    module = Decoder(32, (32, 32), (8, 4), 0.0, jnp.float32)
    x, guidance = normal(batch, classes, 2, 3, 32), (normal(batch, 4, 6, 8), normal(batch, 8, 12, 4))
    params = random_params(
        nn.init(guided, module), normal(1, 1, 2, 3, 32), (normal(1, 4, 6, 8), normal(1, 8, 12, 4))
    )
    return lambda p, x, g: apply_guided(module, p, x, g), params, x, guidance


def class_aggregation(batch: int = 2, classes: int = 3) -> Case:
    module = ClassAggregation(32, 16, 1, 256, jnp.float32)
    x, guidance = normal(batch, classes, 2, 3, 32), normal(batch, classes, 16)
    params = random_params(
        lambda rng, x, g: module.init(rng, x, g, 1, 3), normal(1, 1, 2, 3, 32), normal(1, 1, 16)
    )

    def apply(params: Any, x: Array, guidance: Any) -> Any:
        mask = jnp.ones(x.shape[:2], jnp.float32)
        return module.apply(params, x, guidance, 1, 3, mask)

    return apply, params, x, guidance


CASES = [swin, decoder, class_aggregation]
WITH_GRADIENTS = [swin, decoder]


def outputs(case: Case) -> Any:
    """Of a program without gradients, which must have a kernel."""
    function, *args = case
    with backend.forward_only(True):
        program = jax.jit(lambda *x: function(*x)).lower(*args)
        assert "hclip_jax_" in program.as_text() or not backend.kernels_enabled()
        return program.compile()(*args)


def gradients(case: Case) -> Any:
    function, *args = case
    program = jax.jit(jax.grad(lambda *x: (function(*x) ** 2).sum(), argnums=(0, 1, 2))).lower(*args)
    assert "hclip_jax_" in program.as_text() or not backend.kernels_enabled()
    return program.compile()(*args)


def assert_equals_plain(run: Callable[[Case], Any], case: Case, tolerance: float = 1e-5) -> None:
    with backend.use_kernels(False):
        want = jax.tree_util.tree_leaves_with_path(run(case))
    for got, (path, plain) in zip(jax.tree.leaves(run(case)), want, strict=True):
        name = jax.tree_util.keystr(path)
        if "['key']['guidance']['bias']" in name:  # zero but for rounding
            continue
        assert (got.dtype, got.shape) == (plain.dtype, plain.shape), name
        got, plain = np.asarray(got, np.float32), np.asarray(plain, np.float32)
        np.testing.assert_allclose(got, plain, rtol=0, atol=tolerance * np.abs(plain).max(), err_msg=name)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_activations_of_other_dtypes(dtype: Any) -> None:
    function, params, x, guidance = decoder()
    case = function, params, x.astype(dtype), guidance
    assert_equals_plain(outputs, case)
    assert_equals_plain(gradients, case, 2.0**-7)  # that of x has its dtype


def test_64_bits() -> None:
    case = class_aggregation()
    with jax.enable_x64(True):
        assert_equals_plain(outputs, case)


def test_operands_have_the_dtype_and_the_shape_that_a_kernel_reads() -> None:
    one = jnp.arange(3, dtype=jnp.bfloat16)[None]
    both = call.operand(one, (2, 3))
    assert both.dtype == jnp.float32
    np.testing.assert_array_equal(both, [[0, 1, 2], [0, 1, 2]])
    with pytest.raises(ValueError, match="broadcast"):
        call.operand(one, (2, 4))


@pytest.mark.parametrize(
    ("case", "path"), [(swin, "fc1/kernel"), (swin, "norm1/scale"), (decoder, "conv2/kernel")]
)
def test_parameters_that_do_not_fit_are_refused(case: Callable[..., Case], path: str) -> None:
    function, params, x, guidance = case()
    halves = jax.tree_util.tree_map_with_path(
        lambda p, a: a[..., :16] if jax.tree_util.keystr(p, simple=True, separator="/").endswith(path) else a,
        params,
    )
    with pytest.raises(ValueError, match=f"the parameter {path} has the shape .* and its module needs"):
        outputs((function, halves, x, guidance))


def test_windows_that_do_not_divide_the_grid_are_refused() -> None:
    module = SpatialAggregation(32, 8, 1, 3, jnp.float32)
    with pytest.raises(ValueError, match="windows of 3 x 3 patches do not divide a grid of 6 x 4"):
        jax.eval_shape(nn.init(guided, module), jax.random.key(0), normal(1, 1, 6, 4, 32), normal(1, 6, 4, 8))


def test_heads_that_do_not_divide_have_no_kernel() -> None:
    assert call.usable(jnp.float32, 128 / 4)
    assert not call.usable(jnp.float32, 161 / 5)  # 32 with a remainder
    assert not call.usable(jnp.float32, 128 / 3)


@pytest.mark.parametrize("case", [swin, decoder])
@pytest.mark.parametrize("sizes", [{"classes": 0}, {"batch": 0}])
def test_nothing_to_compute(case: Callable[..., Case], sizes: dict[str, int]) -> None:
    if case is swin and "batch" in sizes:
        pytest.skip("the norm of the guidance has no empty arrays")
    arrays = case(**sizes)
    assert outputs(arrays).size == 0
    for leaf in jax.tree.leaves(gradients(arrays)):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sizes", [{"classes": 1}, {"batch": 3}])
def test_few_classes_and_odd_batches(case: Callable[..., Case], sizes: dict[str, int]) -> None:
    assert_equals_plain(outputs, case(**sizes))


@pytest.mark.parametrize("case", WITH_GRADIENTS)
def test_gradients_under_vmap_and_checkpoint(case: Callable[..., Case]) -> None:
    function, params, x, guidance = case()
    over_images = jax.vmap(
        lambda p, x, g: function(p, x[None], jax.tree.map(lambda g: g[None], g)), (None, 0, 0)
    )
    assert_equals_plain(gradients, (jax.checkpoint(over_images), params, x, guidance), 2e-5)


@pytest.mark.parametrize("case", CASES)
def test_donated_activations(case: Callable[..., Case]) -> None:
    function, params, x, guidance = case()
    want = outputs((function, params, x, guidance))
    donated = jnp.array(x)
    with backend.forward_only(True):
        donating = jax.jit(lambda p, x, g: function(p, x, g) + 0.0, donate_argnums=1)
        if want.shape == x.shape:
            got = donating(params, donated, guidance)
            assert donated.is_deleted()
        else:  # a result of another size cannot have its memory
            with pytest.warns(UserWarning, match="donated"):
                got = donating(params, donated, guidance)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", CASES)
def test_two_threads_at_once(case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = case()
    want = np.asarray(outputs(arrays))
    monkeypatch.setattr(library, "lanes", library.lanes.__wrapped__)  # each call registers the kernels
    with ThreadPoolExecutor(2) as threads:
        for got in threads.map(outputs, [arrays] * 6):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", WITH_GRADIENTS)
def test_forward_mode_is_refused_as_in_plain_forms(case: Callable[..., Case]) -> None:
    function, params, x, guidance = case()
    along = jax.jacfwd(lambda scale: function(params, x * scale, guidance))
    for native in (True, False):
        with backend.use_kernels(native), pytest.raises(TypeError, match="forward-mode autodiff"):
            along(jnp.float32(1))


def test_a_kernel_without_a_derivative_says_what_to_do() -> None:
    function, params, x, guidance = class_aggregation()
    slope = lambda scale: jax.grad(lambda s: function(params, x * s, guidance).sum())(scale)  # noqa: E731
    with (
        backend.forward_only(True),
        pytest.raises(
            ValueError, match=r"hclip_jax_class_aggregation has no derivative.*use_kernels\(False\)"
        ),
    ):
        slope(jnp.float32(1))
    with backend.forward_only(True), backend.use_kernels(False):
        assert np.isfinite(slope(jnp.float32(1)))
