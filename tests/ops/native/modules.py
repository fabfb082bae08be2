"""Modules of the head with random parameters, to be compared with their kernels."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.ops.native import library

needs_kernels = pytest.mark.skipif(
    library.lanes() == 0, reason="the kernels are not built (pip install -e .), or this CPU has no AVX2"
)
RNG = np.random.default_rng(0)
WIDTHS = [width for width in (16, 8) if width <= library.lanes()]
"""Floats in a vector; the width is a part of the program."""


def slow(*case: Any) -> Any:
    """A case that `pytest -m slow` runs."""
    return pytest.param(*case, marks=pytest.mark.slow)


def normal(*shape: int) -> Array:
    return jnp.asarray(RNG.standard_normal(shape, np.float32))


def apply_guided(module: Any, params: Any, x: Array, guidance: Any) -> Array:
    return module.apply(params, x, guidance, method=guided)


def guided(module: Any, x: Array, guidance: Any) -> Array:
    return module(x, module.project_guidance(guidance))


def random_params(init: Callable[..., Any], *args: Any) -> Any:
    """Without zeros and ones, which hide that something is left out."""
    shapes = jax.eval_shape(init, jax.random.key(0), *args)
    return jax.tree.map(lambda x: (x.ndim == 1) * 0.5 + 0.2 * normal(*x.shape), shapes)


Gradients = tuple[Callable[..., Array], tuple[Any, Array, Any]]
"""A scalar function, and the arguments by which it is differentiated."""


def gradient(function: Callable[..., Array], *args: Any) -> Any:
    """A new program, which is not one of JAX's cache."""
    return jax.jit(jax.grad(lambda *x: function(*x), argnums=(0, 1, 2))).lower(*args)


def digest(arrays: list[Array]) -> str:
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest()


def digest_on_one_core(module: str) -> str:
    """Of the module's `gradients_of_fixed_arguments()`, in a new process that has one core."""
    code = (
        f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
        f"from tests.ops.native.modules import digest\nfrom {module} import gradients_of_fixed_arguments\n"
        "print(digest(gradients_of_fixed_arguments()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()[-1]
