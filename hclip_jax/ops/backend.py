"""The backend switch of this folder."""

import jax


def on_cpu() -> bool:
    """Whether operations take their CPU path.

    The hand-written gradients of this folder were measured on CPUs only (docs/performance.md). GPUs and TPUs
    take the plain forms.
    """
    return jax.default_backend() == "cpu"
