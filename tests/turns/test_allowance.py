"""A reply ends at the tokens reserved for it, also where its model knows, takes or heeds no limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from backends.echo import EchoBackend
from backends.types import Event, Finished, ReasoningDelta, Request, Sampling, TextDelta, ToolCallDelta, Usage
from tests.turns.conftest import MakeBench
from webchat.store.link_records import LinkTerms
from webchat.store.records import ConversationSettings
from webchat.turns import Ask
from webchat.turns.generating.allowance import BYTES, MOST_BYTES, MOST_MORE, within
from webchat.turns.generating.outcome import LINK_TOKENS_REACHED
from webchat.turns.places import Party

WORDS = [f"word{number % 10} " for number in range(1000)]  # six bytes, each a token
TOKENS = 20


class Deaf(EchoBackend):
    """Writes on for ever. takes: says that it takes a limit, and does not heed it."""

    def __init__(self, pieces: list[str], *, takes: bool) -> None:
        super().__init__()
        if not takes:
            self.capabilities = replace(self.capabilities, sampling=frozenset())
        self.pieces = pieces
        self.usage = Usage(1, 10**6)
        self.closed = False

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        try:
            for piece in self.pieces:
                yield TextDelta(piece)
            yield self.usage
            yield Finished("stop")
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("pieces", "takes", "most"),
    [
        (WORDS, False, TOKENS * BYTES),
        (WORDS, True, TOKENS * BYTES),
        (["".join(WORDS)], False, TOKENS * BYTES),
        (["".join(WORDS)], True, TOKENS * BYTES),
        (["汉字" * 1000], False, TOKENS * BYTES),
    ],
    ids=["takes none", "heeds none", "whole, takes none", "whole, heeds none", "Chinese"],
)
async def test_a_reply_ends_at_what_is_reserved(
    bench: MakeBench, pieces: list[str], takes: bool, most: int
) -> None:
    backend = Deaf(pieces, takes=takes)
    async with bench(backend) as at:
        link = at.store.create_link("testers", "hash", None, LinkTerms(tokens=TOKENS))
        at.owner = at.store.create_owner("guest", "Tess", link.id).id
        begun = await at.turns.start(Party(at.owner, link.id), Ask("send", "k", text="Go"))
        ended = await at.end(begun)
        assert backend.closed
        assert (ended.state, ended.finish_reason) == ("complete", "length")
        assert ended.failure == LINK_TOKENS_REACHED, "and it is said why"
        assert "".join(pieces).startswith(ended.text)
        assert most - BYTES < len(ended.text.encode()) <= most
        assert at.store.link(link.id).tokens == TOKENS


async def test_a_model_that_reported_the_size_of_its_tokens_is_counted_by_it(bench: MakeBench) -> None:
    backend = Deaf(WORDS[:100], takes=True)
    backend.usage = Usage(1, 100)
    async with bench(backend) as at:
        first = await at.say("Go")
        assert (first.state, first.failure) == ("complete", None)
        backend.pieces = ["".join(WORDS)]
        link = at.store.create_link("testers", "hash", None, LinkTerms(tokens=TOKENS))
        at.owner = at.store.create_owner("guest", "Tess", link.id).id
        ended = await at.end(await at.turns.start(Party(at.owner, link.id), Ask("send", "k", text="Go")))
        assert len(ended.text) == TOKENS * len(WORDS[0])


async def test_a_reply_that_is_as_long_as_wanted_is_not_the_links_doing(bench: MakeBench) -> None:
    async with bench(Deaf(WORDS, takes=True)) as at:
        link = at.store.create_link("testers", "hash", None, LinkTerms(tokens=10_000))
        at.owner = at.store.create_owner("guest", "Tess", link.id).id
        asked = Ask(
            "send", "k", text="Go", settings=ConversationSettings(sampling=Sampling(max_tokens=TOKENS))
        )
        ended = await at.end(await at.turns.start(Party(at.owner, link.id), asked))
        assert (ended.finish_reason, ended.failure) == ("length", None)


async def test_an_engine_that_heeds_a_limit_is_not_cut_short() -> None:
    """The longest tokens, and as many as were asked for."""
    long, deep = TextDelta("internationalisation"), ReasoningDelta(" " * 40)
    said: list[Event] = [long, deep, TextDelta("x"), Finished("length")]

    async def stream() -> AsyncGenerator[Event, None]:
        for event in said:
            yield event

    assert [event async for event in within(stream(), 3, MOST_BYTES, MOST_MORE)] == said


async def test_a_call_that_does_not_fit_is_left_out_whole() -> None:
    async def stream() -> AsyncGenerator[Event, None]:
        yield TextDelta("Hi")
        yield ToolCallDelta(0, "1", "find", '{"all": true}')
        yield Finished("stop")

    assert [event async for event in within(stream(), 2)] == [TextDelta("Hi"), Finished("length")]
