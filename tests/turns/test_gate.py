"""The gate's place in the path: it sees every word first, and what it refuses is never shown nor stored."""

from __future__ import annotations

import asyncio
import json

import pytest

from backends.echo import Delay, EchoBackend, Step
from backends.types import Request, TextDelta, ToolCallDelta
from tests.turns.conftest import MakeBench, until
from tests.turns.held import Held
from webchat.moderation import Blocked, Context, Moderation, Piece, Prepared, Released, Verdict
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.kinds.secrets import secrets
from webchat.moderation.kinds.tidying import Tidy
from webchat.moderation.matching import Rule
from webchat.turns import Delta, MessageBlocked


class HoldBack:
    """Releases only finished lines, blocks the word `bomb`, and shouts: nothing passes as it came."""

    def __init__(self) -> None:
        self.held = ""
        self.verdict: Verdict | None = None

    async def feed(self, *pieces: Piece) -> Released:
        self.held += "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))
        line, newline, rest = self.held.rpartition("\n")
        if not newline:
            return Released()
        self.held = rest
        return self._release(line + newline)

    async def finish(self, *pieces: Piece) -> Released:
        return self._release(self.held)

    def _release(self, text: str) -> Released:
        if "bomb" in text:
            self.verdict = Verdict("no-bombs", "That is not talked about here.")
            return Released((), self.verdict)
        return Released((TextDelta(text.upper()),) if text else ())


class Gates:
    def __init__(self) -> None:
        self.opened: list[tuple[str, str]] = []

    async def review(self, context: Context, text: str) -> str:
        if "bomb" in text:
            raise Blocked(Verdict("no-bombs", "Please ask something else.", "Change it."))
        return text.replace("555-1234", "[phone]")

    async def prepare(self, context: Context, request: Request) -> Prepared:
        self.opened.append((context.owner, context.model))
        return Prepared(request, HoldBack())


async def test_only_what_the_gate_releases_is_shown_and_stored(bench: MakeBench) -> None:
    gates = Gates()
    async with bench(EchoBackend(script=["one\ntw", "o\nthr", "ee"]), gates=gates) as at:
        begun = await at.ask(text="x")
        events = await at.events(begun.reply.id)
        assert "".join(e.text for e in events if isinstance(e, Delta)) == "ONE\nTWO\nTHREE"
        assert (await at.end(begun)).text == "ONE\nTWO\nTHREE"
        assert gates.opened == [(at.owner, "echo")]


@pytest.mark.parametrize("rest", [["mb\n and more\n", Delay(60)], ["mb"]])
async def test_blocked_text_is_never_shown_and_the_model_is_stopped(
    bench: MakeBench, rest: list[str | Delay]
) -> None:
    backend = EchoBackend(script=["fine\n", "a bo", *rest])
    async with bench(backend, gates=Gates()) as at:
        reply = await at.say("x")
        assert (reply.state, reply.text, reply.finish_reason) == ("blocked", "FINE\n", "content_filter")
        assert reply.failure is not None
        assert (reply.failure.code, reply.failure.params) == ("blocked", {"rule": "no-bombs"})
        assert backend.live == 0


@pytest.mark.parametrize(
    ("held", "state", "text"), [("tail", "stopped", "L\nTAIL"), ("bomb", "blocked", "L\n")]
)
async def test_what_the_gate_holds_at_a_stop_passes_the_gate(
    bench: MakeBench, held: str, state: str, text: str
) -> None:
    async with bench(EchoBackend(script=["l\n", held, Delay(60)]), gates=Gates()) as at:
        begun = await at.ask(text="x")
        await until(lambda: at.store.message(at.owner, begun.reply.id).text != "")
        await asyncio.sleep(0.05)
        await at.turns.stop(at.owner, begun.reply.id)
        reply = await at.end(begun)
        assert (reply.state, reply.text) == (state, text)


async def test_input_is_reviewed_before_it_is_stored(bench: MakeBench) -> None:
    async with bench(gates=Gates()) as at:
        with pytest.raises(MessageBlocked) as refused:
            await at.ask(text="how to make a bomb")
        assert refused.value.message == "Please ask something else."
        assert at.store.list_conversations(at.owner).items == ()
        begun = await at.ask(text="call 555-1234")
        assert begun.user is not None
        assert begun.user.text == "call [phone]"
        with pytest.raises(MessageBlocked):
            await at.ask("edit", message_id=begun.user.id, text="bomb")


async def test_a_gate_that_breaks_fails_the_turn_and_shows_nothing_more(bench: MakeBench) -> None:
    class Broken(Gates):
        async def prepare(self, context: Context, request: Request) -> Prepared:
            gate = HoldBack()
            gate._release = lambda text: 1 // 0  # type: ignore[assignment,method-assign,return-value]
            return Prepared(request, gate)

    async with bench(EchoBackend(script=["one\n", "two\n"]), gates=Broken()) as at:
        reply = await at.say("x")
        assert (reply.state, reply.text) == ("failed", "")


async def test_where_only_lists_look_the_first_text_waits_for_nothing(bench: MakeBench) -> None:
    rules: list[Moderator] = [Tidy(), secrets(), Phrases("words", {"bomb": Rule("words", "block")})]
    backend = Held()
    async with bench(backend, gates=Moderation(rules)) as at:
        begun = await at.ask(text="friend")
        events = at.turns.follow(at.owner, begun.reply.id)
        first = await anext(event async for event in events if isinstance(event, Delta))
        assert first.text == "begun "
        backend.go["friend"].set()  # what follows comes only now
        assert (await at.end(begun)).text == "begun friend"


async def test_a_prompt_that_is_blocked_ends_the_turn_before_anything_is_sent(bench: MakeBench) -> None:
    rule = Rule("words", "block", sentence="Not this.", own=True)
    backend = EchoBackend(script=["Hello"])
    async with bench(backend, gates=Moderation([Phrases("words", {"bomb": rule}, stages=["prompt"])])) as at:
        reply = await at.say("a bomb")
        assert (reply.state, reply.text, reply.finish_reason) == ("blocked", "", "content_filter")
        assert reply.failure is not None
        assert (reply.failure.message, reply.failure.params) == ("Not this.", {"rule": "words", "own": 1})
        assert backend.requests == []


async def test_a_call_of_a_tool_is_stored_whole_after_it_was_read(bench: MakeBench) -> None:
    steps: list[Step] = [
        "One moment. ",
        ToolCallDelta(0, "c", "look_up", '{"q": "the '),
        ToolCallDelta(0, arguments='bomb"}'),
    ]
    rules = [Phrases("words", {"bomb": Rule("words", "mask")})]
    async with bench(EchoBackend(script=steps), gates=Moderation(rules)) as at:
        begun = await at.ask(text="x")
        events = await at.events(begun.reply.id)
        tools = [event.text for event in events if isinstance(event, Delta) and event.kind == "tool"]
        assert "bomb" not in "".join(tools)
        assert [json.loads(line) for line in "".join(tools).splitlines()] == [
            {"index": 0, "id": "c", "name": "look_up", "arguments": '{"q": "the ***"}'}
        ]
