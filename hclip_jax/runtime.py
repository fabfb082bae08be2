"""Process settings that JAX needs before it opens a backend.

Commands and `Segmenter.load` call `prepare`; importing the package changes no setting.
"""

import importlib.metadata
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError
from hclip_jax.io import cache, program_cache
from hclip_jax.io.paths import is_address

# An empty value disables YNNPACK. jaxlib 0.10.2 passes fused reductions on the CPU to YNNPACK, which computes
# some jitted programs wrongly without an error (jax-ml/jax#39103, #39257). Without YNNPACK, 3x3 convolutions
# and their gradients are also two to four times faster, on jaxlib 0.12 too.
_YNN_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_VERSIONS_WITH_FLAG = ((0, 10), (0, 11), (0, 12))  # other jaxlib versions abort at an unknown flag
_WRONG_VERSION = "0.10.2"
_KERNELS_VARIABLE = "HCLIP_JAX_KERNELS"
_CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
_MIN_SECONDS_VARIABLE = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_MIN_SECONDS = 0.01
"""Compilation time from which a program is kept. JAX keeps those of a second; a command has ten smaller."""
_PROGRAMS = "programs"


def prepare() -> None:
    """Disables YNNPACK on the CPU and sets the folder for compiled programs, unless the environment does.

    Call it before the first use of JAX; a second call changes nothing. Compiled programs go to `programs` in
    the cache folder (`hclip_jax.io.cache`), from which broken and old ones are removed; to nowhere if it is
    not writable.

    Warns if JAX has already opened a backend without the flag on a jaxlib that needs it: results on the CPU
    may then be wrong.

    Raises:
        UserError: see `kernels_variable`.
    """
    kernels_variable()
    _disable_ynnpack()
    _set_compilation_cache()


def kernels_variable() -> bool:
    """Whether programs may use kernels (`ops/native`, `ops/tpu`), by HCLIP_JAX_KERNELS: 1, the default, or 0.

    Raises:
        UserError: it is neither.
    """
    text = os.environ.get(_KERNELS_VARIABLE, "1")
    if text not in ("0", "1"):
        raise UserError(
            f"{_KERNELS_VARIABLE} is {text!r}; it must be 1 (the default) or 0, for programs without kernels"
        )
    return text == "1"


def share_programs(folder: Path, is_primary: bool) -> None:
    """Sets a folder that several processes share for compiled programs, unless the environment sets one.

    JAX lets only the primary write them: with a folder on each host, the others would compile at every start,
    and a new host too. Call it after the processes joined and before the first program is compiled.

    Args:
        folder: such as one in the work directory; it may be an address.
        is_primary: whether this process prepares the folder.
    """
    own = cache.folder()
    if own is None:
        return
    import jax

    config: Any = jax.config
    if config.jax_compilation_cache_dir not in (None, str(own / _PROGRAMS)):
        return
    if is_primary and not program_cache.prepare(folder):
        return
    config.update("jax_compilation_cache_dir", str(folder))
    if is_address(folder):
        config.update("jax_persistent_cache_enable_xla_caches", "none")  # XLA itself writes no addresses
        if config.jax_persistent_cache_min_compile_time_secs == _MIN_SECONDS:
            # A small program is compiled faster than it is fetched.
            config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def _disable_ynnpack() -> None:
    jaxlib, flags = importlib.metadata.version("jaxlib"), os.environ.get("XLA_FLAGS", "")
    if _YNN_FLAG in flags or not _uses_cpu() or _major_minor(jaxlib) not in _VERSIONS_WITH_FLAG:
        return
    if not _backend_is_open():
        os.environ["XLA_FLAGS"] = f"{flags} {_YNN_FLAG}=".strip()
    elif jaxlib == _WRONG_VERSION:
        warnings.warn(
            f"JAX was used before hclip_jax could set XLA_FLAGS={_YNN_FLAG}=, without which jaxlib {jaxlib} "
            f"computes some programs wrongly on a CPU; set it in the environment, or call "
            f"hclip_jax.runtime.prepare() first",
            stacklevel=4,  # the caller of the caller of prepare, such as that of Segmenter.load
        )


def _set_compilation_cache() -> None:
    folder = cache.folder()
    config: Any = sys.modules["jax"].config if "jax" in sys.modules else None
    is_set = _CACHE_VARIABLE in os.environ or (config and config.jax_compilation_cache_dir is not None)
    if folder is None or is_set or not program_cache.prepare(folder / _PROGRAMS):
        return
    sets_limit = _MIN_SECONDS_VARIABLE not in os.environ
    if config:  # JAX read the environment when it was imported
        config.update("jax_compilation_cache_dir", str(folder / _PROGRAMS))
        if sets_limit:
            config.update("jax_persistent_cache_min_compile_time_secs", _MIN_SECONDS)
    else:
        os.environ[_CACHE_VARIABLE] = str(folder / _PROGRAMS)
        if sets_limit:
            os.environ[_MIN_SECONDS_VARIABLE] = str(_MIN_SECONDS)


def _uses_cpu() -> bool:
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return not platforms or "cpu" in platforms.split(",")


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])


def _backend_is_open() -> bool:
    if "jax" not in sys.modules:
        return False
    from jax._src import xla_bridge  # JAX has no public function for this

    return xla_bridge.backends_are_initialized()
