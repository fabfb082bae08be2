"""What must be set before JAX opens a backend."""

import os

from hclip_jax.io import cache

# Empty = off. jaxlib 0.10.2 hands fused reductions on the CPU to YNNPACK, which computes some jitted
# programs wrongly without a word (jax-ml/jax#39103, #39257); without it 3x3 convolutions and their
# gradients are also two to four times faster.
_YNN_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_PROGRAMS = "JAX_COMPILATION_CACHE_DIR"


def prepare() -> None:
    """Sets what the user's environment says nothing of: YNNPACK off on the CPU, compiled programs kept."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _YNN_FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_YNN_FLAG}=".strip()
    if (home := cache.folder()) and _PROGRAMS not in os.environ:
        os.environ[_PROGRAMS] = str(home / "programs")
