"""How much memory all models together may use on each device."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from webchat.models.room import gigabytes

log = logging.getLogger(__name__)

SHARE = 0.9
"""Of what is free before the first model is loaded; the rest is for replies, the server and others."""

Measure = Callable[[str], int | None]
"""Bytes free on a device, `None` where that is not known. May block."""


class Budget:
    """configured: bytes, the same on every device; `None`: measured on each, once, before its first model.

    Only once, because later values of free memory mean little: the system counts weights read from a file as
    free, and a GPU's libraries keep what they once allocated.
    """

    def __init__(self, configured: int | None, measure: Measure) -> None:
        self.configured = configured
        self._measure = measure
        self._found: dict[str, int | None] = {}

    def known(self, place: str) -> int | None:
        """The budget of a device, as far as it is known without querying a driver."""
        if self.configured is None and place == "cpu" and place not in self._found:
            self._keep(place, self._measure(place))
        return self._found.get(place) if self.configured is None else self.configured

    async def of(self, place: str) -> int | None:
        """The budget of a device; `None` if it cannot be measured: then only the engines' own errors limit
        what is loaded."""
        if self.configured is None and place not in self._found:
            self._keep(place, await asyncio.to_thread(self._measure, place))
        return self.known(place)

    def _keep(self, place: str, free: int | None) -> None:
        self._found[place] = found = None if free is None else int(free * SHARE)
        if found is not None:
            log.info("%s GB reserved for models on %s", gigabytes(found), place)
