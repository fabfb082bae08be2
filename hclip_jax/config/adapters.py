"""What `config.adapters` may be."""

from hclip_jax.adapters.methods import METHODS
from hclip_jax.adapters.targets import TARGETS, TOWERS
from hclip_jax.config.checks import check_choices, check_divides, wrong
from hclip_jax.config.schema import AdapterConfig, ClipConfig
from hclip_jax.errors import UserError


def check_adapters(a: AdapterConfig, clip: ClipConfig, path: str) -> None:
    """Checks the fields of a tuning method, alone and against CLIP.

    Fields that the method does not read may have any value that is allowed at all.

    Raises:
        UserError: a value is not allowed, or fields contradict each other.
    """
    check_choices(
        path,
        ("adapters.method", a.method, METHODS),
        ("adapters.relation", a.relation, ("linear", "mlp")),
        ("adapters.cayley", a.cayley, ("solve", "neumann")),
        *(("adapters.towers", tower, TOWERS) for tower in a.towers),
        *(("adapters.targets", target, TARGETS) for target in a.targets),
        *(("adapters.orthogonal", tower, TOWERS) for tower in a.orthogonal),
        *(("adapters.parts", part, ("pop", "dcrc")) for part in a.parts),
    )
    path = f"{path}.adapters"
    for field in ("towers", "layers", "targets", "orthogonal", "parts"):
        value = getattr(a, field)
        if len(set(value)) < len(value):
            raise wrong(f"{path}.{field}", value, "without repetition")
    if a.neumann_terms < 2:
        raise wrong(f"{path}.neumann_terms", a.neumann_terms, "2 or more")
    if a.method in ("none", "full"):
        for field in ("layers", "targets"):
            if value := getattr(a, field):
                raise wrong(f"{path}.{field}", value, f"empty, as method {a.method} chooses no matrices")
    if a.method == "none":
        return
    if not a.towers:
        raise wrong(f"{path}.towers", (), f"at least one of {', '.join(TOWERS)}, or method none")
    # The image tower first, as in all other messages.
    towers = {tower: getattr(clip, tower) for tower in ("image", "text") if tower in a.towers}
    for tower, sizes in towers.items():
        if max(a.layers, default=0) > sizes.layers:
            raise wrong(f"{path}.layers", a.layers, f"of 1 to {sizes.layers}, the layers of clip.{tower}")
        if a.method == "lora" and a.rank > sizes.width:
            raise wrong(f"{path}.rank", a.rank, f"at most clip.{tower}.width = {sizes.width}")
    if a.method in ("hclip", "oft", "boft"):
        check_divides(
            path.removesuffix(".adapters"),
            *(
                (f"clip.{tower}.width", sizes.width, "adapters.block", a.block)
                for tower, sizes in towers.items()
            ),
        )
    if a.method == "hclip":
        _check_parts(a, path)
    if a.method == "boft" and a.factors > 1:
        _check_butterflies(a, {tower: sizes.width for tower, sizes in towers.items()}, path)


def _check_parts(a: AdapterConfig, path: str) -> None:
    if not a.parts:
        raise wrong(f"{path}.parts", (), "at least one of pop, dcrc; method none trains no adapters")
    if a.parts == ("dcrc",) and set(a.towers) <= set(a.orthogonal):
        raise UserError(
            f"{path}.parts is ('dcrc',), which can turn nothing while every tower of {path}.towers = "
            f"{a.towers} is in {path}.orthogonal; leave one out of it, or add pop"
        )


def _check_butterflies(a: AdapterConfig, widths: dict[str, int], path: str) -> None:
    if a.block % 2:
        raise wrong(f"{path}.block", a.block, f"even, for {path}.factors = {a.factors} exchange half-blocks")
    for tower, width in widths.items():
        blocks, apart = width // a.block, 1 << min(a.factors - 1, 32)
        if blocks % apart:
            raise wrong(
                f"{path}.factors",
                a.factors,
                f"less, for the {blocks} blocks of clip.{tower}.width are no multiple of 2^(factors - 1)",
            )
