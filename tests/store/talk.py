"""Short words for what the turns room does with the store."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from backends.types import Message as Given
from backends.types import ToolCall
from webchat.store import ExportedConversation, Store
from webchat.store.records import BegunTurn, FinishedTurn, JournalEntry, Message, NewTurn, Provenance

Result = TypeVar("Result")

_keys = itertools.count()


@dataclass
class Talk:
    """A person who talks to a model."""

    store: Store
    owner: str
    model: str = field(default="echo")

    def begin(
        self,
        text: str | None,
        *,
        conversation: str | None = None,
        parent: str | None = None,
        key: str | None = None,
        continues: str | None = None,
    ) -> BegunTurn:
        key = key or f"key-{next(_keys)}"
        return self.store.begin_turn(
            self.owner, NewTurn(conversation, parent, text, key, self.model, continues=continues)
        )

    def say(self, text: str, reply: str, after: Message | None = None) -> BegunTurn:
        """A whole turn, under `after` or in a new conversation."""
        begun = self.begin(
            text,
            conversation=after.conversation_id if after else None,
            parent=after.id if after else None,
        )
        self.finish(begun.reply.id, reply)
        return begun

    def finish(self, message_id: str, *pieces: str, first: int = 1) -> Message:
        entries = [JournalEntry(message_id, seq, "text", piece) for seq, piece in enumerate(pieces, first)]
        return self.store.write_batch(entries, [FinishedTurn(message_id, "complete", "stop")])[0]

    def shown(self, conversation: str) -> list[str]:
        return [message.text for message in self.store.thread(self.owner, conversation, limit=1000).items]

    def found(self, query: str) -> list[str]:
        return [hit.conversation_id for hit in self.store.search(self.owner, query).items]


def called(store: Store, owner: str, argument: str = "sea", result: str = "high") -> BegunTurn:
    """A kept call with the result of a tool, whose reply breaks off in its second tool call."""
    calls = (ToolCall("a", "tide", json.dumps({"at": argument})),)
    path = (
        Given("user", "Shall I sail?"),
        Given("assistant", "", calls),
        Given("tool", result, tool_call_id="a"),
    )
    begun = store.begin_call(owner, NewTurn(None, None, None, "call", "echo"), path, stored=True)
    id = begun.reply.id
    entries = [JournalEntry(id, 1, "text", "I look.")]
    for at, (name, said) in enumerate((("sail", "{}"), ("swim", "{")), 2):
        piece = {"index": at, "id": f"b{at}", "name": name, "arguments": said}
        entries.append(JournalEntry(id, at, "tool", json.dumps(piece) + "\n"))
    tools = [
        {"name": "tide", "description": "Tells the tide.", "parameters": {"type": "object"}, "strict": None}
    ]
    made = Provenance(options={"tools": tools, "tool_choice": "required"})
    store.write_batch(entries, [FinishedTurn(id, "interrupted", provenance=made)])
    return begun


def settled(store: Store) -> None:
    """Waits until its start has indexed what was owed, so that it indexes nothing of a test's own."""
    store._threads["index"].submit(lambda: None).result()


def later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def exported(store: Store, owner: str) -> list[ExportedConversation]:
    """All that an owner has."""
    return [store.export_conversation(owner, id) for id in store.conversation_ids(owner)]


async def writing_meanwhile(
    store: Store, verb: Callable[..., Result], reply: str, *args: Any
) -> tuple[Result, int]:
    """What a verb that works in slices returns, and how many entries of a reply were written meanwhile: each
    of them waits for one slice at most."""
    order: list[str] = []
    submit = store._threads["write"].submit

    def noted(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        mine = isinstance(work, partial) and work.func == store.write_batch

        def run() -> Any:
            order.append("W" if mine else "s")
            return work(*args, **kwargs)

        future = submit(run)
        order.append("q" if mine else "")
        return future

    store._threads["write"].submit = noted  # type: ignore[method-assign]
    working = asyncio.create_task(store.call(verb, *args))
    while "s" not in order:  # noqa: ASYNC110  the store has no event for it
        await asyncio.sleep(0.001)
    written = 0
    while not working.done():
        await store.call(store.write_batch, [JournalEntry(reply, written + 1, "text", "x")])
        written += 1
    assert written > 2
    assert "qss" not in "".join(order)
    return await working, written
