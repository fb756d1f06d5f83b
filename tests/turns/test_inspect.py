"""What a model was sent is kept with its reply, where that is wanted, and costs no reply anything."""

from __future__ import annotations

from typing import Any

import pytest

from backends.echo import EchoBackend
from backends.types import Sent, TextDelta
from tests.turns.conftest import MakeBench
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


@pytest.mark.parametrize("told", [Sent((), spans=((0, 1),)), Sent((), body={"x": object()})])
async def test_what_cannot_be_kept_costs_no_reply(bench: MakeBench, told: Sent) -> None:
    async with bench(EchoBackend(script=[told, TextDelta("Hi")]), names=False) as at:
        reply = await at.say("Hello")
        assert (reply.state, reply.text) == ("complete", "Hi")
        assert at.store.inspection(at.owner, reply.id) is None
