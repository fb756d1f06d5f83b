"""Short words for importing into a store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from backends.echo import EchoBackend
from webchat.imports import Found, Importer
from webchat.models import Models, ModelSpec
from webchat.moderation import GateFactory, OpenGates
from webchat.store import ExportedConversation, Store
from webchat.store.records import Message
from webchat.turns import Review


def importer(store: Store, gates: GateFactory | None = None) -> Importer:
    models = Models([ModelSpec(name="echo", kind="echo")], lambda _: EchoBackend())
    return Importer(store, Review(gates or OpenGates(), models))


@dataclass
class Into:
    """Somebody who imports files."""

    store: Store
    owner: str
    folder: Path
    gates: GateFactory = field(default_factory=OpenGates)

    def bring(self, path: Path) -> Found:
        return asyncio.run(importer(self.store, self.gates).bring(path, self.owner))

    def check(self, path: Path) -> Found:
        return asyncio.run(importer(self.store, self.gates).check(path, self.owner))

    def all(self) -> list[ExportedConversation]:
        return [
            self.store.export_conversation(self.owner, id) for id in self.store.conversation_ids(self.owner)
        ]

    def one(self) -> ExportedConversation:
        (only,) = self.all()
        return only

    def shown(self) -> list[Message]:
        """The branch that the only conversation shows."""
        return list(self.store.thread(self.owner, self.one().conversation.id, limit=1000).items)
