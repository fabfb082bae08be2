"""The backend switch of this folder."""

import jax

from hclip_jax import runtime

compiled_for = jax.make_user_context(default_value=None)
"""Platform that programs are compiled for, where it is not that of the default backend.

`with compiled_for("tpu"): ...` traces the program of a TPU on a machine without one. JAX traces a function
again when the value changes.
"""

forward_only = jax.make_user_context(default_value=False)
"""Whether programs are traced that nothing differentiates: `with forward_only(True): ...`.

Only these use the kernel of ops/native that has no gradient, the class aggregation.
"""

use_kernels = jax.make_user_context(default_value=None)
"""Whether programs may use the kernels of ops/native and ops/tpu; None = as `runtime.kernels_variable` says.

`with use_kernels(False): ...` has plain forms.
"""


def kernels_enabled() -> bool:
    """Whether programs may use the kernels of ops/native and ops/tpu.

    Raises:
        UserError: see `runtime.kernels_variable`.
    """
    return runtime.kernels_variable() if use_kernels.value is None else use_kernels.value


def platform() -> str:
    """The platform that programs are traced for: "cpu", "gpu" or "tpu"."""
    return compiled_for.value or jax.default_backend()


def on_cpu() -> bool:
    """Whether operations take their CPU path.

    The hand-written gradients of this folder were measured on CPUs only (docs/performance.md). GPUs and TPUs
    take the plain forms, but for the kernel of ops/tpu.
    """
    return platform() == "cpu"
