"""Lines over the last hour, as SVG made of numbers alone; see `webchat.console.feedback.plot` for why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

_WIDTH, _HEIGHT = 480.0, 96.0
_TOP = 6.0
_STEPS = (1.0, 2.0, 5.0)
_DASH = 6.0


@dataclass(frozen=True, slots=True)
class Line:
    """values: from left to right, `None` where there is nothing, which is a gap."""

    name: str
    values: Sequence[float | None]


def plot(title: str, lines: Sequence[Line], unit: str, *, nothing: str) -> str:
    """HTML: a figure with up to two lines over the same time, the top of its scale, and the newest values.
    nothing: said in place of lines without any value."""
    known = [value for line in lines for value in line.values if value is not None]
    top = round_up(max(known, default=0.0))
    newest = ", ".join(
        f"{line.name} {shown(value, unit)}"
        for line in lines
        if (value := next((one for one in reversed(line.values) if one is not None), None)) is not None
    )
    drawn = "".join(
        f'<path class="wc-line wc-line-{number}" d="{path(line.values, top)}"/>'
        for number, line in enumerate(lines)
    )
    keys = "".join(
        f'<span class="wc-key wc-key-{number}">{escape(line.name)}</span>'
        for number, line in enumerate(lines)
    )
    said = escape(newest if known else nothing)
    return (
        f'<figure class="wc-health-plot"><figcaption><b>{escape(title)}</b> {keys}</figcaption>'
        f'<div class="wc-health-scale">{escape(shown(top, unit)) if known else ""}</div>'
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(title)}: {said}">{drawn}</svg>'
        f"<p>{said}</p></figure>"
    )


def path(values: Sequence[float | None], top: float) -> str:
    """The `d` of a path, with a new beginning after each gap. A value alone is a dash, the only one a line
    from end to end."""
    step = _WIDTH / max(1, len(values) - 1)
    parts = []
    for known, run in groupby(enumerate(values), key=lambda one: one[1] is not None):
        if not known:
            continue
        points = [
            (at * step, _HEIGHT - 1 - ((value or 0.0) / top if top else 0.0) * (_HEIGHT - _TOP))
            for at, value in run
        ]
        if len(points) == 1:
            ((x, y),) = points
            half = _WIDTH if len(values) == 1 else max(step, _DASH) / 2
            points = [(max(0.0, x - half), y), (min(_WIDTH, x + half), y)]
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points))
    return "".join(parts)


def round_up(value: float) -> float:
    """The next round number: 1, 2 or 5 with zeros."""
    if value <= 0:
        return 1.0
    power = 10.0 ** _exponent(value)
    return next((step * power for step in _STEPS if step * power >= value * 0.999), 10 * power)


def _exponent(value: float) -> int:
    exponent = 0
    while value >= 10:
        value, exponent = value / 10, exponent + 1
    while value < 1:
        value, exponent = value * 10, exponent - 1
    return exponent


def shown(value: float, unit: str) -> str:
    """A value with its unit; seconds below one in milliseconds."""
    if unit == "s" and value < 1:
        return f"{1000 * value:.0f} ms"
    number = f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
    return f"{number} {unit}".strip()
