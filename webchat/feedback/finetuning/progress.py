"""How a training goes, from what `trl` prints: a Python dictionary per step and per held-out evaluation."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LOGGED = re.compile(r"\{'(?:loss|eval_loss)'.*\}")


@dataclass(frozen=True, slots=True)
class Point:
    """The loss after so many epochs. held_out: on rows that are not trained on."""

    epoch: float
    loss: float
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """point: the newest. done: the share of the training that is over, from 0 to 1. left: seconds, `None`
    before anything can be told."""

    point: Point
    done: float
    left: float | None


def point_of(line: str) -> Point | None:
    """The loss a printed line tells of; `None` if it tells none."""
    found = _LOGGED.search(line)
    if found is None:
        return None
    try:
        return point_in(ast.literal_eval(found[0]))
    except (ValueError, SyntaxError):
        return None


def point_in(logged: Mapping[str, Any]) -> Point | None:
    """The loss in what a trainer logged; `None` if there is none."""
    for name, held_out in (("loss", False), ("eval_loss", True)):
        if name in logged and "epoch" in logged:
            return Point(float(logged["epoch"]), float(logged[name]), held_out)
    return None


def progress(point: Point, epochs: float, seconds: float, begun: float = 0.0) -> Progress:
    """epochs: of the whole training; begun: those that were over when it was resumed. seconds: since then."""
    done = min(1.0, point.epoch / epochs)
    new = point.epoch - begun
    left = seconds * (epochs - point.epoch) / new if new > 0 else None
    return Progress(point, done, None if left is None else max(0.0, left))
