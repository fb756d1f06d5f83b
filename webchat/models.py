"""The models people may choose from: started when first needed, shared by all, retried after a failure."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from backends.base import Backend, Capabilities, LoadProgress
from backends.errors import BackendError, ModelNotFound, Unavailable
from backends.types import Sampling

log = logging.getLogger(__name__)

ProgressListener = Callable[[LoadProgress, float | None], None]
"""Called on the event loop with the progress and the seconds left, `None` when unknown."""

PROGRESS_SECONDS = 0.2
"""Progress of one phase is passed on at most this often; engines report per block, people read slowly."""

DISCOVERY_SECONDS = 15.0
"""How long to wait for an endpoint's list of models."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as configured.

    name: what people pick, unique. kind: its name in the registry. source: where it comes from, as text for
    people, without secrets.
    options: keyword arguments of `backends.registry.create(kind, ...)`; may hold keys, so never shown.
    discover: an endpoint whose models are asked for; each becomes a model of its own. titles: it is asked to
    name conversations; not worth it for the smallest models.
    """

    name: str
    kind: str
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    system_prompt: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    discover: bool = False
    titles: bool = True


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as the picker shows it. `capabilities` is `None` until the backend exists."""

    name: str
    source: str
    kind: str
    status: Literal["ready", "idle", "loading", "failed"]
    progress: LoadProgress | None
    eta_seconds: float | None
    failure: BackendError | None
    sampling: Sampling
    system_prompt: str | None
    capabilities: Capabilities | None


Create = Callable[[ModelSpec], Backend]
ListModels = Callable[[ModelSpec], Awaitable[Sequence[str]]]


def create_backend(spec: ModelSpec) -> Backend:
    """Make the backend of a spec through the registry. Raises `BackendError`."""
    from backends.registry import create

    return create(spec.kind, **spec.options)


