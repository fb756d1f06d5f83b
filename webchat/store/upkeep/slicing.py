"""How much of what is deleted goes in one slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

SLICE_ROWS = 50
SLICE_CHARS = 5_000


def slices_of(sizes: Iterable[tuple[object, int]]) -> Iterator[list[Any]]:
    """The keys in groups of `SLICE_ROWS`, fewer if they are large."""
    group: list[Any] = []
    chars = 0
    for key, size in sizes:
        if group and (len(group) == SLICE_ROWS or chars + size > SLICE_CHARS):
            yield group
            group, chars = [], 0
        group.append(key)
        chars += size
    if group:
        yield group
