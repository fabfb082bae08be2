"""Which classes are taken for which: a matrix of few classes, the largest confusions of many."""

from collections.abc import Sequence
from html import escape
from typing import Any

from hclip_jax.evaluation.confusion_matrix import ClassMetrics

MAX_CLASSES = 30
"""More classes than these are shown as a list."""
_MAX_ROWS = 60


def confusions(classes: Sequence[ClassMetrics], largest: Sequence[Sequence[Any]]) -> str:
    """The matrix, or the list.

    Args:
        classes: the metrics of all classes.
        largest: rows (ground truth, prediction, percent of the labelled pixels), the largest first.

    Returns:
        HTML; empty if nothing is confused.
    """
    if not largest:
        return ""
    shares = {row["name"]: row["ground_truth"] or 0 for row in classes}
    names = [row["name"] for row in classes if row["ground_truth"] or row["prediction"]]
    if len(names) <= MAX_CLASSES and len(names) == len(set(names)):
        cells = {(truth, guess): _percent(value, shares[truth]) for truth, guess, value in largest}
        cells |= {(row["name"], row["name"]): row["ACC"] or 0.0 for row in classes}
        return _matrix(names, cells)
    rows = "".join(
        f"<tr><td>{escape(truth)}</td><td>{escape(guess)}</td><td>{value:.2f}</td>"
        f"<td>{_percent(value, shares[truth]):.0f}</td></tr>"
        for truth, guess, value in largest[:_MAX_ROWS]
    )
    header = "<tr><th>ground truth</th><th>taken for</th><th>% of all pixels</th><th>% of the class</th></tr>"
    return f'<div class="scroll"><table>{header}{rows}</table></div>'


def _matrix(names: Sequence[str], cells: dict[tuple[str, str], float]) -> str:
    """Rows are the ground truth, columns the prediction; percent of the row."""
    head = "".join(f"<th><div>{escape(name)}</div></th>" for name in names)
    rows = ""
    for truth in names:
        row = "".join(_cell(truth, guess, cells.get((truth, guess), 0.0)) for guess in names)
        rows += f"<tr><th>{escape(truth)}</th>{row}</tr>"
    note = "<p>Rows are the ground truth, columns the prediction, in percent of the row.</p>"
    return (
        f'{note}<div class="scroll whole"><table class="matrix"><tr><th></th>{head}</tr>{rows}</table></div>'
    )


def _cell(truth: str, guess: str, percent: float) -> str:
    colour = "37,99,235" if truth == guess else "220,38,38"
    title = escape(f"{truth} taken for {guess}: {percent:.1f} %", quote=True)
    text = f"{percent:.0f}" if percent >= 0.5 else ""
    deep = ' class="deep"' if percent >= 60 else ""
    return f'<td{deep} style="background:rgba({colour},{percent / 100:.2f})" title="{title}">{text}</td>'


def _percent(value: float, whole: float) -> float:
    return 100 * value / whole if whole else 0.0
