"""The two loss curves of a training, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from webchat.feedback.finetuning.progress import Point

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 28, 34
_MOST = 300
"""Points of a curve that are drawn: of more, means of neighbours."""


@dataclass(frozen=True, slots=True)
class Words:
    """What is written into the picture."""

    training: str = "training"
    held_out: str = "held out"
    epochs: str = "epochs"
    title: str = "Loss during training"


def curves(points: Sequence[Point], words: Words | None = None, *, epochs: float = 0.0) -> str:
    """An SVG of the losses on what was trained on and on what was held out.

    epochs: how far the axis goes at least: those of the whole training. Its colours follow the page's text
    where it is part of a page. Numbers that are infinite or none are left out.
    """
    words = words or Words()
    drawn = [point for point in points if math.isfinite(point.loss) and math.isfinite(point.epoch)]
    training = _thinned([point for point in drawn if not point.held_out])
    held_out = [point for point in drawn if point.held_out]
    seen = [*training, *held_out]
    frame = _Frame(
        max([epochs, *(point.epoch for point in seen)], default=1.0) or 1.0,
        min((point.loss for point in seen), default=0.0),
        max((point.loss for point in seen), default=1.0),
    )
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
            f' aria-label="{escape(words.title)}" font-family="system-ui, sans-serif" font-size="12"'
            ' fill="currentColor" color="#7d7d7d">',
            frame.grid(),
            _text(_WIDTH - _RIGHT, _HEIGHT - 4, words.epochs, "end"),
            _curve(frame, training, "#3f86c6", width=1.5),
            _curve(frame, held_out, "#d9772b", width=2.5, dots=True),
            _key(_LEFT, "#3f86c6", words.training),
            _key(_LEFT + 160, "#d9772b", words.held_out),
            "</svg>",
        ]
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """From epochs and losses to places in the picture."""

    epochs: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        return _LEFT + epoch / self.epochs * (_WIDTH - _LEFT - _RIGHT)

    def y(self, loss: float) -> float:
        share = (loss - self.low) / ((self.high - self.low) or 1.0)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self) -> str:
        made = []
        for part in range(5):
            loss = self.low + (self.high - self.low) * part / 4
            y = self.y(loss)
            line = f"M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"
            made.append(f'<path d="{line}" stroke="currentColor" stroke-opacity=".25"/>')
            made.append(_text(_LEFT - 6, y + 4, f"{loss:.3g}", "end"))
            epoch = self.epochs * part / 4
            if part < 4:
                made.append(_text(self.x(epoch), _HEIGHT - _BOTTOM + 16, f"{epoch:.3g}", "middle"))
        return "".join(made)


def _curve(frame: _Frame, points: Sequence[Point], colour: str, *, width: float, dots: bool = False) -> str:
    if not points:
        return ""
    places = [(frame.x(point.epoch), frame.y(point.loss)) for point in points]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    made = f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    if dots:
        made += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)
    return made


def _key(x: float, colour: str, text: str) -> str:
    return f'<path d="M{x} 12h18" stroke="{colour}" stroke-width="3"/>{_text(x + 24, 16, text, "start")}'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most `_MOST` points, each the mean of neighbours: the loss of single batches is mostly noise."""
    size = -(-len(points) // _MOST) or 1
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [Point(group[-1].epoch, sum(point.loss for point in group) / len(group)) for group in groups]
