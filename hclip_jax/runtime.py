"""What is set before JAX opens a backend. Called by commands and `Segmenter.load`, never by an import."""

import importlib.metadata
import os
import sys
import warnings
from typing import Any

from hclip_jax.io import cache

# Empty = off. jaxlib 0.10.2 hands fused reductions on the CPU to YNNPACK, which computes some jitted programs
# wrongly without an error (jax-ml/jax#39103, #39257). Without it 3x3 convolutions and their gradients are also
# two to four times faster, on jaxlib 0.12 too.
_YNN_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_KNOWING = ((0, 10), (0, 11), (0, 12))  # jaxlib versions that know the flag: others abort at an unknown one
_WRONG = "0.10.2"
_PROGRAMS = "JAX_COMPILATION_CACHE_DIR"


def prepare() -> None:
    """Switches YNNPACK off on the CPU and keeps compiled programs, unless the environment says otherwise.

    Warns if JAX has opened a CPU backend already, so that the switch comes too late for a jaxlib that needs
    it: results may be wrong.
    """
    jaxlib = importlib.metadata.version("jaxlib")
    flags = os.environ.get("XLA_FLAGS", "")
    if _YNN_FLAG not in flags and _uses_cpu() and _release(jaxlib) in _KNOWING:
        if _backend_is_open():
            if jaxlib == _WRONG:
                warnings.warn(
                    f"JAX was used before hclip_jax could set XLA_FLAGS={_YNN_FLAG}=, without which jaxlib "
                    f"{jaxlib} computes some programs wrongly on a CPU; set it in the environment, or call "
                    f"hclip_jax.runtime.prepare() first",
                    stacklevel=3,
                )
        else:
            os.environ["XLA_FLAGS"] = f"{flags} {_YNN_FLAG}=".strip()
    if (folder := cache.folder()) and _PROGRAMS not in os.environ:
        if "jax" in sys.modules:  # which has read its environment already
            config: Any = sys.modules["jax"].config
            if config.jax_compilation_cache_dir is None:
                config.update("jax_compilation_cache_dir", str(folder / "programs"))
        else:
            os.environ[_PROGRAMS] = str(folder / "programs")


def _uses_cpu() -> bool:
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return not platforms or "cpu" in platforms.split(",")


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])


def _backend_is_open() -> bool:
    if "jax" not in sys.modules:
        return False
    from jax._src import xla_bridge  # JAX has no public question for it

    return xla_bridge.backends_are_initialized()
