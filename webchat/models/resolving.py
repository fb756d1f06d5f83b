"""From what was stored or written to the model that is meant, if it is available and unambiguous."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from webchat.models.discovery import Discovery
from webchat.models.entry import Entry
from webchat.models.errors import model_gone, model_unclear, no_such_model, server_gone
from webchat.models.identity import KnownServers, ModelKey, entry_mark
from webchat.models.specs import ModelSpec


class Resolver:
    """specs: as configured. entries: all models by name, including those listed by endpoints."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        entries: Mapping[str, Entry],
        discovery: Discovery,
        servers: KnownServers,
    ) -> None:
        self._specs = specs
        self._entries = entries
        self._discovery = discovery
        self._servers = servers

    def key(self, spec: ModelSpec) -> ModelKey:
        server = self._servers.id(spec.identity)
        if spec.here:
            return ModelKey(server, "here", spec.name)
        return ModelKey(server, entry_mark(spec.label), spec.model)

    def find(self, wanted: str) -> Entry:
        """wanted: a key, or a name in the picker; also a model's id, if only one has it. Raises
        `NoSuchModel`, `ModelGone`, `ServerGone`, `ModelUnclear`, and the reason why an endpoint that may have
        it has not answered yet."""
        key = ModelKey.parse(wanted)
        return self._named(wanted) if key is None else self._keyed(key)

    def shown(self, wanted: str) -> str:
        """The display name of a model that may not be found."""
        key = ModelKey.parse(wanted)
        return wanted if key is None else key.model

    def _keyed(self, key: ModelKey) -> Entry:
        there = [spec for spec in self._specs if self._servers.id(spec.identity) == key.server]
        able = [spec for spec in there if spec.discover or spec.here or spec.model == key.model]
        if not there and key.entry == "here":  # in this process a model may change under its name
            able = [spec for spec in self._specs if spec.here and spec.name == key.model]
        if not able:
            raise model_gone(key.model, there[0].label) if there else server_gone(key.model)
        if len(able) > 1:
            able = [spec for spec in able if self.key(replace(spec, model=key.model)) == key]
        if len(able) != 1:
            raise model_unclear(key.model)
        return self._at(able[0], key.model)

    def _at(self, spec: ModelSpec, model: str) -> Entry:
        if not spec.discover:
            return self._entries[spec.name]
        entry = self._discovery.entry(spec, model)
        self._check_offered(entry.spec)
        return entry

    def _named(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is not None:
            self._check_offered(entry.spec)
            return entry
        found = list(self._called(name))
        bare = any(spec.model == name for spec in found)
        waiting = bare and not all(map(self._discovery.answered, self._specs))
        if len(found) > 1 or (found and waiting):
            raise model_unclear(name)
        if not found:
            raise self._discovery.silent or no_such_model(name)
        return self._entries[found[0].name]

    def _check_offered(self, spec: ModelSpec) -> None:
        origin = self._discovery.origin(spec)
        if origin is not None and self._discovery.lists(origin, spec.model) is False:
            raise model_gone(spec.name, spec.label)

    def _called(self, name: str) -> Iterator[ModelSpec]:
        """Models whose id this is, or who had this name when an endpoint's name was only added to ids that
        several endpoints have."""
        for spec in self._specs:
            listed = self._discovery.listed(spec) if spec.discover else (spec,)
            for one in listed:
                if name in (one.model, f"{one.model} ({spec.name})"):
                    yield one
