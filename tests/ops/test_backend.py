"""The plain forms, which GPUs and TPUs run, in the whole model."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax import runtime
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model
from hclip_jax.ops import backend
from hclip_jax.training.losses import pixel_weights, segmentation_loss
from tests.small_models import micro

NAMES = [f"class {i}" for i in range(17)]  # two halves of chunked_map


@pytest.mark.slow  # the other tests of this folder compare operation by operation
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_plain_forms_give_the_loss_and_gradients_of_the_cpu_path(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = micro().architecture
    a = dataclasses.replace(a, model=dataclasses.replace(a.model, dtype=dtype, head_dtype=dtype))
    model = Model(a)
    params = jax.jit(model.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    labels = jnp.asarray(rng.integers(-1, len(NAMES), (2, 32, 32)), jnp.int32)

    def loss(params: Any) -> Array:
        clip = model.adapt(params)
        text = model.encode_text(clip, model.prompts(NAMES))
        logits = model.segment(clip, params["head"], images, text, 2)
        return segmentation_loss(logits, labels, pixel_weights(labels, len(NAMES), "ignore"))

    def loss_and_gradient() -> tuple[bool, Array, Any]:
        # New functions each time, so that no trace is reused; one trace for both questions.
        traced = jax.jit(jax.value_and_grad(lambda params: loss(params))).trace(params)
        return "_cpu" in str(traced.jaxpr), *traced.lower().compile()(params)

    is_cpu_path, want_loss, want_gradient = loss_and_gradient()
    assert is_cpu_path
    monkeypatch.setattr(backend, "on_cpu", lambda: False)
    is_cpu_path, plain_loss, plain_gradient = loss_and_gradient()
    assert not is_cpu_path

    np.testing.assert_allclose(plain_loss, want_loss, rtol={"float32": 1e-5, "bfloat16": 0.01}[dtype])
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(plain_gradient))
    if dtype == "float32":  # in bfloat16 the small gradients of this model are mostly rounding errors
        for got, want in zip(jax.tree.leaves(plain_gradient), jax.tree.leaves(want_gradient), strict=True):
            assert jnp.linalg.norm(got - want) <= 1e-3 * jnp.linalg.norm(want) + 1e-6


def test_programs_may_be_traced_for_another_platform() -> None:
    assert backend.on_cpu()
    with backend.compiled_for("tpu"):
        assert not backend.on_cpu()
        assert backend.platform() == "tpu"
    assert backend.on_cpu()


@pytest.mark.parametrize(("value", "expected"), [(None, True), ("1", True), ("0", False)])
def test_kernels_can_be_turned_off_in_the_environment(
    value: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HCLIP_JAX_KERNELS", raising=False)
    if value:
        monkeypatch.setenv("HCLIP_JAX_KERNELS", value)
    assert backend.kernels_enabled() == expected
    with backend.use_kernels(not expected):
        assert backend.kernels_enabled() != expected


def test_another_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start of a command already, see `runtime.prepare`."""
    monkeypatch.setenv("HCLIP_JAX_KERNELS", "off")
    for function in (backend.kernels_enabled, runtime.prepare):
        with pytest.raises(UserError, match=r"HCLIP_JAX_KERNELS is 'off'; it must be 1 .* or 0"):
            function()
