"""Every custom gradient of the package against automatic differentiation of its plain form."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.random import Generator

import hclip_jax
from hclip_jax.adapters.cayley import rotation
from hclip_jax.ops import backend
from hclip_jax.ops.activations import gelu
from hclip_jax.ops.attention import attend
from hclip_jax.ops.conv import conv2d, conv2d_transpose
from hclip_jax.ops.dense import add_bias, matmul
from hclip_jax.ops.normalization import group_norm, layer_norm
from hclip_jax.ops.roll import roll
from hclip_jax.training import microbatch
from hclip_jax.training.losses import pixel_weights, segmentation_loss
from tests import tolerance
from tests.gradients import value_and_gradients

APIS = {"custom_vjp", "custom_jvp", "custom_gradient"}
BOTH = ("float32", "bfloat16")
KERNELS = {
    "ops.native.swin._block": "native/test_swin_gradient.py",
    "ops.native.decoder._decoder": "native/test_decoder_gradient.py",
    "ops.tpu.swin._block": "tpu/test_swin.py",
    "ops.tpu.product.product": "tpu/test_swin.py",
}
"""Gradients of kernels, and the files of tests/ops that compare them with their modules."""


class Case(NamedTuple):
    """A custom gradient and random arguments for it.

    Attributes:
        name: module and name of the function with the custom gradient, below `hclip_jax`.
        function: the public function that calls it, or the same.
        draw: draws the arguments that have gradients, and the others.
        dtypes: dtypes of the arguments that have gradients.
    """

    name: str
    function: Callable[..., Array]
    draw: Callable[[Generator], tuple[tuple[np.ndarray, ...], tuple[Any, ...]]]
    dtypes: tuple[str, ...] = BOTH


def normal(rng: Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def sizes(rng: Generator, count: int, low: int = 1, high: int = 7) -> list[int]:
    return [int(n) for n in rng.integers(low, high, count, endpoint=True)]


def draw_gelu(rng: Generator) -> Any:
    return (3 * normal(rng, *sizes(rng, 3)),), ()


def draw_dense(rng: Generator) -> Any:
    (rows,), (d, f) = sizes(rng, 1, high=40), sizes(rng, 2)
    return (normal(rng, rows, d), normal(rng, d, f)), ()


def draw_bias(rng: Generator) -> Any:
    (rows,), (d,) = sizes(rng, 1, high=40), sizes(rng, 1)
    return (normal(rng, rows, d), normal(rng, d)), ()


def draw_roll(rng: Generator) -> Any:
    shift = int(rng.integers(1, 4))
    return (normal(rng, *sizes(rng, 5, low=2)),), (shift if rng.random() < 0.5 else -shift,)


def draw_conv(channels: Callable[[Generator, int], tuple[int, int]]) -> Callable[[Generator], Any]:
    """Arguments of a convolution whose input and output channels depend on the kernel size."""

    def draw(rng: Generator) -> Any:
        k = int(rng.choice([1, 3, 5, 7]))
        c, f = channels(rng, k)
        n, h, w = sizes(rng, 3)
        return (normal(rng, n, h, w, c), normal(rng, k, k, c, f)), ()

    return draw


def draw_conv_transpose(rng: Generator) -> Any:
    n, h, w, c, f = sizes(rng, 5)
    return (normal(rng, n, h, w, c), normal(rng, 4, 4, c, f)), ()


def draw_attention(rng: Generator) -> Any:
    """Without a bias, and with logits of up to hundreds, of which only the differences have an effect."""
    b, k, c = sizes(rng, 3)
    n, s = sizes(rng, 2, high=12)
    scale = rng.choice([1, 10])
    return (scale * normal(rng, b, n, k, c), scale * normal(rng, b, s, k, c), normal(rng, b, s, k, c)), ()


def draw_causal_attention(rng: Generator) -> Any:
    b, k, c, n, extra = sizes(rng, 5)
    bias = np.where(np.tri(n, n + extra, extra, dtype=bool), 0, -np.inf).astype(np.float32)[None, None]
    keys = (b, n + extra, k, c)
    return (normal(rng, b, n, k, c), normal(rng, *keys), normal(rng, *keys)), (jnp.asarray(bias),)


def draw_window_attention(rng: Generator) -> Any:
    """With a bias for each window, which images and classes share."""
    b, t, windows, n, k, c = sizes(rng, 6, high=4)
    shape = (b, t, windows, n, k, c)
    bias = jnp.asarray(-100.0 * rng.integers(0, 2, (1, 1, windows, 1, n, n)), jnp.float32)
    return (normal(rng, *shape), normal(rng, *shape), normal(rng, *shape)), (bias,)


def draw_layer_norm(rng: Generator) -> Any:
    """Far from mean 0, where digits are lost first."""
    rows, d = sizes(rng, 2, low=2, high=40)
    return (20 + 3 * normal(rng, rows, d), normal(rng, d), normal(rng, d)), ()


def draw_group_norm(rng: Generator) -> Any:
    n, pixels, groups, width = sizes(rng, 4, low=2)
    x, scale, bias = (normal(rng, *shape, groups * width) for shape in ((n, pixels), (), ()))
    return (20 + 3 * x, scale, bias), (groups,)


def draw_loss(unlabeled: str) -> Callable[[Generator], Any]:
    def draw(rng: Generator) -> Any:
        b, t, h, w = sizes(rng, 4)
        labels = jnp.asarray(rng.integers(-1, t, (b, 2 * h, 3 * w)), jnp.int32)
        return (3 * normal(rng, b, t, h, w),), (labels, pixel_weights(labels, t, unlabeled))

    return draw


def draw_microbatches(rng: Generator) -> Any:
    count, images, channels, features = sizes(rng, 4)

    def loss(kernel: Array, x: Array) -> Array:
        return jnp.sin(x @ kernel).sum()

    return (normal(rng, channels, features),), (jnp.asarray(normal(rng, count, images, channels)), loss)


def draw_rotation(rng: Generator) -> Any:
    size = int(rng.integers(2, 40))
    a = normal(rng, size, size)
    return ((a - a.T) / size,), ()


CASES = [
    Case("adapters.cayley.rotation", rotation, draw_rotation, ("float32",)),
    Case("ops.activations.gelu_in_one_pass", gelu, draw_gelu),
    Case("ops.attention._attend_cpu", attend, draw_attention),
    Case("ops.attention._attend_cpu", attend, draw_causal_attention),
    Case("ops.attention._attend_cpu", attend, draw_window_attention),
    # The kernel's gradient depends on which of C, F and k C is the largest.
    Case("ops.conv._conv2d_cpu", conv2d, draw_conv(lambda rng, k: (1, k + int(rng.integers(1, 4))))),
    Case("ops.conv._conv2d_cpu", conv2d, draw_conv(lambda rng, k: (1 + k, int(rng.integers(1, 1 + k))))),
    Case("ops.conv._conv2d_cpu", conv2d, draw_conv(lambda rng, k: (2, int(rng.integers(2, 1 + 2 * k))))),
    Case("ops.conv._conv2d_transpose_cpu", conv2d_transpose, draw_conv_transpose),
    Case("ops.dense._add_bias_cpu", add_bias, draw_bias),
    Case("ops.dense._matmul_cpu", matmul, draw_dense),
    Case("ops.normalization._group_norm_cpu", group_norm, draw_group_norm, ("float32",)),
    Case("ops.normalization._layer_norm_cpu", layer_norm, draw_layer_norm, ("float32",)),
    Case("ops.roll._roll_cpu", roll, draw_roll),
    Case("training.losses.segmentation_loss", segmentation_loss, draw_loss("negative"), ("float32",)),
    Case("training.losses.segmentation_loss", segmentation_loss, draw_loss("ignore"), ("float32",)),
    Case("training.microbatch._sum", microbatch._sum, draw_microbatches, ("float32",)),
]


NO_SWITCH = (rotation, segmentation_loss, microbatch._sum)
"""Functions that have their custom gradient on every backend. Their own body is the plain form."""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        pytest.param(case, dtype, id=f"{i}-{case.name}-{dtype}")
        for i, case in enumerate(CASES)
        for dtype in case.dtypes
    ],
)
def test_custom_gradients_are_those_of_the_plain_form(
    case: Case, dtype: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU path and, for bfloat16, on that of GPUs and TPUs: both against the plain form in float32."""
    drawn, constants = case.draw(np.random.default_rng(seed))
    args = [jnp.asarray(x).astype(dtype) for x in drawn]
    custom = bind(case.function, constants)
    assert case.name.rpartition(".")[2] in custom_calls(custom, args)
    results = [value_and_gradients(custom, *args)]

    monkeypatch.setattr(backend, "on_cpu", lambda: False)
    body = getattr(case.function, "__wrapped__", None) if case.function in NO_SWITCH else case.function
    plain = bind(cast(Any, body), constants)
    assert case.name.rpartition(".")[2] not in custom_calls(plain, args)
    if dtype != "float32":
        results.append(value_and_gradients(plain, *args))
    exact = value_and_gradients(plain, *(x.astype(jnp.float32) for x in args))

    for result in results:
        for got, want in zip(jax.tree.leaves(result), jax.tree.leaves(exact), strict=True):
            assert got.dtype == dtype
            scale = max(float(jnp.abs(want).max()), 1e-30)
            allowed = tolerance.CUSTOM_GRADIENT[dtype]
            tolerance.assert_within(got.astype(jnp.float32) / scale, want / scale, allowed)


