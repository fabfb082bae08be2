"""IoU of each class, as bars in a box that scrolls."""

from collections.abc import Sequence
from html import escape

from hclip_jax.evaluation.confusion_matrix import ClassMetrics


def bars(classes: Sequence[ClassMetrics]) -> str:
    """Bars of all classes with ground truth, the best first; those without are counted."""
    present = [row for row in classes if row["IoU"] is not None]
    rows = [
        f'<tr><td>{escape(row["name"])}</td><td class="bar"><i style="width:{row["IoU"]:.1f}%"></i></td>'
        f"<td>{row['IoU']:.1f}</td><td>{escape(row['mistaken_for'] or '')}</td></tr>"
        for row in sorted(present, key=lambda row: -(row["IoU"] or 0))
    ]
    if absent := len(classes) - len(present):
        rows.append(f'<tr><td colspan="4">{absent:,} classes do not occur in the ground truth</td></tr>')
    header = "<tr><th>class</th><th>IoU</th><th>%</th><th>most taken for</th></tr>"
    return f'<div class="scroll"><table class="bars">{header}{"".join(rows)}</table></div>'
