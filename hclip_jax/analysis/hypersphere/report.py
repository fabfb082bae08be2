"""The measures as JSON and as Markdown tables."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hclip_jax.analysis.hypersphere.energy import EnergyChange
from hclip_jax.analysis.hypersphere.measure import LETTERS, HypersphereMeasures, TowerRotations
from hclip_jax.analysis.hypersphere.relations import Relations
from hclip_jax.config.adapters import TARGETS, TOWERS
from hclip_jax.io.tables import markdown_table

_UNITS = {
    "energy": "sum over pairs of neurons of 1 / distance on the unit sphere, no unit; neurons are the rows "
    "of q, k, v and the columns of o",
    "relative_change": "after / before - 1",
    "angles": "degrees, 0 to 180, of the eigenvalues of the nearest orthogonal matrix",
    "orthogonality_error": "Frobenius norm of Q^T Q - I, no unit",
    "relations": "absolute deviation from the identity and its Frobenius norms, no unit; rows are outputs, "
    "columns inputs",
}


def to_json(measures: HypersphereMeasures, model: str, source: str) -> str:
    """The measures as JSON; null for values that are not finite and for sections that the method lacks.

    Args:
        measures: result of `measure`.
        model: path of the model.
        source: origin of its weights.
    """
    tree = {
        "model": model,
        "source": source,
        "method": measures.method,
        "units": _UNITS,
        "energy": {tower: _energy_tree(change) for tower, change in measures.energy.items()},
        "rotation": measures.rotations
        and {tower: _rotation_tree(rotations) for tower, rotations in measures.rotations.items()},
        "relations": measures.relations and _relation_tree(measures.relations),
    }
    return json.dumps(_to_json_types(tree), indent=2, allow_nan=False) + "\n"


def table_rows(measures: HypersphereMeasures) -> list[tuple[str, str, str]]:
    """Rows of the summary table: measure, text tower, image tower."""
    rows: list[tuple[str, str, str]] = []

    def add(name: str, by_tower: Mapping[str, Any], cell: Callable[[Any], str]) -> None:
        text, image = (cell(by_tower[tower]) if tower in by_tower else "not tuned" for tower in TOWERS)
        rows.append((name, text, image))

    energy, rotations, relations = measures.energy, measures.rotations, measures.relations
    add("energy of the tower, change", energy, lambda e: percent(e.tower_relative))
    add("energy of a matrix, largest change", energy, lambda e: _largest_change(e.relative))
    if rotations is not None:
        add("rotation, median angle", rotations, lambda r: f"{np.median(r.angles):.3g}°")
        add("rotation, largest angle", rotations, _largest_angle)
        add("orthogonality error, largest", rotations, lambda r: f"{r.orthogonality_error.max():.2g}")
    if relations is not None:
        both: dict[str, Relations] = dict.fromkeys(TOWERS, relations)  # the towers share the relations
        add("layer relation, off-diagonal norm", both, lambda r: f"{np.linalg.norm(r.layer_norms):.3g}")
        add("modality relation, off-diagonal norm", both, lambda r: f"{np.linalg.norm(r.modality_norms):.3g}")
        if len(set(relations.towers)) == 2:
            norms = {
                "text": relations.cross_tower_norms("text", "image"),
                "image": relations.cross_tower_norms("image", "text"),
            }
            add("cross-tower weights, norm", norms, lambda n: f"{np.linalg.norm(n):.3g}")
    return rows


def notes(measures: HypersphereMeasures) -> list[str]:
    """Explanations of the summary table, one sentence each."""
    rotations, relations = measures.rotations, measures.relations
    lines = ["Energy: over the rows of q, k, v and the columns of o; changes within 0.001 % are rounding."]
    if measures.method in ("oft", "boft"):
        lines.append(
            f"{measures.method} rotates o on its input side, which changes the energy of its columns."
        )
    if rotations is None:
        lines.append(f"No rotation angles: {measures.method} does not multiply by one block-diagonal matrix.")
    elif not all(tower.orthogonal for tower in rotations.values()):
        lines.append("Angles of free blocks are those of the nearest orthogonal matrix (polar factor).")
    if relations is None:
        lines.append("No relations: only hclip with dcrc has them.")
    elif len(set(relations.towers)) == 2 and math.isfinite(relations.cross_tower_share):
        lines.append(
            f"{100 * relations.cross_tower_share:.0f} % of the squared off-diagonal modality relation is "
            f"cross-tower weight; {100 * relations.cross_tower_share_uniform:.0f} % of its entries are."
        )
    lines.append("q and k of the last image layer are unused, because dense features skip its attention.")
    return lines


def to_markdown(measures: HypersphereMeasures, source: str, plots: Sequence[str]) -> str:
    """The summary table, its notes and the plots.

    Args:
        measures: result of `measure`.
        source: origin of the model's weights.
        plots: names of the image files beside the Markdown file.
    """
    title = f"# Hyperspherical measures of {source}, method {measures.method}\n"
    table = markdown_table(["measure", "text", "image"], table_rows(measures), ["left", "right", "right"])
    lines = [f"- {note}" for note in notes(measures)]
    return "\n".join([title, table, *lines, *(f"\n![{name}]({name})" for name in plots)]) + "\n"


def percent(share: float, decimals: int = 3) -> str:
    """A change with its sign, such as "+0.120 %"; a change that rounds to zero has no sign."""
    if not math.isfinite(share):
        return "not finite"
    value = round(100 * share, decimals)
    return f"{value:+.{decimals}f} %" if value else f"{0:.{decimals}f} %"


def _energy_tree(change: EnergyChange) -> dict[str, Any]:
    return {
        "layers": range(1, len(change.before) + 1),
        "matrices": list(LETTERS.values()),
        "before": change.before,
        "after": change.after,
        "relative_change": change.relative,
        "tower_relative_change": change.tower_relative,
    }


def _rotation_tree(rotations: TowerRotations) -> dict[str, Any]:
    return {
        "layers": rotations.layers,
        "matrices": rotations.letters,
        "orthogonal": rotations.orthogonal,
        "largest_angle": rotations.angles.max(axis=-1),
        "median_angle": np.median(rotations.angles, axis=-1),
        "orthogonality_error": rotations.orthogonality_error,
    }


def _relation_tree(relations: Relations) -> dict[str, Any]:
    towers = sorted(set(relations.towers), key=relations.towers.index)
    return {
        "layers": relations.layers,
        "matrices": [LETTERS[target] for target in relations.targets],
        "block_towers": relations.towers,
        "layer_deviation": relations.layer,
        "modality_deviation": relations.modality,
        "layer_off_diagonal_norm": relations.layer_norms,
        "modality_off_diagonal_norm": relations.modality_norms,
        "cross_tower_norm": {
            f"{tower}_from_{source}": relations.cross_tower_norms(tower, source)
            for tower in towers
            for source in towers
            if tower != source
        },
        "cross_tower_share": relations.cross_tower_share,
        "cross_tower_share_uniform": relations.cross_tower_share_uniform,
    }


def _largest_change(relative: np.ndarray) -> str:
    if not np.isfinite(relative).all():
        return "not finite"
    layer, j = np.unravel_index(np.abs(relative).argmax(), relative.shape)
    return f"{percent(relative[layer, j])} (layer {layer + 1}, {LETTERS[TARGETS[j]]})"


def _largest_angle(rotations: TowerRotations) -> str:
    angles = rotations.angles.max(axis=(2, 3))
    i, j = np.unravel_index(angles.argmax(), angles.shape)
    return f"{angles[i, j]:.3g}° (layer {rotations.layers[i]}, {rotations.letters[j]})"


def _to_json_types(value: Any) -> Any:
    """Lists, dicts and floats of seven digits; None for values that are not finite."""
    if isinstance(value, dict):
        return {name: _to_json_types(v) for name, v in value.items()}
    if isinstance(value, np.ndarray):
        return _to_json_types(value.tolist())
    if isinstance(value, list | tuple | range):
        return [_to_json_types(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
