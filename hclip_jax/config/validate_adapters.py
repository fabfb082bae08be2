"""Checks of the fields of a tuning method against each other and against CLIP."""

from collections.abc import Mapping

from hclip_jax.config.adapters import (
    AdapterConfig,
    BlockConfig,
    BoftConfig,
    FullConfig,
    HClipConfig,
    LoraConfig,
    NoneConfig,
)
from hclip_jax.config.build import check_divides, wrong
from hclip_jax.errors import UserError


def check_adapters(a: AdapterConfig, sizes: Mapping[str, tuple[int, int]], path: str = "config") -> None:
    """Checks the fields of a tuning method against each other and against CLIP.

    Args:
        a: of the method.
        sizes: (number of layers, width) of each tower.
        path: the name of the configuration in messages.

    Raises:
        UserError: two fields contradict each other.
    """
    root, path = path, f"{path}.adapters"
    for field in ("towers", "layers", "targets", "orthogonal", "parts"):
        value = getattr(a, field, ())
        if len(set(value)) < len(value):
            raise wrong(f"{path}.{field}", value, "without repetition")
    if isinstance(a, NoneConfig):
        return
    if not a.towers:
        raise wrong(f"{path}.towers", (), "at least one of text, image, or method none")
    if isinstance(a, FullConfig):
        return
    if not a.targets:
        raise wrong(f"{path}.targets", (), "at least one of query, key, value, out, or method none")
    # The image tower first, as in all other messages.
    towers = [tower for tower in ("image", "text") if tower in a.towers]
    for tower in towers:
        num_layers, width = sizes[tower]
        if max(a.layers, default=0) > num_layers:
            raise wrong(
                f"{path}.layers", a.layers, f"numbers from 1 to {num_layers}, the layers of clip.{tower}"
            )
        if isinstance(a, LoraConfig) and a.rank > width:
            raise wrong(f"{path}.rank", a.rank, f"at most clip.{tower}.width = {width}")
    if isinstance(a, BlockConfig):
        if a.neumann_terms < 2:
            raise wrong(f"{path}.neumann_terms", a.neumann_terms, "2 or more")
        check_divides(
            root,
            *(
                (f"clip.{tower}.width", sizes[tower][1], "adapters.block_size", a.block_size)
                for tower in towers
            ),
        )
    if isinstance(a, HClipConfig):
        _check_parts(a, path)
    if isinstance(a, BoftConfig) and a.num_factors > 1:
        _check_butterflies(a, {tower: sizes[tower][1] for tower in towers}, path)


def _check_parts(a: HClipConfig, path: str) -> None:
    if not a.parts:
        raise wrong(f"{path}.parts", (), "at least one of pop, dcrc; method none trains no adapters")
    if a.parts == ("dcrc",) and set(a.towers) <= set(a.orthogonal):
        raise UserError(
            f"{path}.parts is ('dcrc',), which cannot rotate anything while every tower of {path}.towers = "
            f"{a.towers} is in {path}.orthogonal; leave one out of it, or add pop"
        )


def _check_butterflies(a: BoftConfig, widths: dict[str, int], path: str) -> None:
    if a.block_size % 2:
        raise wrong(
            f"{path}.block_size",
            a.block_size,
            f"even, because {path}.num_factors = {a.num_factors} exchange half-blocks",
        )
    for tower, width in widths.items():
        blocks, distance = width // a.block_size, 1 << min(a.num_factors - 1, 32)
        if blocks % distance:
            raise wrong(
                f"{path}.num_factors",
                a.num_factors,
                f"less, because the {blocks} blocks of clip.{tower}.width, {a.block_size} wide, are no "
                f"multiple of 2^(num_factors - 1); or choose a smaller {path}.block_size",
            )
