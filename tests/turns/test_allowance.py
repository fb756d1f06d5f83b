"""A reply ends at the tokens reserved for it, also where its model knows, takes or heeds no limit."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from backends.echo import EchoBackend
from backends.types import Event, Finished, ReasoningDelta, Request, TextDelta, ToolCallDelta, Usage
from tests.turns.conftest import MakeBench
from webchat.store.link_records import LinkTerms
from webchat.turns import Ask
from webchat.turns.allowance import BYTES, MOST_BYTES, MOST_MORE, within
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
        self.closed = False

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        try:
            for piece in self.pieces:
                yield TextDelta(piece)
            yield Usage(1, 10**6)
            yield Finished("stop")
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("pieces", "takes", "most"),
    [
        (WORDS, False, TOKENS * BYTES),
        (WORDS, True, TOKENS * len(WORDS[0])),
        (["".join(WORDS)], False, TOKENS * BYTES),
        (["".join(WORDS)], True, TOKENS * MOST_BYTES + MOST_MORE),
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
        assert "".join(pieces).startswith(ended.text)
        assert most - BYTES < len(ended.text.encode()) <= most
        assert at.store.link(link.id).tokens == TOKENS


async def test_who_heeds_a_limit_is_not_cut_short() -> None:
    """The longest tokens, and as many as were asked for."""
    long, deep = TextDelta("internationalisation"), ReasoningDelta(" " * 40)
    said: list[Event] = [long, deep, TextDelta("x"), Finished("length")]

    async def stream() -> AsyncGenerator[Event, None]:
        for event in said:
            yield event

    assert [event async for event in within(stream(), 3, told=True)] == said


async def test_a_call_that_does_not_fit_is_left_out_whole() -> None:
    async def stream() -> AsyncGenerator[Event, None]:
        yield TextDelta("Hi")
        yield ToolCallDelta(0, "1", "find", '{"all": true}')
        yield Finished("stop")

    assert [event async for event in within(stream(), 2, told=False)] == [TextDelta("Hi"), Finished("length")]
