"""The laws of moderators as one check, for the tests of moderator authors.

    async def test_it_keeps_the_laws() -> None:
        await check_moderator(make({"word": "x"}), ["fine", "an x", "x and x"])

Give texts in which it finds something, at both ends and twice, and some in which it does not; short ones, for
every text is cut at every place. What breaks a law is raised as an `AssertionError` that says how.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import get_args

from webchat.moderation.filters import Chain, Filter, Moderator
from webchat.moderation.guarded import Guarded
from webchat.moderation.verdicts import Context, Fail, Finding, Refused, Report, Stage

__all__ = ["Broken", "Outcome", "check_moderator", "cut", "outcome"]

MOST_PLACES = 400
MOST_ENDS = 60
"""Places at which one text is cut, and at which it breaks off; of a longer one some are drawn."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for a text. blocked: the rule that ended it."""

    released: str
    blocked: str | None
    findings: tuple[Finding, ...] = field(default=(), compare=False)


async def outcome(
    moderators: Sequence[Moderator], pieces: Iterable[str], context: Context | None = None
) -> Outcome:
    """Pass a text in pieces through moderators, as a gate does."""
    context = context or Context("output", trial=True)
    findings: list[Finding] = []
    chain = Chain([Guarded(one, context, findings.append) for one in moderators])
    released: list[str] = []
    for piece in pieces:
        passed = await chain.feed(piece)
        released.append(passed.text)
        if passed.verdict is not None:
            break
    else:
        passed = await chain.finish()
        released.append(passed.text)
    blocked = None if passed.verdict is None else passed.verdict.rule
    return Outcome("".join(released), blocked, tuple(findings))


def cut(text: str, places: Iterable[int]) -> list[str]:
    """A text split at these positions, whatever the numbers."""
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


async def check_moderator(
    moderator: Moderator,
    texts: Iterable[str],
    *,
    stages: Iterable[Stage] | None = None,
    chunkings: int = 100,
    seed: int = 0,
) -> int:
    """Check the laws with each text at each stage (default: all the moderator names). chunkings: random ones
    per text. Returns how many ways of splitting were tried. Raises `AssertionError`."""
    _check_form(moderator)
    letters = random.Random(seed)
    tried = 0
    for stage in stages or sorted(moderator.stages):
        assert stage in moderator.stages, f"{moderator.name} does not name the stage {stage}"
        context = Context(stage, owner="tests", trial=True)
        for text in texts:
            tried += await _check_chunks(moderator, context, text, letters, chunkings)
            tried += await _check_ends(moderator, context, text, letters)
            await _check_held(moderator, context, text)
            await _check_fails(moderator, context, text)
    return tried


def _check_form(moderator: Moderator) -> None:
    assert moderator.name, "a moderator has a name"
    assert moderator.stages, "a moderator names its stages"
    assert set(moderator.stages) <= set(get_args(Stage)), f"these are no stages: {set(moderator.stages)}"
    assert moderator.fail in get_args(Fail), "fail is open or closed"
    assert moderator.seconds > 0, "seconds is the time of one look"


async def _check_chunks(
    moderator: Moderator, context: Context, text: str, letters: random.Random, chunkings: int
) -> int:
    """Every chunking has the same outcome as the whole text."""
    whole = await outcome([moderator], [text], context)
    for finding in whole.findings:
        assert 0 <= finding.start <= finding.end <= len(text), f"{finding} is not in {text!r}"
    ways = [[text[:place], text[place:]] for place in _places(text, letters)]
    ways += [list(text), ["", *(part for char in text for part in (char, ""))]]
    for _ in range(chunkings):
        ways.append(cut(text, [letters.randrange(len(text) + 1) for _ in range(letters.randrange(8))]))
    for pieces in ways:
        seen = await outcome([moderator], pieces, context)
        how = f"{context.stage}, cut as {pieces!r}"
        assert seen.blocked == whole.blocked, f"{how}: blocked by {seen.blocked}, whole by {whole.blocked}"
        assert seen.released == whole.released, f"{how}: {seen.released!r} and not {whole.released!r}"
        assert Counter(seen.findings) == Counter(whole.findings), f"{how}: other findings than in the whole"
    return len(ways)


async def _check_ends(moderator: Moderator, context: Context, text: str, letters: random.Random) -> int:
    """Wherever a text breaks off, the outcome is that of the text so far."""
    places = _places(text, letters, MOST_ENDS)
    for place in places:
        whole = await outcome([moderator], [text[:place]], context)
        seen = await outcome([moderator], text[:place], context)
        assert seen == whole, f"{context.stage}, ended after {text[:place]!r}: {seen} and not {whole}"
    return len(places)


async def _check_held(moderator: Moderator, context: Context, text: str) -> None:
    """`held` is the end of the input, unchanged."""
    filter = moderator.open(context, _unheard)
    given = ""
    for char in text:
        given += char
        if isinstance(await filter.feed(char), Refused):
            return
        assert given.endswith(filter.held), f"held is {filter.held!r}, not the end of {given!r}"


async def _check_fails(moderator: Moderator, context: Context, text: str) -> None:
    """After a failure nothing more passes if it fails closed, and everything if it fails open."""
    for broken_at in {0, 1, len(text) // 2, len(text)}:
        for fail in get_args(Fail):
            seen = await outcome([Broken(moderator, broken_at, fail)], text, context)
            before = await outcome([moderator], [text[:broken_at]], context)
            if before.blocked is not None:
                continue
            if fail == "closed":
                assert seen.blocked == f"{moderator.name}.failed", "it broke, and the text was not blocked"
                assert before.released.startswith(seen.released), "it broke, and more was released"
            else:
                assert seen.blocked is None, "it fails open, and blocked"
                assert seen.released.endswith(text[broken_at:]), "it fails open, and the rest did not pass"


class Broken:
    """A moderator whose filter fails at a character, or at the end."""

    def __init__(self, moderator: Moderator, broken_at: int, fail: Fail) -> None:
        self.name = moderator.name
        self.stages = moderator.stages
        self.fail: Fail = fail
        self.seconds = moderator.seconds
        self._moderator = moderator
        self._broken_at = broken_at

    def open(self, context: Context, report: Report) -> Filter:
        return _Breaking(self._moderator.open(context, report), self._broken_at)


class _Breaking:
    def __init__(self, filter: Filter, left: int) -> None:
        self._filter = filter
        self._left = left

    @property
    def held(self) -> str:
        return self._filter.held

    async def feed(self, text: str) -> str | Refused:
        if len(text) > self._left:
            raise RuntimeError("broken on purpose")
        self._left -= len(text)
        return await self._filter.feed(text)

    async def finish(self) -> str | Refused:
        raise RuntimeError("broken on purpose")


def _places(text: str, letters: random.Random, most: int = MOST_PLACES) -> Sequence[int]:
    every = range(len(text) + 1)
    return every if len(text) < most else sorted({0, len(text), *letters.sample(every, most)})


def _unheard(_: Finding) -> None:
    """Ignores findings."""
