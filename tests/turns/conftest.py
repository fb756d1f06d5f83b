"""A real SQLite store, the echo backend, and turns over them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backends.base import Backend
from backends.echo import EchoBackend
from webchat.models import Models, ModelSpec
from webchat.moderation import OpenGates
from webchat.prompts import PlainRenderer
from webchat.store import Store
from webchat.store.records import BegunTurn, Message
from webchat.turns import Ask, Done, TurnEvent, Turns


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    yield opened
    opened.close()


@dataclass
class Bench:
    """Turns at work on one backend, for one owner."""

    turns: Turns
    store: Store
    models: Models
    owner: str

    async def ask(self, kind: str = "send", **fields: Any) -> BegunTurn:
        """Start a turn with a fresh client key."""
        fields.setdefault("client_key", uuid.uuid4().hex)
        return await self.turns.start(self.owner, Ask(kind=kind, **fields))  # type: ignore[arg-type]

    async def events(self, message_id: str, after_seq: int = 0) -> list[TurnEvent]:
        """All events of a reply to its end."""
        return [event async for event in self.turns.follow(self.owner, message_id, after_seq)]

    async def end(self, begun: BegunTurn) -> Message:
        """The reply once it has ended."""
        last = (await self.events(begun.reply.id))[-1]
        assert isinstance(last, Done)
        return last.message

    async def say(self, text: str, **fields: Any) -> Message:
        """Send and wait for the whole reply."""
        return await self.end(await self.ask(text=text, **fields))

    async def at_rest(self) -> None:
        """Wait until no turn is in memory and no title is being made."""
        titles = self.turns._titles
        await until(lambda: not self.turns._turns and not (titles and titles._tasks))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in the background; the test's own time limit ends it."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


MakeBench = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def bench(store: Store) -> MakeBench:
    """`async with bench(backend, **options of Turns)`; several backends are models named by their ids."""

    @contextlib.asynccontextmanager
    async def make(
        *backends: Backend, grace: float = 0.0, names: bool = True, **options: Any
    ) -> AsyncIterator[Bench]:
        chosen = {backend.model: backend for backend in backends or (EchoBackend(),)}
        specs = [ModelSpec(name=name, kind="echo", titles=names) for name in chosen]
        models = Models(specs, lambda spec: chosen[spec.name])
        options.setdefault("titles", False)
        options.setdefault("flush_seconds", 0.01)
        settings: dict[str, Any] = {"renderer": PlainRenderer(), "gates": OpenGates(), **options}
        used: Store = settings.pop("store", store)
        turns = Turns(used, models, **settings)
        await turns.open()
        try:
            yield Bench(turns, used, models, used.local_owner().id)
        finally:
            await turns.aclose(grace)
            await models.aclose()

    return make
