"""Lines over steps, as SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#dc2626")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 230, 62, 26, 10, 12
_MAX_POINTS = 500

Points = Sequence[tuple[float, float]]


def curves(title: str, lines: Mapping[str, Points]) -> str:
    """One diagram.

    Args:
        title: its caption.
        lines: name -> points (step, value). Values that are not finite are left out; of many points, evenly
            spaced ones are drawn.

    Returns:
        A figure with a legend; empty if there is no point.
    """
    lines = {name: _thinned([p for p in points if math.isfinite(p[1])]) for name, points in lines.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    (x0, x1), (y0, y1) = _range(xs), _range(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for k in range(5):
        value = y0 + k / 4 * (y1 - y0)
        _, y = place(x0, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for value, anchor in ((x0, "start"), (x1, "end")):
        x, _ = place(value, y0)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{value:,.0f}</text>')
    legend = []
    for k, (name, points) in enumerate(lines.items()):
        colour = COLOURS[k % len(COLOURS)]
        places = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        x, y = places[-1]
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>')
        legend.append(
            f'<span><i style="background:{colour}"></i>{escape(name)} <b>{points[-1][1]:.4g}</b></span>'
        )
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
    caption = f"<figcaption>{escape(title)}</figcaption>"
    return f'<figure>{caption}{svg}<div class="legend">{"".join(legend)}</div></figure>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest value; around (nearly) a single one, room, so that noise looks flat."""
    low, high = min(values), max(values)
    room = 0.0 if high - low > 1e-3 * max(abs(low), abs(high)) else 0.05 * abs(low) or 1.0
    return low - room, high + room


def _thinned(points: Points) -> Points:
    """At most `_MAX_POINTS`, with the first and the last."""
    if len(points) <= _MAX_POINTS:
        return points
    return [points[round(k * (len(points) - 1) / (_MAX_POINTS - 1))] for k in range(_MAX_POINTS)]
