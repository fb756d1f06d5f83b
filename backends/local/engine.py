"""One owner of a model, many replies: a thread that writes the next token of all of them, step after step.

Rows join and leave between two steps (continuous batching). One step is one pass through the model: the next
token of each row that decodes and a piece of a prompt that is read in. On a CPU, where a step takes as long
as reading the weights does, eight rows cost little more than one; why this and not plain `generate` there: 2
cores, a 135M model, one run: `generate` in float32 25 tokens a second; this with half-precision weights 60
for one person, 284 for eight.

- A row has a region of the memory for keys and values, and grows in it. What a conversation left there is
  kept, least recently used first out, so its next turn reads only what is new (`prefixes`).
- A prompt is read in pieces, between which a stop is seen and the others write on.
- Where no memory is left a row pauses; when all pause, the youngest is refused.
- What goes wrong with one row ends that row. What breaks a step fails all rows with `EngineFailed`,
  everything kept is forgotten, and the next request finds a new thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from backends.errors import BackendError, EngineFailed, OutOfMemory, Unavailable
from backends.local.attention import Memory, Part, run
from backends.local.prefixes import Prefixes
from backends.local.regions import Regions
from backends.local.rows import Row
from backends.local.sampling import Choice

_log = logging.getLogger(__name__)


Using = Callable[[Sequence[tuple[str | None, slice]]], AbstractContextManager[Any]]
"""Lays adapters over the packed tokens of one step: for each row its adapter and its place in the
sequence."""


class Engine:
    """Runs the rows of one model. Thread-safe.

    model: packed (see `attention`). slots: rows that run at once; others wait in order of arrival. chunk:
    tokens of a prompt in one step. padded: process decoding rows in one call (on a GPU). lock: held during a
    step, for other users of the model. using: see `Using`.
    """

    def __init__(
        self,
        model: Any,
        memory: Memory,
        *,
        slots: int,
        chunk: int,
        padded: bool = False,
        lock: threading.Lock | None = None,
        using: Using | None = None,
        name: str = "model",
    ) -> None:
        self.memory = memory
        self.slots = slots
        self._model = model
        self._chunk = chunk
        self._padded = padded
        self._lock = lock or threading.Lock()
        self._using = using
        self._name = name
        self._regions = Regions(memory.tokens)
        self._prefixes = Prefixes(self._regions)
        self._waiting: deque[Row] = deque()
        self._running: list[Row] = []
        self._forgotten: list[str] = []
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def live(self) -> int:
        """How many rows are waiting or running."""
        return len(self._waiting) + len(self._running)

    def submit(self, row: Row) -> None:
        """Add a row. Its speaker receives everything that follows. Raises `Unavailable` once closed."""
        with self._change:
            if self._closed:
                raise closed()
            self._waiting.append(row)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"engine {self._name}", daemon=True)
                self._thread.start()
            self._change.notify()

    def forget(self, adapter: str) -> None:
        """Drop cached prefixes of an adapter that is being removed."""
        with self._change:
            self._forgotten.append(adapter)

    def close(self) -> None:
        """End all rows and the thread; returns when the thread has ended."""
        with self._change:
            self._closed = True
            thread = self._thread
            self._change.notify()
        if thread is not None:
            thread.join()

    # A row is told its end before it leaves its list: wherever the thread breaks, `_end` finds who waits.

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while self._wait():
                self._leave()
                self._admit()
                self._step()
        except BaseException as broken:  # also what ends a thread: nobody may wait for ever
            error = broken
        finally:
            self._end(error)

    def _wait(self) -> bool:
        """Wait until there is work; returns false once closed."""
        with self._change:
            while not (self._waiting or self._running or self._closed):
                self._change.wait()
            return not self._closed

    def _end(self, error: BaseException | None) -> None:
        """End the thread: together with the engine, or because it broke and another takes over."""
        with self._change:
            rows = list(dict.fromkeys([*self._running, *self._waiting]))
            self._running.clear()
            self._waiting.clear()
            self._regions = Regions(self.memory.tokens)
            self._prefixes = Prefixes(self._regions)
            self._thread = None
            wrong: BackendError = closed()
            if error is not None:
                wrong = failed(self._name)
                _log.error("the engine of %s failed and is restarting", self._name, exc_info=error)
        for row in rows:
            row.region = None
            row.speaker.finish(row, None if row.speaker.cancelled else wrong)

    def _leave(self) -> None:
        """Release rows that nobody listens to."""
        with self._change:
            left = [row for row in self._waiting if row.speaker.cancelled]
            forgotten, self._forgotten = self._forgotten, []
        for adapter in forgotten:
            self._prefixes.forget(adapter)
        for row in left:
            row.speaker.finish(row, None)
            with self._change:
                self._waiting.remove(row)
        for row in [row for row in self._running if row.speaker.cancelled]:
            self._finish(row)

    def _admit(self) -> None:
        """Admit waiting rows in order."""
        while len(self._running) < self.slots:
            with self._change:
                row = self._waiting[0] if self._waiting else None
            if row is None:
                return
            start = self._prefixes.start(row.ids, row.adapter, self._size(row), self._running)
            if start is None:
                if self._running:
                    return  # until one of them ends
                row.speaker.finish(row, self._too_large(row))
                with self._change:
                    self._waiting.popleft()
                continue
            with self._change:
                row.region, row.computed, row.cached = start.region, start.known, start.known
                row.admitted = time.monotonic()
                self._running.append(row)
                self._waiting.popleft()
            if start.copy_from is not None and start.known:
                self.memory.copy(start.copy_from, start.region.start, start.known)

    def _step(self) -> None:
        rows = self._plan()
        if not rows:
            return
        try:
            with self._lock:
                scores = self._forward(rows)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            # The largest piece is what asked for most; the others are as they were and go on.
            row = max(rows, key=lambda planned: planned[1])[0]
            _log.warning("out of memory in a step of %s with %d rows", self._name, len(rows))
            self._finish(row, self._out_of_memory(row))
            return
        self._choose([row for row, count in rows if row.computed == len(row.ids)], scores)

    def _plan(self) -> list[tuple[Row, int]]:
        """The rows of the next step and the number of tokens of each."""
        ready = [row for row in self._running if self._has_room(row)]
        if self._running and not ready:
            youngest = self._running[-1]
            self._finish(youngest, self._too_large(youngest))
        planned = [(row, 1) for row in ready if row.pending == 1]
        reading = [row for row in ready if row.pending > 1]
        if not reading:
            return planned
        # Half of a step is the oldest's, so that nobody waits for ever; the other half goes where it ends a
        # wait soonest: to the shortest.
        oldest, budget = reading[0], self._chunk
        counts = {oldest: min(oldest.pending, max(1, budget // 2))}
        budget -= counts[oldest]
        for row in sorted(reading, key=lambda row: row.pending):
            count = min(row.pending - counts.get(row, 0), budget)
            budget -= count
            if count:
                counts[row] = counts.get(row, 0) + count
        planned += counts.items()
        return planned

    def _has_room(self, row: Row) -> bool:
        assert row.region is not None
        return row.region.size >= len(row.ids) or self._grow(row)

    def _grow(self, row: Row) -> bool:
        """Give a row more room, in place or elsewhere."""
        assert row.region is not None
        if self._prefixes.grow(row.region, self._size(row)):
            return True
        region = self._prefixes.room(self._size(row))
        if region is None:
            return False
        self.memory.copy(row.region.start, region.start, row.computed)
        self._regions.release(row.region)
        row.region = region
        return True

    def _size(self, row: Row) -> int:
        """Positions to reserve for a row: room to continue, as far as available."""
        return max(len(row.ids), min(row.needs, self.memory.tokens))

    def _forward(self, rows: Sequence[tuple[Row, int]]) -> Any:
        """One forward pass. Returns logits (rows whose ids are all read now, vocabulary)."""
        parts, adapters, end = [], [], 0
        for row, count in rows:
            assert row.region is not None
            behind = row.computed + count
            ids = row.ids[row.computed : behind]
            parts.append(Part(ids, row.computed, row.region.start, last=behind == len(row.ids)))
            adapters.append((row.adapter, slice(end, end + count)))
            end += count
        adapted = self._using is not None and any(adapter is not None for adapter, _ in adapters)
        with self._using(adapters) if adapted and self._using is not None else nullcontext():
            scores = run(self._model, self.memory, parts, padded=self._padded)
        for row, count in rows:
            row.computed += count
        return scores

    def _choose(self, rows: Sequence[Row], scores: Any) -> None:
        """Choose the next token of each row and report it."""
        likeliest = scores.argmax(-1).tolist() if len(rows) else []
        for index, row in enumerate(rows):
            try:
                plain = row.sampler.plain
                choice = Choice(likeliest[index]) if plain else row.sampler.choose(row.ids, scores[index])
                row.ids.append(choice.token)
                if row.first is None:
                    row.first = time.monotonic()
                ended = row.speaker.token(choice)
            except Exception as error:
                _log.warning("a reply of %s failed", self._name, exc_info=error)
                self._finish(row, failure(error, self._name))
                continue
            if ended:
                self._finish(row)

    def _finish(self, row: Row, error: BaseException | None = None) -> None:
        """End a running row and cache what it computed."""
        region, row.region = row.region, None
        if region is not None:
            self._prefixes.keep(row.ids[: row.computed], region, row.adapter)
        row.speaker.finish(row, error)
        with self._change:
            self._running.remove(row)

    def _too_large(self, row: Row) -> OutOfMemory:
        count, room = len(row.ids), self.memory.tokens
        return OutOfMemory(
            f"This conversation needs {count} tokens, but {self._name} has memory for {room} tokens of all"
            " conversations together.",
            cure="Shorten it, wait until others have finished, or give the engine more memory.",
            params={"tokens": count, "room": room},
        )

    def _out_of_memory(self, row: Row) -> OutOfMemory:
        count, others = len(row.ids), len(self._running) - 1
        return OutOfMemory(
            f"{self._name} ran out of memory while reading {count} tokens beside {others} other replies.",
            cure="Shorten the conversation, allow fewer replies at once (slots), or quantize the model.",
            params={"tokens": count, "others": others},
        )


def closed() -> Unavailable:
    """The error for the rows of a closed engine."""
    return Unavailable("The model was closed.", cure="Start it again.")


def failed(name: str) -> EngineFailed:
    """The error for the rows of a broken engine."""
    return EngineFailed(
        f"The engine of {name} failed and is restarting.",
        cure="Try again.",
        params={"model": name},
    )


def failure(error: Exception, name: str) -> BackendError:
    """The error for a row whose own work failed."""
    if isinstance(error, BackendError):
        return error
    return Unavailable(f"{name} failed while writing the reply ({type(error).__name__}).", cure="Try again.")


def _out_of_memory(error: Exception) -> bool:
    from backends.local.loading.model import is_out_of_memory

    return is_out_of_memory(error)
