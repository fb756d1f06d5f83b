"""The models of endpoints: each listed model is in the picker for as long as it is listed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from backends.errors import BackendError, ModelNotFound
from backends.openai_compat import RemoteModel
from webchat.models.entry import Entry
from webchat.models.identity import KnownServers
from webchat.models.specs import ListModels, ModelSpec

DISCOVERY_SECONDS = 15.0
"""Seconds to wait for an endpoint's list of models."""


class Discovery:
    """Asks endpoints for their models. specs: as configured. entries: all models by name; discovered ones are
    added and kept, since someone may still use a model that is no longer listed.

    A model is named by its id if one endpoint lists its models; if several do, each name is followed by its
    endpoint, even if no other has the same id: so a name never moves to another server.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        entries: dict[str, Entry],
        servers: KnownServers,
        list_models: ListModels | None,
    ) -> None:
        self._specs = specs
        self._entries = entries
        self._servers = servers
        self._several = sum(spec.discover for spec in specs) > 1
        self._list_models = list_models or _list_endpoint
        self._lists: dict[str, Sequence[RemoteModel]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, float] = {}

    @property
    def pending(self) -> list[asyncio.Task[None]]:
        return [task for task in self._asking.values() if not task.done()]

    def answered(self, spec: ModelSpec) -> bool:
        """Whether an endpoint has ever listed its models; models in the settings need no list."""
        return spec.name in self._lists or not spec.discover

    @property
    def silent(self) -> BackendError | None:
        """Why an endpoint has not listed its models yet, for the first that has not."""
        failures = (self._entries[spec.name].failure for spec in self._specs if not self.answered(spec))
        return next((failure for failure in failures if failure is not None), None)

    def offered(self, spec: ModelSpec) -> tuple[str, ...]:
        """Names of an endpoint's models that support chat, in its order; empty before it has answered."""
        return tuple(self._name(spec, model.id) for model in self._lists.get(spec.name, ()) if model.chat)

    def listed(self, spec: ModelSpec) -> tuple[ModelSpec, ...]:
        """All models of an endpoint, including those not offered for chat."""
        return tuple(self.entry(spec, model.id).spec for model in self._lists.get(spec.name, ()))

    def lists(self, spec: ModelSpec, model: str) -> bool | None:
        """Whether an endpoint lists a model; `None` before it has answered."""
        listed = self._lists.get(spec.name)
        return None if listed is None else any(one.id == model for one in listed)

    def origin(self, spec: ModelSpec) -> ModelSpec | None:
        """The endpoint that listed a model; `None` for one of the settings."""
        mine = (one for one in self._specs if self._names.get((one.name, spec.model)) == spec.name)
        return next(mine, None)

    def entry(self, spec: ModelSpec, model: str) -> Entry:
        """The model with that id at an endpoint, listed or not."""
        name = self._name(spec, model)
        if name not in self._entries:
            options = replace(spec.endpoint, model=model)
            self._entries[name] = Entry(
                replace(spec, name=name, model=model, options=options, discover=False)
            )
        return self._entries[name]

    async def ask(self, spec: ModelSpec, *, older_than: float = 0.0) -> None:
        """Ask one endpoint, once for all who wait; skipped if it was asked less than `older_than` seconds
        ago. A failure is kept in its entry, never raised."""
        task = self._asking.get(spec.name)
        if task is None or task.done():
            if monotonic() - self._asked.get(spec.name, float("-inf")) < older_than:
                return
            self._asked[spec.name] = monotonic()
            task = asyncio.create_task(self._ask(spec), name=f"discover {spec.name}")
            self._asking[spec.name] = task
        await asyncio.shield(task)

    async def _ask(self, spec: ModelSpec) -> None:
        entry = self._entries[spec.name]
        try:
            async with asyncio.timeout(DISCOVERY_SECONDS):
                models = await self._list_models(spec)
        except BackendError as error:
            entry.failure = error
            return
        except TimeoutError:
            entry.failure = ModelNotFound(
                f"{spec.source or spec.name} took too long to list its models.",
                cure="Check that the endpoint is running, or name the model in the settings.",
            )
            return
        self._lists[spec.name] = tuple({model.id: model for model in models}.values())
        entry.failure = None if self.offered(spec) else no_models(spec, models)
        self.listed(spec)  # each has its entry

    def _name(self, spec: ModelSpec, model: str) -> str:
        known = self._names.get((spec.name, model))
        if known is not None:
            return known
        behind = f" ({spec.label or self._servers.id(spec.identity)[:4]})"
        name = model + behind if self._several else model
        while name in self._entries:
            name += behind
        self._names[spec.name, model] = name
        return name


def no_models(spec: ModelSpec, listed: Sequence[RemoteModel] = ()) -> ModelNotFound:
    place = spec.source or spec.name
    if listed:
        return ModelNotFound(
            f"{place} lists only models that do not support chat, such as {listed[0].id}.",
            cure="Load a chat model there, or name one in the settings.",
        )
    return ModelNotFound(f"{place} lists no models.", cure="Load a model there, or name one in the settings.")


async def _list_endpoint(spec: ModelSpec) -> Sequence[RemoteModel]:
    from backends.openai_compat import list_models

    return await list_models(spec.endpoint.base_url, spec.endpoint.api_key)
