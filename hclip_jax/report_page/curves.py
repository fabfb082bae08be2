"""Lines over steps, as SVG."""

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#65a30d", "#dc2626")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 460, 230, 62, 26, 10, 12
_MAX_POINTS = 500
_MIN_VALUE, _MAX_VALUE = 1e-100, 1e100  # false for NaN and infinities too

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
    lines = {name: _thinned([p for p in points if abs(p[1]) < _MAX_VALUE]) for name, points in lines.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    (x0, x1), y_ticks = _range(xs), _ticks(*_range(ys))
    y0, y1 = y_ticks[0], y_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for value in y_ticks:
        _, y = place(x0, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>')
    for value in _ticks(x0, x1):
        x, _ = place(value, y0)
        if x0 <= value <= x1 and value == round(value):
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{value:,.0f}</text>')
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
    size = max(abs(low), abs(high))
    if size < _MIN_VALUE:
        return -1.0, 1.0
    room = 0.0 if high - low > 1e-3 * size else 0.05 * size
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers, from at most `low` to at least `high`."""
    least = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def _thinned(points: Points) -> Points:
    """At most `_MAX_POINTS`, with the first and the last."""
    if len(points) <= _MAX_POINTS:
        return points
    return [points[round(k * (len(points) - 1) / (_MAX_POINTS - 1))] for k in range(_MAX_POINTS)]