class _Entry:
    """One model: its spec, its backend once made, and how far its start is. Lives on the event loop."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.backend: Backend | None = None
        self.starting: asyncio.Task[Backend] | None = None
        self.ready = False
        self.failure: BackendError | None = None
        self.progress: LoadProgress | None = None
        self.eta_seconds: float | None = None
        self.listeners: list[ProgressListener] = []
        self._phase_began: tuple[str, float, int] | None = None

    def report(self, progress: LoadProgress) -> None:
        """Take progress and tell the listeners. The time left is from the rate since the phase began."""
        now, done = time.monotonic(), progress.done or 0
        if self._phase_began is None or self._phase_began[0] != progress.phase:
            self._phase_began = (progress.phase, now, done)
        _, began, first = self._phase_began
        self.progress, self.eta_seconds = progress, None
        if progress.total and done > first and now - began > 1:
            self.eta_seconds = max(0.0, (progress.total - done) * (now - began) / (done - first))
        for listener in tuple(self.listeners):
            listener(progress, self.eta_seconds)

    def info(self) -> ModelInfo:
        status: Literal["ready", "idle", "loading", "failed"] = "idle"
        if self.ready:
            status = "ready"
        elif self.starting is not None and not self.starting.done():
            status = "loading"
        elif self.failure is not None:
            status = "failed"
        return ModelInfo(
            name=self.spec.name,
            source=self.spec.source,
            kind=self.spec.kind,
            status=status,
            progress=self.progress if status == "loading" else None,
            eta_seconds=self.eta_seconds if status == "loading" else None,
            failure=self.failure if status == "failed" else None,
            sampling=self.spec.sampling,
            system_prompt=self.spec.system_prompt,
            capabilities=None if self.backend is None else self.backend.capabilities,
        )


class Models:
    """All configured models. Not thread-safe: use it on one event loop.

    create: makes the backend of a spec. list_models: the ids an endpoint with `discover` offers.
    default: the model used when nobody chose, as soon as it is known; else the first one.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        create: Create = create_backend,
        *,
        list_models: ListModels | None = None,
        default: str | None = None,
    ) -> None:
        names = [spec.name for spec in specs]
        if len(set(names)) != len(names):
            raise ValueError(f"model names must differ: {names}")
        self._specs = tuple(specs)
        self._default = default
        self._create = create
        self._list_models = list_models or _list_endpoint
        self._entries: dict[str, _Entry] = {spec.name: _Entry(spec) for spec in specs}
        self._found: dict[str, tuple[str, ...]] = {}
        self._discovering: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def default(self) -> str:
        """Name of the model used when nobody chose. Empty when none is configured."""
        shown = self._shown()
        if self._default in shown:
            return self._default
        return next(iter(shown), "")

    def infos(self) -> tuple[ModelInfo, ...]:
        """All models in order; an endpoint not yet asked, or not answering, stands under its own name."""
        return tuple(self._entries[name].info() for name in self._shown())

    def spec(self, name: str) -> ModelSpec:
        """The spec of that name. Raises `ModelNotFound`."""
        return self._entry(name).spec

    async def ready(self, name: str, on_progress: ProgressListener | None = None) -> Backend:
        """The started backend of that name; the first caller starts it, the others wait with it.

        A caller that is cancelled leaves the start going. After a failure the next call tries again.
        Raises `BackendError`.
        """
        if self._closed:
            raise Unavailable("The server is shutting down.", cure="Try again in a moment.")
        entry = self._entry(name)
        if entry.spec.discover:
            await self._discover(entry.spec)
            found = self._found.get(name)
            if not found:
                raise entry.failure or _no_models(entry.spec)
            entry = self._entry(found[0])
        if entry.ready and entry.backend is not None:
            return entry.backend
        if entry.starting is None or entry.starting.done():
            entry.starting = asyncio.create_task(self._start(entry), name=f"start {entry.spec.name}")
            entry.starting.add_done_callback(_retrieve)
        if on_progress is not None:
            entry.listeners.append(on_progress)
            if entry.progress is not None:
                on_progress(entry.progress, entry.eta_seconds)
        try:
            return await asyncio.shield(entry.starting)
        finally:
            if on_progress is not None:
                entry.listeners.remove(on_progress)

    async def discover(self) -> None:
        """Ask every endpoint with `discover` for its models. Failures stand in `infos()`, none is raised."""
        endpoints = [spec for spec in self._specs if spec.discover]
        await asyncio.gather(*(self._discover(spec) for spec in endpoints))

    async def aclose(self) -> None:
        """Stop all starts and close all backends. Idempotent."""
        self._closed = True
        tasks = [entry.starting for entry in self._entries.values() if entry.starting is not None]
        pending: list[asyncio.Task[Any]] = [task for task in tasks if not task.done()]
        pending += [task for task in self._discovering.values() if not task.done()]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
        for entry in self._entries.values():
            backend, entry.backend, entry.ready = entry.backend, None, False
            if backend is not None:
                try:
                    await backend.aclose()
                except Exception:
                    log.exception("closing the model %s", entry.spec.name)

    def _shown(self) -> list[str]:
        return [name for spec in self._specs for name in (self._found.get(spec.name) or (spec.name,))]

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise ModelNotFound(f"There is no model named {name!r}.", cure="Choose another model.")
        return entry

    async def _start(self, entry: _Entry) -> Backend:
        loop = asyncio.get_running_loop()
        entry.failure, entry.progress, entry.eta_seconds = None, None, None
        try:
            if entry.backend is None:
                entry.backend = self._create(entry.spec)
            await entry.backend.start(_Relay(loop, entry.report))
        except BackendError as error:
            entry.failure = error
            raise
        entry.ready = True
        return entry.backend

    async def _discover(self, spec: ModelSpec) -> None:
        """Ask one endpoint, once for all who wait."""
        task = self._discovering.get(spec.name)
        if task is None or task.done():
            task = asyncio.create_task(self._ask(spec), name=f"discover {spec.name}")
            self._discovering[spec.name] = task
        await asyncio.shield(task)

    async def _ask(self, spec: ModelSpec) -> None:
        entry = self._entries[spec.name]
        try:
            async with asyncio.timeout(DISCOVERY_SECONDS):
                ids = await self._list_models(spec)
        except BackendError as error:
            entry.failure = error
            return
        except TimeoutError:
            entry.failure = ModelNotFound(
                f"{spec.source or spec.name} did not list its models in time.",
                cure="Check that the endpoint runs, or name the model in the settings.",
            )
            return
        entry.failure = None if ids else _no_models(spec)
        names = []
        for model in dict.fromkeys(ids):
            name = self._name(spec, model)
            names.append(name)
            if name not in self._entries:
                found = replace(spec, name=name, options={**spec.options, "model": model}, discover=False)
                self._entries[name] = _Entry(found)
        if ids:
            self._found[spec.name] = tuple(names)

    def _name(self, spec: ModelSpec, model: str) -> str:
        """The model's id, or with the endpoint's name where another endpoint has the same."""
        taken = self._entries.get(model)
        mine = taken is None or (
            not taken.spec.discover
            and taken.spec.source == spec.source
            and model in self._found.get(spec.name, ())
        )
        return model if mine else f"{model} ({spec.name})"


class _Relay:
    """Carries progress from whatever thread the engine reports on to the event loop, thinned out."""

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


def _no_models(spec: ModelSpec) -> ModelNotFound:
    return ModelNotFound(
        f"{spec.source or spec.name} lists no models.",
        cure="Load a model there, or name one in the settings.",
    )


def _retrieve(task: asyncio.Task[Backend]) -> None:
    """Look at the exception, so that a start whose waiters all left is not reported as never retrieved."""
    if not task.cancelled():
        task.exception()


async def _list_endpoint(spec: ModelSpec) -> Sequence[str]:
    from backends.openai_compat import list_models

    listed = await list_models(spec.options["base_url"], spec.options.get("api_key"))
    return [model.id for model in listed]
