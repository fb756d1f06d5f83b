"""What a model was sent is kept with its reply, where that is wanted, and costs no reply anything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from backends.echo import EchoBackend
from backends.errors import AuthFailed
from backends.types import Event, Finished, Request, Sent, TextDelta
from backends.types import Message as PromptMessage
from tests.turns.conftest import MakeBench, until
from webchat.store.records import Message


async def again(at: Any, before: Message, text: str) -> Message:
    reply: Message = await at.say(text, conversation_id=before.conversation_id, parent_id=before.id)
    return reply


async def test_each_reply_keeps_what_its_model_was_sent(bench: MakeBench) -> None:
    backend = EchoBackend()
    async with bench(backend, names=False) as at:
        first = await at.say("one two")
        second = await again(at, first, "three")
        for reply, words in ((first, ["one two"]), (second, ["one two", "one two", "three"])):
            sent = at.store.inspection(at.owner, reply.id)
            assert sent is not None
            assert [message["content"] for message in sent.messages] == words
            assert sent.rendered == "".join(sent.pieces) == "".join(words)
        sent = at.store.inspection(at.owner, second.id)
        assert sent is not None
        assert sent.messages[1]["id"] == first.id
        assert sent.messages[2]["id"] == second.parent_id
    assert all(request.trace for request in backend.requests)


async def test_of_a_conversation_that_was_cut_what_was_left_is_kept(bench: MakeBench) -> None:
    async with bench(EchoBackend(context_length=60), names=False) as at:
        reply = await at.say("one two three four five six seven eight")
        for _ in range(6):
            reply = await again(at, reply, "one two three four five six seven eight")
        details = at.store.provenance(at.owner, reply.id).details
        sent = at.store.inspection(at.owner, reply.id)
        assert sent is not None
        assert details["left_out"] > 0
        assert sent.messages[0]["id"] == details["first_sent"] == reply.first_sent


async def test_nothing_is_asked_or_kept_where_it_is_not_wanted(bench: MakeBench) -> None:
    backend = EchoBackend()
    async with bench(backend, names=False, inspect=False) as at:
        reply = await at.say("Hello")
        assert at.store.inspection(at.owner, reply.id) is None
        assert at.store.provenance(at.owner, reply.id).details["inspect"] == "off"
    assert not any(request.trace for request in backend.requests)


class Told(EchoBackend):
    """Says `Hi` when the test lets it, after what it tells of the request."""

    def __init__(self, *events: Event) -> None:
        super().__init__()
        self.events = events
        self.go = asyncio.Event()

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        for event in self.events:
            yield event
        await self.go.wait()
        yield TextDelta("Hi")
        yield Finished("stop")


def sent(*words: str) -> Sent:
    return Sent(
        tuple(PromptMessage("user", word) for word in words), body={"words": [*words]}, url="http://x"
    )


@pytest.mark.parametrize("told", [Sent((), spans=((0, 1),)), Sent((), body={"x": object()})])
async def test_what_cannot_be_kept_costs_no_reply(bench: MakeBench, told: Sent) -> None:
    backend = Told(told)
    async with bench(backend, names=False) as at:
        backend.go.set()
        reply = await at.say("Hello")
        assert (reply.state, reply.text) == ("complete", "Hi")
        assert at.store.inspection(at.owner, reply.id) is None


@pytest.mark.parametrize("events", [(sent("one"),), (sent("one", "two"), sent("one"))])
async def test_it_is_kept_while_nothing_was_said_yet_and_what_is_sent_instead_in_its_place(
    bench: MakeBench, events: tuple[Sent, ...]
) -> None:
    backend = Told(*events)
    async with bench(backend, names=False) as at:
        begun = await at.ask(text="Hello")
        await until(lambda: words_of(at, begun.reply.id) == ["one"])
        known = at.store.provenance(at.owner, begun.reply.id)
        assert (known.backend, known.queued_seconds is None) == ("echo", False)
        assert at.store.message(at.owner, begun.reply.id).running
        backend.go.set()
        assert (await at.end(begun)).text == "Hi"
        assert words_of(at, begun.reply.id) == ["one"]


def words_of(at: Any, message_id: str) -> list[str]:
    kept = at.store.inspection(at.owner, message_id)
    return [] if kept is None else [message["content"] for message in kept.messages]


@pytest.mark.parametrize("ends", ["stopped", "failed", "interrupted"])
async def test_it_is_kept_however_the_reply_ends(bench: MakeBench, ends: str) -> None:
    class Failing(Told):
        async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
            yield self.events[0]
            await self.go.wait()
            raise AuthFailed("The key is wrong.")

    backend = Failing(sent("one"))
    async with bench(backend, names=False) as at:
        begun = await at.ask(text="Hello")
        await until(lambda: at.turns._turns[begun.reply.id].status.state == "streaming")
        if ends == "failed":
            backend.go.set()
        elif ends == "stopped":
            await at.turns.stop(at.owner, begun.reply.id)
        else:
            await at.turns.aclose()
        reply = await at.end(begun)
        assert reply.state == ends
        assert words_of(at, reply.id) == ["one"]


async def test_neither_the_loop_nor_the_writer_packs_what_was_sent(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    backend = Told(sent("one"))
    async with bench(backend, names=False) as at:
        pack = at.store.pack_inspection

        def seen(*args: Any) -> Any:
            threads.append(threading.current_thread().name)
            return pack(*args)

        monkeypatch.setattr(at.store, "pack_inspection", seen)
        backend.go.set()
        reply = await at.say("Hello")
        assert words_of(at, reply.id) == ["one"]
    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name
    assert not threads[0].startswith("store-")
