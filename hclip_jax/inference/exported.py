"""Programs in the cache folder as StableHLO, so that a later process runs them without tracing the model.

JAX's cache of compiled programs is keyed by their StableHLO, which takes 0.7 s of tracing; reading it takes
0.01 s. Entries have JAX's own format (`jax.export`), which holds no Python objects.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
from jax import Array, export

from hclip_jax.io import cache
from hclip_jax.io.cache_entries import digest, read_entry, write_entry
from hclip_jax.io.code_digest import code_digest
from hclip_jax.ops import backend
from hclip_jax.ops.native import library

MAX_BYTES = 2**27
"""Limit of the folder. A program takes 0.1 to 1 MB."""
_KIND = "exported"
# JAX exports no calls of others' kernels, whose names could mean something else later: ours have versions.
_OWN_KERNELS = [
    export.DisabledSafetyCheck.custom_call(library.name_in_programs(target)) for target in library.TARGETS
]


class ExportedPrograms:
    """Programs of one device, by the settings and the shapes they are for."""

    def __init__(self) -> None:
        self._loaded: dict[object, Callable[..., Array]] = {}

    def run(self, function: Callable[..., Array], settings: tuple[object, ...], *args: Any) -> Array:
        """`function(*args)`.

        Args:
            function: a jitted function; it is traced if the cache folder has no program for these arguments.
            settings: everything else that its result depends on besides the code; compared by `repr`.
            args: trees of arrays on the default device.
        """
        leaves, tree = jax.tree.flatten(args)
        key = (settings, tree, tuple((x.shape, str(x.dtype)) for x in leaves))
        if key not in self._loaded:
            self._loaded[key] = _load(
                lambda *leaves: function(*jax.tree.unflatten(tree, leaves)), key, leaves
            )
        return self._loaded[key](*leaves)


def _load(function: Callable[..., Array], key: object, leaves: list[Any]) -> Callable[..., Array]:
    """The program of the cache folder for `function`; `function` itself if there can be none."""
    # JAX writes StableHLO with flatbuffers.
    config: Any = jax.config
    if cache.folder() is None or find_spec("flatbuffers") is None or config.jax_disable_jit:
        return function
    name = digest(key, code_digest(), _environment())
    try:
        content = read_entry(_KIND, name)
        if content is None:
            # Also this process runs what later ones read: JAX keeps the compiled program under that text.
            exported = export.export(jax.jit(function), disabled_checks=_OWN_KERNELS)(*leaves)
            content = bytes(exported.serialize())
            write_entry(_KIND, name, content, MAX_BYTES)
        return jax.jit(export.deserialize(bytearray(content)).call)
    except Exception:  # JAX cannot export the program, or read it: the error of the model itself comes again
        return function


def _environment() -> tuple[object, ...]:
    """The device and the settings of JAX that a program depends on."""
    config: Any = jax.config
    device = jax.devices()[0]
    return (
        device.platform,
        device.device_kind,
        device.client.platform_version,
        backend.platform(),
        backend.kernels_enabled(),
        library.lanes(),
        config.jax_default_matmul_precision,
        config.jax_enable_x64,
    )
