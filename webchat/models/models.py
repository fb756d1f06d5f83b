"""All models: started when first needed, shared by all, retried after a failure, unloaded to make room."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from backends.base import Backend, Capabilities, Footprint
from backends.errors import BackendError, ModelNotFound, OutOfMemory, Unavailable
from backends.memory import free_memory
from backends.options import LocalOptions
from backends.types import Sampling
from webchat.models.budget import Budget, Measure
from webchat.models.discovery import Discovery, no_models
from webchat.models.entry import Entry, ProgressListener, Relay
from webchat.models.errors import NoSuchModel, ServerGone
from webchat.models.identity import KnownServers
from webchat.models.resolving import Resolver
from webchat.models.room import NoRoom, Tenant, beside, leaving, place_of, refusal, total
from webchat.models.specs import (
    Create,
    GivenTemplate,
    ListModels,
    ModelInfo,
    ModelSpec,
    create_backend,
    endpoint_spec,
)
from webchat.models.unloading import close, give_memory_back

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
ASK_SECONDS = 2.0
"""How old an endpoint's list may be for somebody who looks at the models, and for somebody whose model is not
in it. So often an endpoint is asked at most, however many look."""

LOAD_RATE = 200e6
"""Bytes a second, where nothing was loaded yet: of a slow disk, so that most are pleasantly surprised."""


_USING: ContextVar[frozenset[Entry]] = ContextVar("models in use", default=frozenset())
"""The models in use by the current task and its parents."""


class Models:
    """All models. Not thread-safe: use it on one event loop.

    create: creates the backend of a spec. list_models: lists the models of an endpoint with `discover`.
    servers: those known from earlier starts. default: the model used if nobody chose one, once it is known;
    else the first one. memory_budget: bytes that all models in this process may use on one device; `None`:
    most of the free memory, as reported by `measure`. renewed: the specs as they are now; those that are new
    are added when somebody looks. It may block, and runs in a thread.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        create: Create = create_backend,
        *,
        list_models: ListModels | None = None,
        servers: KnownServers | None = None,
        default: str | None = None,
        memory_budget: int | None = None,
        measure: Measure = free_memory,
        renewed: Callable[[], Sequence[ModelSpec]] | None = None,
    ) -> None:
        names = [spec.name for spec in specs]
        if len(set(names)) != len(names):
            raise ValueError(f"model names must be unique: {names}")
        self._specs = list(specs)
        self._renewed = renewed
        self._default = default
        self._create = create
        self._entries: dict[str, Entry] = {spec.name: Entry(spec) for spec in specs}
        servers = servers or KnownServers()
        self._discovery = Discovery(self._specs, self._entries, servers, list_models)
        self._resolver = Resolver(self._specs, self._entries, self._discovery, servers)
        self._closed = False
        self._looking: set[asyncio.Task[None]] = set()
        self._budget = Budget(memory_budget, measure)
        self._making_room = asyncio.Lock()
        self._rate = LOAD_RATE

    @property
    def default(self) -> str:
        """Name of the model used if nobody chose one. Empty if none is configured."""
        shown = self._shown()
        chosen = (name for name in shown if self._default in (name, self._entries[name].spec.model))
        return next(chosen, None) or next(iter(shown), "")

    def infos(self) -> tuple[ModelInfo, ...]:
        """All models in order; an endpoint that has not been asked, or does not answer, appears under its own
        name."""
        return tuple(self._info(self._entries[name]) for name in self._shown())

    @property
    def failing(self) -> tuple[str, ...]:
        """Names of the models that could not be started, and of the endpoints that do not answer, as of the
        last time they were asked; see `look`."""
        return tuple(name for name, entry in self._entries.items() if entry.failure and not entry.loading)

    @asynccontextmanager
    async def use(self, name: str, on_progress: ProgressListener | None = None) -> AsyncIterator[Backend]:
        """The started backend of that name, which stays loaded within the block. Raises the errors of
        `ready`."""
        entry = await self._answering(self._entry(name))
        mine = _USING.get()
        if entry not in mine:  # who has it already would wait for themselves
            await self._renew(entry)
        entry.users += 1
        _USING.set(mine | {entry})
        try:
            yield await self.ready(entry.spec.name, on_progress)
        finally:
            _USING.set(mine)
            entry.users -= 1
            entry.since = time.monotonic()
            entry.left.set()

    def use_template(self, name: str, template: GivenTemplate | None) -> None:
        """Set a model's chat template; `None` restores that of its settings, or its own. Current users
        continue with the old one; later ones wait for them and get the new one. No other model is affected.
        Raises `ModelNotFound`."""
        self._entry(name).template = template

    def made(self, name: str) -> Backend:
        """The backend of that name, started or not. Raises `BackendError`."""
        entry = self._entry(name)
        return entry.backend or self._build(entry)

    def _build(self, entry: Entry) -> Backend:
        entry.backend, entry.made_with = self._create(entry.spec.under(entry.template)), entry.template
        return entry.backend

    async def _renew(self, entry: Entry) -> None:
        """Close a backend with an outdated chat template once nobody uses it."""
        async with entry.changing:
            while entry.outdated:
                if entry.starting is not None and not entry.starting.done():
                    await asyncio.wait([entry.starting])
                elif entry.users:
                    entry.left.clear()
                    await entry.left.wait()
                elif not await self._replaced(entry):
                    async with self._making_room:
                        await self._unload(entry, "switch to another chat template")

    async def _replaced(self, entry: Entry) -> bool:
        """Replace a backend by another that shares its loaded model, so that nothing is reloaded. Returns
        whether that was possible."""
        old = entry.backend
        if old is None or not entry.ready or not _shares(entry.spec):
            return False
        template = entry.template
        new = self._create(entry.spec.under(template))
        try:
            await new.start()
        except BackendError as error:
            log.warning("%s cannot start with its chat template: %s", entry.spec.name, error)
            await close(entry.spec.name, new)
            return False
        entry.backend, entry.made_with, entry.starting = new, template, None
        await close(entry.spec.name, old)
        return True

    def spec(self, name: str) -> ModelSpec:
        """The spec of that name. Raises `ModelNotFound`."""
        return self._entry(name).spec

    def capabilities(self, name: str) -> Capabilities | None:
        """What a model supports, as far as known without starting it. Raises `ModelNotFound`."""
        entry = self._entry(name)
        self._make(entry)
        return None if entry.backend is None else entry.backend.capabilities

    async def ready(self, name: str, on_progress: ProgressListener | None = None) -> Backend:
        """The started backend of that name; the first caller starts it, the others wait for it.

        The start continues if a caller is cancelled. After a failure the next call tries again. Raises
        `BackendError`.
        """
        entry = await self._answering(self._entry(name))
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

    async def chosen(self, wanted: str) -> str:
        """Name of the model for a key or a name: for an endpoint that lists its models, the first. An
        endpoint is asked again before a model counts as gone. Raises `ModelNotFound` and its subclasses, and
        `BackendError` if an endpoint does not answer."""
        try:
            entry = self._resolver.find(wanted)
        except ServerGone:
            raise
        except BackendError:
            await self._ask_endpoints(ASK_SECONDS)
            entry = self._resolver.find(wanted)
        return (await self._answering(entry)).spec.name

    def key(self, wanted: str) -> str:
        """How to store a choice: the key of an available model, else the text unchanged."""
        try:
            spec = self._resolver.find(wanted).spec
        except BackendError:
            return wanted
        return wanted if spec.discover else str(self._resolver.key(spec))

    def info(self, wanted: str) -> ModelInfo:
        """The model for a key or a name, even if it is not in `infos`."""
        try:
            return self._info(self._resolver.find(wanted))
        except BackendError as error:
            name = str(error.params.get("model") or self._resolver.shown(wanted))
            return missing(name, wanted, error)

    async def look(self, wait: float = 0.0) -> None:
        """Someone views the models: ask endpoints whose lists are outdated. Returns when they have answered,
        or after `wait` seconds."""
        await self._add_new()
        asking = asyncio.create_task(self._ask_endpoints(LOOK_SECONDS), name="look at the models")
        self._looking.add(asking)
        asking.add_done_callback(self._looking.discard)
        await asyncio.wait({asking}, timeout=wait)

    async def _add_new(self) -> None:
        if self._renewed is None:
            return
        try:
            specs = await asyncio.to_thread(self._renewed)
        except Exception:
            log.exception("the list of models could not be renewed")
            return
        self._add(specs)

    async def add_endpoint(self, url: str) -> None:
        """Offer an endpoint's models until the next start, as if it were in the settings. One that is here
        already is only asked again."""
        spec = endpoint_spec(url)
        known = next((one for one in self._specs if one.discover and one.identity == spec.identity), None)
        if known is None:
            self._add([spec])
        await self._discovery.ask(known or spec)

    def _add(self, specs: Iterable[ModelSpec]) -> None:
        for spec in specs:
            if spec.name not in self._entries:
                self._specs.append(spec)
                self._entries[spec.name] = Entry(spec)

    async def retry(self, wanted: str) -> None:
        """Ask an endpoint again, or restart a model that failed. Failures are in `infos()`. Raises only
        `NoSuchModel`."""
        try:
            entry = self._entry(wanted)
        except NoSuchModel:
            raise
        except BackendError:  # an endpoint may have it again
            return await self.discover()
        if (endpoint := self._discovery.origin(entry.spec)) is not None:
            await self._discovery.ask(endpoint)
        if entry.spec.discover:
            await self._discovery.ask(entry.spec)
        elif entry.failure is not None:
            with suppress(BackendError):
                await self.ready(entry.spec.name)

    async def discover(self) -> None:
        """Ask every endpoint with `discover` for its models. Failures are in `infos()`, none is raised."""
        await self._ask_endpoints(0)

    async def _ask_endpoints(self, older_than: float) -> None:
        endpoints = [spec for spec in self._specs if spec.discover]
        await asyncio.gather(*(self._discovery.ask(spec, older_than=older_than) for spec in endpoints))

    async def aclose(self) -> None:
        """Stop all starts and close all backends. Idempotent."""
        self._closed = True
        tasks = [entry.starting for entry in self._entries.values() if entry.starting is not None]
        pending: list[asyncio.Task[Any]] = [task for task in tasks if not task.done()]
        pending += [*self._looking, *self._discovery.pending]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
        for entry in self._entries.values():
            backend, entry.backend, entry.ready = entry.backend, None, False
            if backend is not None:
                await close(entry.spec.name, backend)

    def _shown(self) -> list[str]:
        return [
            name
            for spec in self._specs
            for name in ((spec.discover and self._discovery.offered(spec)) or (spec.name,))
        ]

    def _entry(self, wanted: str) -> Entry:
        return self._entries.get(wanted) or self._resolver.find(wanted)

    async def _answering(self, entry: Entry) -> Entry:
        """The model itself; for an endpoint that lists its models, the first of them."""
        if self._closed:
            raise Unavailable("The server is shutting down.", cure="Try again in a moment.")
        if not entry.spec.discover:
            return entry
        await self._discovery.ask(entry.spec)
        offered = self._discovery.offered(entry.spec)
        if not offered:
            raise entry.failure or no_models(entry.spec)
        return self._entries[offered[0]]

    async def _start(self, entry: Entry) -> Backend:
        entry.begin()
        try:
            backend = entry.backend or self._build(entry)
            expected = await self._make_room(entry)
            began = time.monotonic()
            await self._load(entry, backend)
            entry.loaded(time.monotonic() - began)
            await self._check_room(entry, expected)
        except NoRoom:
            raise  # of this moment, and no fault of the model
        except BackendError as error:
            entry.failure = error
            raise
        self._learn_rate(entry)
        return backend

    def _learn_rate(self, entry: Entry) -> None:
        """Learn how fast models load from one that just did; an adapter whose base was loaded teaches
        nothing."""
        if (footprint := entry.footprint) is None or not entry.load_seconds:
            return
        new = self._missing(entry, footprint)
        if new >= total([footprint]) / 2:
            self._rate = new / entry.load_seconds
        else:
            entry.load_seconds = None

    def _missing(self, entry: Entry, footprint: Footprint) -> int:
        """Bytes of a model that no other model has loaded already."""
        here = [tenant.footprint for tenant in self._tenants(entry)]
        return total([footprint, *here]) - total(here)

    async def _load(self, entry: Entry, backend: Backend) -> None:
        """Start a backend; if memory runs out, after unloading unused models one by one."""
        while True:
            try:
                await backend.start(Relay(asyncio.get_running_loop(), entry.report))
                return
            except OutOfMemory:
                async with self._making_room:
                    footprint, tenants = entry.footprint, self._tenants(entry)
                    near = tenants if footprint is None else beside(tenants, footprint)
                    idle = [one for one in near if not one.fixed]
                    if not idle:
                        raise
                    await self._unload(self._entries[min(idle, key=lambda one: one.since).name])

    async def _make_room(self, entry: Entry) -> int:
        """Unload what is necessary for a model, which counts as loaded from now on. Returns its expected
        bytes, 0 if unknown. Raises `OutOfMemory`."""
        needed = entry.footprint
        if needed is None:
            return 0
        async with self._making_room:
            budget = await self._budget.of(place_of(needed))
            if budget is not None:
                tenants = self._tenants(entry)
                names = leaving(tenants, needed, budget)
                if names is None:
                    raise refusal(entry.spec.name, tenants, needed, budget)
                for name in names:
                    await self._unload(self._entries[name])
            entry.placed = True
        return total([needed])

    async def _check_room(self, entry: Entry, expected: int) -> None:
        """Make room for the memory a loaded model takes beyond what was expected; if there is none, unload it
        again. Raises `OutOfMemory`."""
        taken = entry.footprint
        if taken is None or total([taken]) <= expected:
            return
        async with self._making_room:
            budget = await self._budget.of(place_of(taken))
            tenants = self._tenants(entry)
            names = [] if budget is None else leaving(tenants, taken, budget)
            if names is None and budget is not None:
                if self._budget.configured is not None:
                    await self._unload(entry)
                    raise refusal(entry.spec.name, tenants, taken, budget)
                # A measure is no promise: it is here, and works.
                log.warning("%s takes more memory than is reserved for models", entry.spec.name)
                names = [tenant.name for tenant in beside(tenants, taken) if not tenant.fixed]
            for name in names or ():
                await self._unload(self._entries[name])

    def _tenants(self, but: Entry) -> list[Tenant]:
        """The models in memory, and those being loaded for which room was made."""
        return [
            Tenant(entry.spec.name, footprint, entry.why_fixed, entry.since)
            for entry in self._entries.values()
            if entry is not but
            and (entry.ready or (entry.loading and entry.placed))
            and (footprint := entry.footprint) is not None
        ]

    async def _unload(self, entry: Entry, why: str = "make room") -> None:
        backend, entry.backend, entry.ready, entry.placed = entry.backend, None, False, False
        if not entry.loading:
            entry.starting = None  # its result is the backend
        log.info("unloading model %s to %s", entry.spec.name, why)
        if backend is not None:
            await close(entry.spec.name, backend)
            del backend
            await asyncio.to_thread(give_memory_back)

    def _make(self, entry: Entry) -> None:
        """Create a backend without starting it, to learn what it would take."""
        if entry.backend is None and entry.failure is None and not entry.spec.discover:
            try:
                self._build(entry)
            except BackendError as error:
                entry.failure = error

    def _info(self, entry: Entry) -> ModelInfo:
        self._make(entry)
        return replace(self._measured(entry), key=str(self._resolver.key(entry.spec)))

    def _measured(self, entry: Entry) -> ModelInfo:
        footprint = entry.footprint
        if footprint is None:
            return entry.info(load_seconds=entry.load_seconds)
        size, budget = total([footprint]), self._budget.known(place_of(footprint))
        unfit = None
        if budget is not None and size > budget:
            unfit = refusal(entry.spec.name, (), footprint, budget)
        new = self._missing(entry, footprint)
        seconds = entry.load_seconds if entry.load_seconds and new >= size / 2 else new / self._rate
        return entry.info(unfit=unfit, load_seconds=seconds)


def missing(name: str, key: str, why: BackendError) -> ModelInfo:
    """How to show a model that was chosen but is not available."""
    return ModelInfo(
        name=name,
        source="",
        kind="",
        status="failed",
        progress=None,
        eta_seconds=None,
        failure=why,
        sampling=Sampling(),
        system_prompt=None,
        capabilities=None,
        key=key,
        missing=isinstance(why, ModelNotFound),
    )


def _retrieve(task: asyncio.Task[Backend]) -> None:
    """Retrieve the exception, so that a start whose waiters all left is not reported as never retrieved."""
    if not task.cancelled():
        task.exception()


def _shares(spec: ModelSpec) -> bool:
    """Whether another backend of the model would share what is loaded."""
    return isinstance(spec.options, LocalOptions) and spec.options.engines is not None
