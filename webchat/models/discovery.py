"""What endpoints offer: each model they list becomes one of the picker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from backends.errors import BackendError, ModelNotFound
from webchat.models.entry import Entry
from webchat.models.specs import ListModels, ModelSpec

DISCOVERY_SECONDS = 15.0
"""How long to wait for an endpoint's list of models."""


class Discovery:
    """Asks endpoints for their models. entries: all models by name; what is found is added. found: the models
    of each endpoint that has answered, by their names."""

    def __init__(self, entries: dict[str, Entry], list_models: ListModels | None) -> None:
        self.found: dict[str, tuple[str, ...]] = {}
        self._entries = entries
        self._list_models = list_models or _list_endpoint
        self._asking: dict[str, asyncio.Task[None]] = {}

    @property
    def pending(self) -> list[asyncio.Task[None]]:
        return [task for task in self._asking.values() if not task.done()]

    async def ask(self, spec: ModelSpec) -> None:
        """Ask one endpoint, once for all who wait. A failure is kept in its entry, none is raised."""
        task = self._asking.get(spec.name)
        if task is None or task.done():
            task = asyncio.create_task(self._ask(spec), name=f"discover {spec.name}")
            self._asking[spec.name] = task
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
        entry.failure = None if ids else no_models(spec)
        names = []
        for model in dict.fromkeys(ids):
            name = self._name(spec, model)
            names.append(name)
            if name not in self._entries:
                found = replace(spec, name=name, options={**spec.options, "model": model}, discover=False)
                self._entries[name] = Entry(found)
        if ids:
            self.found[spec.name] = tuple(names)

    def _name(self, spec: ModelSpec, model: str) -> str:
        """The model's id, or with the endpoint's name where another endpoint has the same."""
        taken = self._entries.get(model)
        mine = taken is None or (
            not taken.spec.discover
            and taken.spec.source == spec.source
            and model in self.found.get(spec.name, ())
        )
        return model if mine else f"{model} ({spec.name})"


def no_models(spec: ModelSpec) -> ModelNotFound:
    return ModelNotFound(
        f"{spec.source or spec.name} lists no models.",
        cure="Load a model there, or name one in the settings.",
    )


async def _list_endpoint(spec: ModelSpec) -> Sequence[str]:
    from backends.openai_compat import list_models

    listed = await list_models(spec.options["base_url"], spec.options.get("api_key"))
    return [model.id for model in listed]
