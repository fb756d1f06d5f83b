"""One model: its backend, its loading progress, and its users."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from backends.base import Backend, Footprint, LoadProgress
from backends.errors import BackendError, OutOfMemory
from webchat.models.room import total
from webchat.models.specs import GivenTemplate, ModelInfo, ModelSpec, Status

ProgressListener = Callable[[LoadProgress, float | None], None]
"""Called on the event loop with the progress and the seconds left, `None` when unknown."""

PROGRESS_SECONDS = 0.2
"""Progress of one phase is passed on at most this often; engines report per block, which is too often for
people."""


class Entry:
    """One model: its spec, its backend once created, and its loading progress. Lives on the event loop."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.backend: Backend | None = None
        self.starting: asyncio.Task[Backend] | None = None
        self.ready = False
        self.failure: BackendError | None = None
        self.progress: LoadProgress | None = None
        self.eta_seconds: float | None = None
        self.listeners: list[ProgressListener] = []
        self.users = 0
        self.template: GivenTemplate | None = None
        self.made_with: GivenTemplate | None = None
        self.left = asyncio.Event()  # somebody stopped using it
        self.changing = asyncio.Lock()
        self.placed = False  # room was made for it
        self.since = 0.0
        self.load_seconds: float | None = None
        self._measured: Footprint | None = None
        self._fetching = 0.0
        self._phase_began: tuple[str, float, int] | None = None

    def begin(self) -> None:
        """A start begins."""
        self.failure, self.progress, self.eta_seconds, self.placed = None, None, None, False
        self._phase_began, self._fetching = None, 0.0

    def loaded(self, seconds: float) -> None:
        """A start took `seconds`. Time spent downloading is not part of the load time."""
        self._end_phase(time.monotonic())
        self.ready, self.since = True, time.monotonic()
        self.load_seconds = max(0.0, seconds - self._fetching)
        self._measured = self.footprint

    def report(self, progress: LoadProgress) -> None:
        """Record progress and notify listeners. The remaining time is estimated from the rate since the phase
        began."""
        now, done = time.monotonic(), progress.done or 0
        if self._phase_began is None or self._phase_began[0] != progress.phase:
            self._end_phase(now)
            self._phase_began = (progress.phase, now, done)
        _, began, first = self._phase_began
        self.progress, self.eta_seconds = progress, None
        if progress.total and done > first and now - began > 1:
            self.eta_seconds = max(0.0, (progress.total - done) * (now - began) / (done - first))
        for listener in tuple(self.listeners):
            listener(progress, self.eta_seconds)

    def _end_phase(self, now: float) -> None:
        if self._phase_began is not None and self._phase_began[0] in ("connecting", "downloading"):
            self._fetching += now - self._phase_began[1]

    @property
    def loading(self) -> bool:
        return self.starting is not None and not self.starting.done()

    @property
    def outdated(self) -> bool:
        """Whether its backend was created with another chat template than it should have."""
        return self.backend is not None and self.made_with != self.template

    @property
    def footprint(self) -> Footprint | None:
        """What it takes, took when it was loaded, or would take; `None` if unknown or not on this machine."""
        if self.backend is None or (self._measured is not None and not self.ready):
            return self._measured
        return self.backend.footprint()

    @property
    def why_fixed(self) -> str:
        """Why it must stay in memory; empty if it may be unloaded."""
        if self.loading:
            return "loading"
        if self.users:
            return "in use"
        return "pinned" if self.spec.pinned else ""

    def info(self, *, unfit: OutOfMemory | None = None, load_seconds: float | None = None) -> ModelInfo:
        """unfit: why it does not fit even alone. load_seconds: estimated loading time."""
        status: Status = "idle"
        if self.ready:
            status = "ready"
        elif self.loading:
            status = "loading"
        elif unfit is not None:
            status = "unfit"
        elif self.failure is not None:
            status = "failed"
        footprint = self.footprint
        return ModelInfo(
            name=self.spec.name,
            source=self.spec.source,
            kind=self.spec.kind,
            status=status,
            progress=self.progress if status == "loading" else None,
            eta_seconds=self.eta_seconds if status == "loading" else None,
            failure={"failed": self.failure, "unfit": unfit}.get(status),
            sampling=self.spec.sampling,
            system_prompt=self.spec.system_prompt,
            capabilities=None if self.backend is None else self.backend.capabilities,
            in_process=footprint is not None,
            memory=None if footprint is None else total([footprint]),
            load_seconds=load_seconds if status == "idle" else None,
            remote=self.spec.remote,
            unlisted=self.spec.discover,
        )


class Relay:
    """Passes progress from the engine's threads to the event loop, thinned out."""

    def __init__(self, loop: asyncio.AbstractEventLoop, report: Callable[[LoadProgress], None]) -> None:
        self._loop = loop
        self._report = report
        self._lock = threading.Lock()
        self._phase = ""
        self._at = 0.0

    def __call__(self, progress: LoadProgress) -> None:
        now = time.monotonic()
        with self._lock:
            if progress.phase == self._phase and now - self._at < PROGRESS_SECONDS:
                return
            self._phase, self._at = progress.phase, now
        # A closed loop: the program ends while an engine still loads in its thread; nobody is left to tell.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._report, progress)