def bind(function: Callable[..., Array], constants: tuple[Any, ...]) -> Callable[..., Array]:
    """`function` with its last arguments fixed; a new function each time, so that no trace is reused."""
    return lambda *args: function(*args, *constants)


def custom_calls(function: Callable[..., Array], args: list[Array]) -> set[str]:
    """Names of the functions with a custom gradient that `function` calls."""
    return set(re.findall(r"custom_[jv][vj]p_call\[\s*name=(\w+)", str(jax.make_jaxpr(function)(*args))))


def test_every_custom_gradient_is_in_the_table() -> None:
    refuses = {"ops.native.call.run"}  # has no derivative but a sentence: native/test_calls.py
    listed = {case.name for case in CASES} | KERNELS.keys() | refuses
    assert custom_gradients(Path(hclip_jax.__file__).parent) == listed


@pytest.mark.parametrize("test_file", KERNELS.values())
def test_kernels_have_their_own_tests(test_file: str) -> None:
    text = (Path(__file__).parent / test_file).read_text()
    assert "def test_gradients_are_those_of_the_plain_form" in text


@pytest.mark.parametrize(
    "code",
    [
        "@jax.custom_vjp\ndef new(x):\n    return x",
        "@partial(jax.custom_jvp, nondiff_argnums=(1,))\ndef new(x, n):\n    return x",
        "def outer():\n    @jax.custom_gradient\n    def new(x):\n        return x",
    ],
)
def test_a_new_custom_gradient_is_noticed(code: str, tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "file.py").write_text(code)
    assert custom_gradients(tmp_path) == {"ops.file.new"}


@pytest.mark.parametrize("code", ["f = jax.custom_vjp(g)", "from jax import custom_vjp"])
def test_a_custom_gradient_without_a_decorator_is_noticed(code: str, tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text(code)
    assert custom_gradients(tmp_path) == {"file, line 1"}


def custom_gradients(package: Path) -> set[str]:
    """Functions of a package with a custom gradient, and lines that define one without a decorator."""
    names = set()
    for file in package.rglob("*.py"):
        module = ".".join(file.relative_to(package).with_suffix("").parts)
        tree, decorators = ast.parse(file.read_text()), set()
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                uses = {node for d in function.decorator_list for node in ast.walk(d) if is_custom(node)}
                decorators |= uses
                names |= {f"{module}.{function.name}"} if uses else set()
        other = (node for node in ast.walk(tree) if is_custom(node) and node not in decorators)
        names |= {f"{module}, line {cast(Any, node).lineno}" for node in other}
    return names


def is_custom(node: Any) -> bool:
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in APIS for alias in node.names)
    return getattr(node, "attr", getattr(node, "id", None)) in APIS
