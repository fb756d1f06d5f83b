"""Once a moderator has refused, a reply ends blocked, whatever comes meanwhile: a stop, an error, a time-out,
the end of the server. Nothing behind the refusal is shown, stored or sent again; what may be shown is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from backends.echo import Delay, EchoBackend, Step
from tests.turns.conftest import Bench, MakeBench, until
from webchat.moderation import Decision, Moderation
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.builtin import BuiltIn
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.testing import cut
from webchat.moderation.verdicts import Context, Report
from webchat.moderation.windows import Opinion, Windows
from webchat.turns import Delta

BEGIN = "This is a harmless beginning. "
BAD = "Now it is about " + "the plan in all its detail, " * 6 + "and the bomb. "
AFTER = "This stands behind what was refused, and is " + "harmless by itself " * 9 + "too. "


@dataclass
class Reader:
    """Reads windows and refuses those with its word. A look waits until it may go on, or so many steps."""

    word: str
    go: asyncio.Event = field(default_factory=asyncio.Event)
    steps: int = 0
    breaks: bool = False
    looks: int = 0

    async def __call__(self, text: str) -> Sequence[Opinion]:
        self.looks += 1
        for _ in range(self.steps):
            await asyncio.sleep(0)
        if not self.steps:
            await self.go.wait()
        if self.breaks:
            raise ValueError("broken on purpose")
        return [Opinion(Rule(self.word, "block"))] if self.word in text else []


class Asking(BuiltIn):
    def __init__(self, reader: Reader, seconds: float = 60.0) -> None:
        super().__init__(f"asked about {reader.word}", stages=("output",), seconds=seconds)
        self._reader = reader

    def open(self, context: Context, report: Report) -> Windows:
        return Windows(self._reader, report, name=self.name, fail=self.fail, seconds=self.seconds, window=160)


async def next_prompt(at: Bench, backend: EchoBackend, conversation_id: str, parent_id: str) -> list[str]:
    """What the model is sent of its own replies with the next message."""
    backend._script = ["ok"]
    again = await at.ask(text="y", conversation_id=conversation_id, parent_id=parent_id)
    await at.end(again)
    return [message.text for message in backend.requests[-1].messages if message.role == "assistant"]


@pytest.mark.parametrize("end", ["stop", "revoke", "break", "time-out", "close", "close at once"])
async def test_a_verdict_outlives_what_ends_the_reply_while_another_still_reads(
    bench: MakeBench, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if end == "close at once":
        monkeypatch.setattr("webchat.turns.generating.pipeline.RELEASE_SECONDS", 0.05)
    first, second = Reader("bomb", steps=1), Reader("zzz", breaks=end == "break")
    backend = EchoBackend(script=[BEGIN + BAD + AFTER, Delay(60)])
    gates = Moderation([Asking(first), Asking(second, 0.05 if end == "time-out" else 60.0)], lambda _: None)
    async with bench(backend, gates=gates) as at:
        begun = await at.ask(text="x")
        await until(lambda: second.looks == 1)
        match end:
            case "stop":
                await at.turns.stop(at.owner, begun.reply.id)
            case "revoke":
                at.turns.stop_all(at.owner)
            case "close" | "close at once":
                closing = asyncio.create_task(at.turns.aclose())
        if end in ("stop", "revoke", "close"):
            await until(lambda: second.looks == 2)
        if end not in ("time-out", "close at once"):
            second.go.set()
        if end.startswith("close"):
            await closing
            reply = at.store.message(at.owner, begun.reply.id)
        else:
            reply = await at.end(begun)
        assert (reply.state, reply.finish_reason) == ("blocked", "content_filter")
        assert reply.text == (BEGIN if end in ("stop", "revoke", "close") else "")
        shown = await at.events(begun.reply.id)
        assert "harmless by itself" not in repr(shown)
        if not end.startswith("close"):
            assert await next_prompt(at, backend, begun.conversation.id, reply.id) == []


async def random_reply(make: MakeBench, seed: int) -> None:
    """A reply with bad words, cut anywhere, read by several, and stopped at some moment."""
    letters = random.Random(seed)
    bad = ["bomb", "evil", "vile"]
    words = ["so it is. ", "well, ", "and on ", "it goes. ", "very ", "long and calm and quiet. "]
    sentences = letters.choices(words, k=letters.randrange(5, 60))
    for word in letters.sample(bad, letters.randrange(3)):
        sentences.insert(letters.randrange(len(sentences)), f"{word} ")
    text = "".join(sentences)
    steps: list[Step] = [*cut(text, [letters.randrange(900) for _ in range(letters.randrange(9))])]
    for _ in range(letters.randrange(3)):
        steps.insert(letters.randrange(len(steps)), Delay(letters.random() / 50))
    if letters.random() < 0.7:
        steps.append(Delay(60))

    def moderators() -> list[Moderator]:
        return [
            Asking(Reader("evil", steps=1 + letters.randrange(9))),
            Phrases("words", {"bomb": Rule("bomb", "block")}),
            Asking(Reader("vile", steps=1 + letters.randrange(9))),
        ]

    told: list[Decision] = []
    backend = EchoBackend(script=steps)
    async with make(backend, gates=Moderation(moderators(), told.append)) as at:
        begun = await at.ask(text="x")
        stopping = asyncio.create_task(_stop(at, begun.reply.id, letters.randrange(120)))
        reply = await at.end(begun)
        await stopping
        assert text.startswith(reply.text)
        assert not [word for word in bad if word in reply.text]
        refused = any(one.finding.action == "block" for one in told)
        assert (reply.state == "blocked") == refused, "refused is refused, and nothing else is"
        if reply.state == "complete":
            assert reply.text == text
        shown = [event.text for event in await at.events(begun.reply.id) if isinstance(event, Delta)]
        assert reply.text.startswith("".join(shown))
        sent = await next_prompt(at, backend, begun.conversation.id, reply.id)
        assert not refused or sent == []


async def _stop(at: Bench, message_id: str, steps: int) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)
    await at.turns.stop(at.owner, message_id)


@pytest.mark.parametrize("seed", range(30))
async def test_wherever_a_reply_is_stopped_refused_is_refused(bench: MakeBench, seed: int) -> None:
    await random_reply(bench, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_wherever_a_reply_is_stopped_refused_is_refused_at_length(bench: MakeBench) -> None:
    for seed in range(1000, 2000):
        await random_reply(bench, seed)
