"""Whether Bradley-Terry scores exist: chains of wins and ties must lead from each model to each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from webchat.feedback.results.records import Note


def reachable(links: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of n models leads to which others. links: n × n, or a stack of them."""
    size = links.shape[-1]
    reach = links | np.eye(size, dtype=bool)
    steps = 1
    while steps < size:
        reach = reach @ reach
        steps *= 2
    return reach


def connected(won: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether scores exist. won: whether the row's model won or tied against the column's: n × n, or a
    stack."""
    return np.asarray(reachable(won).all(axis=(-2, -1)))


def why_not(won: NDArray[np.bool_], models: Sequence[str]) -> tuple[Note, ...]:
    """Why there are no scores; empty if there are some."""
    if len(models) < 2:
        return (Note("one_model", tuple(models)),) if models else ()
    if connected(won):
        return ()
    either = reachable(won | won.T)
    if not either.all():
        groups = {tuple(name for name, one in zip(models, row, strict=True) if one) for row in either}
        return (Note("disconnected", tuple(sorted(", ".join(group) for group in groups))),)
    unbeaten = tuple(name for name, lost in zip(models, won.T, strict=True) if not lost.any())
    winless = tuple(name for name, beaten in zip(models, won, strict=True) if not beaten.any())
    notes = [Note("unbeaten", unbeaten)] if unbeaten else []
    notes += [Note("winless", winless)] if winless else []
    if notes:
        return tuple(notes)
    # Groups that were compared, but one of which always won.
    reach = reachable(won)
    top = tuple(name for name, row in zip(models, reach, strict=True) if row.all())
    return (Note("unbeaten", top),)
