"""Reports what blocks the event loop, or the database's writer, for longer than anyone should have to wait.

It runs with `--log-level debug` and in the benchmarks. A thread pings the loop every few milliseconds; if
there is no response, it inspects what the loop's thread is doing. The store reports how long each verb held
the writer.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

MOST_SECONDS = 0.025
"""The longest acceptable hold."""

_BEAT = 0.005
_FRAMES = 8
_ROOT = Path(__file__).parent.parent

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """seconds: the duration. place: for the loop, its calls, innermost first; for the writer, the verb."""

    seconds: float
    place: str


class Watchdog:
    """Watches one loop from `start` to `stop`. longest: the longest hold of each kind. Logs every hold longer
    than `MOST_SECONDS`."""

    def __init__(self) -> None:
        self.longest: dict[str, Hold] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Call it from the loop."""
        told = asyncio.get_running_loop(), threading.get_ident()
        self._thread = threading.Thread(target=self._watch, args=told, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Log the longest hold. Idempotent."""
        self._ended.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        for what, hold in sorted(self.longest.items()):
            log.debug("longest hold of the %s: %.1f ms, %s", what, 1000 * hold.seconds, hold.place)

    def wrote(self, verb: str, seconds: float) -> None:
        """Record how long a verb held the database's writer."""
        self._note("writer", Hold(seconds, verb))

    def _note(self, what: str, hold: Hold) -> None:
        if what not in self.longest or hold.seconds > self.longest[what].seconds:
            self.longest[what] = hold
        if hold.seconds > MOST_SECONDS:
            log.debug("the %s was held for %.1f ms: %s", what, 1000 * hold.seconds, hold.place)

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._ended.wait(_BEAT):
            alive = threading.Event()
            asked = time.perf_counter()
            try:
                loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # it is closed
                return
            places = Counter[str]()
            wait = MOST_SECONDS
            while not alive.wait(wait) and not self._ended.is_set():
                places[_place(sys._current_frames().get(thread))] += 1
                wait = _BEAT
            place = places.most_common(1)[0][0] if places else "too short to inspect"
            self._note("event loop", Hold(time.perf_counter() - asked, place))


def _place(frame: FrameType | None) -> str:
    """The innermost calls of a thread, as `file:line function`."""
    calls: list[str] = []
    while frame is not None and len(calls) < _FRAMES:
        code = frame.f_code
        if not calls and code.co_name == "select" and code.co_filename.endswith("selectors.py"):
            return "it is not waiting: other processes or threads have the CPU or the interpreter"
        path = Path(code.co_filename)
        shown = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path.name
        calls.append(f"{shown}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(calls)
