"""The measures for programs, and as a table to read."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hclip_jax.analysis.hypersphere.measure import LETTERS, Geometry
from hclip_jax.config.adapters import TARGETS

UNITS = {
    "energy": "sum over pairs of neurons of 1 / distance on the unit sphere, no unit; neurons are the rows "
    "of q, k, v and the columns of o",
    "relative_change": "after / before - 1",
    "angles": "degrees, 0 to 180, of the eigenvalues of the nearest orthogonal matrix",
    "distance_from_orthogonality": "Frobenius norm of Q^T Q - I, no unit",
    "relations": "absolute deviation from the identity and its Frobenius norms, no unit; rows hear of "
    "columns",
}
_ALL_LETTERS = tuple(LETTERS.values())


def to_json(geometry: Geometry, model: str, source: str) -> str:
    """The measures for programs; null for what is not finite, and for sections the method does not have.

    Args:
        geometry: what `measure` found.
        model: where it lies.
        source: what its weights once came from.
    """
    tree = {
        "model": model,
        "source": source,
        "method": geometry.method,
        "units": UNITS,
        "energy": {
            tower: {
                "layers": range(1, len(change.before) + 1),
                "matrices": _ALL_LETTERS,
                "before": change.before,
                "after": change.after,
                "relative_change": change.relative,
                "tower_relative_change": change.whole,
            }
            for tower, change in geometry.energy.items()
        },
        "rotation": geometry.turned
        and {
            tower: {
                "layers": own.layers,
                "matrices": own.letters,
                "orthogonal": own.orthogonal,
                "largest_angle": own.turning.angles.max(axis=-1),
                "median_angle": np.median(own.turning.angles, axis=-1),
                "distance_from_orthogonality": own.turning.distance,
            }
            for tower, own in geometry.turned.items()
        },
        "relations": _relations(geometry),
    }
    return json.dumps(_plain(tree), indent=2, allow_nan=False) + "\n"


def _relations(geometry: Geometry) -> dict[str, Any] | None:
    if (own := geometry.relations) is None:
        return None
    towers = sorted(set(own.towers), key=own.towers.index)
    return {
        "layers": own.layers,
        "matrices": [LETTERS[target] for target in own.targets],
        "blocks": own.towers,
        "layer_deviation": own.layer,
        "modality_deviation": own.modality,
        "layer_off_diagonal_norm": own.between_matrices,
        "modality_off_diagonal_norm": own.between_blocks,
        "modality_norm_between": {
            f"{hears} hears of {of}": own.between_towers(hears, of)
            for hears in towers
            for of in towers
            if hears != of
        },
        "cross_tower_share": own.cross_share,
        "cross_tower_share_if_all_were_equal": own.cross_share_of_entries,
    }


def rows(geometry: Geometry) -> list[tuple[str, ...]]:
    """The short table: a measure, of the text tower, of the image tower."""
    table: list[tuple[str, ...]] = []

    def add(name: str, cell: Any, towers: Any) -> None:
        table.append((name, *(cell(towers[t]) if t in towers else "not tuned" for t in ("text", "image"))))

    add("energy of the tower, change", lambda e: percent(e.whole), geometry.energy)
    add("energy of a matrix, largest change", lambda e: _largest_change(e.relative), geometry.energy)
    if geometry.turned is not None:
        add("rotation, median angle", lambda t: f"{np.median(t.turning.angles):.3g}°", geometry.turned)
        add("rotation, largest angle", _largest_angle, geometry.turned)
        add(
            "distance from orthogonality, largest",
            lambda t: f"{t.turning.distance.max():.2g}",
            geometry.turned,
        )
    if (own := geometry.relations) is not None:
        layer, blocks = np.linalg.norm(own.between_matrices), np.linalg.norm(own.between_blocks)
        table.append(("layer relation, norm off the diagonal", *[f"{layer:.3g}"] * 2))
        table.append(("modality relation, norm off the diagonal", *[f"{blocks:.3g}"] * 2))
        if len(set(own.towers)) == 2:
            cells = [
                f"{np.linalg.norm(own.between_towers(*pair)):.3g}"
                for pair in (("text", "image"), ("image", "text"))
            ]
            table.append(("of it, what is heard of the other tower", cells[0], cells[1]))
    return table


def notes(geometry: Geometry) -> list[str]:
    """What a reader of the table should know, a sentence each."""
    said = ["Energy: of the rows of q, k, v and of the columns of o; within 0.001 % is rounding."]
    if geometry.method in ("oft", "boft"):
        said.append(f"{geometry.method} turns o on its input side, which does not keep the columns' energy.")
    if geometry.turned is None:
        said.append(f"No rotation angles: {geometry.method} does not multiply by one block-diagonal matrix.")
    elif not all(own.orthogonal for own in geometry.turned.values()):
        said.append("Angles of free blocks are those of the nearest orthogonal matrix (polar factor).")
    if (own := geometry.relations) is None:
        said.append("No relations: the method or its parts have none (dcrc of hclip).")
    elif len(set(own.towers)) == 2 and math.isfinite(own.cross_share):
        said.append(
            f"{100 * own.cross_share:.0f} % of the modality relation off the diagonal (squared) lies between "
            f"the towers, whose entries are {100 * own.cross_share_of_entries:.0f} % of all."
        )
    said.append("q and k of the last image layer are never used, as it attends to nothing.")
    return said


def to_markdown(geometry: Geometry, source: str, pictures: Sequence[str]) -> str:
    """The short table, notes and pictures."""
    lines = [f"# Geometry of {source}, method {geometry.method}", ""]
    lines += [
        "| | text | image |",
        "|---|--:|--:|",
        *(f"| {' | '.join(row)} |" for row in rows(geometry)),
        "",
    ]
    lines += [f"- {note}" for note in notes(geometry)]
    return "\n".join([*lines, *(f"\n![{name}]({name})" for name in pictures)]) + "\n"


def percent(share: float, decimals: int = 3) -> str:
    """A change with its sign, "+0.120 %"; what rounds to nothing has none."""
    if not math.isfinite(share):
        return "not finite"
    value = round(100 * share, decimals)
    return f"{value:+.{decimals}f} %" if value else f"{0:.{decimals}f} %"


def _largest_change(relative: np.ndarray) -> str:
    if not np.isfinite(relative).all():
        return "not finite"
    layer, j = np.unravel_index(np.abs(relative).argmax(), relative.shape)
    return f"{percent(relative[layer, j])} (layer {layer + 1}, {LETTERS[TARGETS[j]]})"


def _largest_angle(own: Any) -> str:
    angles = own.turning.angles.max(axis=(2, 3))
    i, j = np.unravel_index(angles.argmax(), angles.shape)
    return f"{angles[i, j]:.3g}° (layer {own.layers[i]}, {own.letters[j]})"


def _plain(value: Any) -> Any:
    """What JSON can hold: seven digits, null for what is not finite."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
