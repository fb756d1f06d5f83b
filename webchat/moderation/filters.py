"""Text through moderators, piece by piece.

A filter takes a text in pieces and gives back what may be released. What it releases depends only on the text
it was given so far, never on where the pieces were cut; so a chain of filters, each fed with what the one
before released, keeps that law, and the check of a whole text is the same as a stream of one piece.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Protocol, runtime_checkable

from webchat.moderation.surroundings import Surroundings
from webchat.moderation.verdicts import Blocked, Context, Fail, Finding, Report, Stage

UNCHECKED = "This text could not be checked, so it is not shown."
UNCHECKED_CURE = "Try again in a moment."

_log = logging.getLogger(__name__)


class Filter(Protocol):
    """One moderator at work on one text.

    `feed` takes the next piece and returns what may be released now; `finish` is called once, at the end or
    where the text breaks off, and returns the rest. Both raise `Blocked`, with what may still be released in
    front; then the filter is not used again. `held` is the text that was taken and not yet released, as it
    came.
    """

    @property
    def held(self) -> str: ...

    async def feed(self, text: str) -> str: ...

    async def finish(self) -> str: ...


@runtime_checkable
class Asking(Filter, Protocol):
    """A filter that looks several times in one `feed` and so keeps the time of its looks itself."""

    keeps_time: bool

    def remember(self, text: str) -> str:
        """Take in what is shown already, without looking at it. Returns what the filters behind are given of
        it."""
        ...


class Moderator(Protocol):
    """A rule or a set of rules. `seconds` is how long one look may take; `sentence` what a person reads when
    it fails closed."""

    @property
    def name(self) -> str: ...

    @property
    def stages(self) -> frozenset[Stage]: ...

    @property
    def fail(self) -> Fail: ...

    @property
    def seconds(self) -> float: ...

    def open(self, context: Context, report: Report) -> Filter:
        """A filter for one text."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A moderator that has something open, such as connections."""

    async def aclose(self) -> None: ...


class Chain:
    """Filters one after another; itself a filter in all but `held`."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = tuple(filters)
        # What is shown already and still has to come out of the filters.
        self._shown = ""

    async def remember(self, text: str) -> None:
        """Begin behind a text that is shown already. What begins in it and ends in what follows is found; of
        it only what follows is released. Raises `Blocked`."""
        for one in self._filters:
            remembered = one.remember(text) if isinstance(one, Guarded) else None
            text = await one.feed(text) if remembered is None else remembered
        self._shown = "".join(one.held for one in reversed(self._filters))

    async def feed(self, text: str) -> str:
        return await self._new(self._through(text, 0, last=False))

    async def finish(self) -> str:
        return await self._new(self._through("", 0, last=True))

    async def _new(self, work: Awaitable[str]) -> str:
        """Without what is shown already: as far as the filters left it as it was."""
        try:
            return self._behind(await work)
        except Blocked as blocked:
            blocked.before = self._behind(blocked.before)
            raise

    def _behind(self, text: str) -> str:
        if not self._shown or not text:
            return text
        pairs = zip(text, self._shown, strict=False)
        same = next((at for at, (new, old) in enumerate(pairs) if new != old), None)
        same = min(len(text), len(self._shown)) if same is None else same
        self._shown = self._shown[same:] if same == len(text) else ""
        return text[same:]

    async def _through(self, text: str, first: int, *, last: bool) -> str:
        """Feed `text` to the filters from `first` on. last: nothing follows, so they give up what they
        hold."""
        for index in range(first, len(self._filters)):
            if not text and not last:
                break
            one, released = self._filters[index], ""
            try:
                if text:
                    released = await one.feed(text)
                if last:
                    released += await one.finish()
            except Blocked as blocked:
                raise await self._ended(blocked, released + blocked.before, index + 1) from None
            text = released
        return text

    async def _ended(self, blocked: Blocked, text: str, behind: int) -> Blocked:
        """What a block becomes behind the filters after it: for them the text ends there, and one of them may
        refuse an earlier part of it."""
        try:
            before = await self._through(text, behind, last=True)
        except Blocked as earlier:
            return earlier
        blocked.before = before
        return blocked


class Guarded:
    """A filter within its moderator's limits: what happens when it breaks or takes too long. known: told the
    text it is given."""

    def __init__(
        self, moderator: Moderator, context: Context, report: Report, known: Surroundings | None = None
    ) -> None:
        self._moderator = moderator
        self._report = report
        self._known = known
        self._filter: Filter | None = moderator.open(context, report)

    @property
    def held(self) -> str:
        return "" if self._filter is None else self._filter.held

    def remember(self, text: str) -> str | None:
        """As `Asking.remember`; `None` from a filter that has to be fed."""
        if not isinstance(self._filter, Asking):
            return None
        if self._known is not None:
            self._known.add(text)
        return self._filter.remember(text)

    async def feed(self, text: str) -> str:
        if self._filter is None:
            return text
        if self._known is not None:
            self._known.add(text)
        return await self._limited(self._filter.feed(text), self._filter.held + text)

    async def finish(self) -> str:
        if self._filter is None:
            return ""
        return await self._limited(self._filter.finish(), self._filter.held)

    async def _limited(self, work: Awaitable[str], held: str) -> str:
        """The outcome of one look; `held` is released where the moderator fails open."""
        moderator = self._moderator
        seconds = None if isinstance(self._filter, Asking) else moderator.seconds
        try:
            async with asyncio.timeout(seconds):
                return await work
        except Blocked:
            raise
        except Exception as error:
            why = "took too long" if isinstance(error, TimeoutError) else "broke"
            _log.warning("the moderator %s %s", moderator.name, why, exc_info=error)
            self._filter = None
            rule = f"{moderator.name}.failed"
            if moderator.fail == "open":
                self._report(Finding(rule, "flag", 0, 0, detail=why))
                return held
            self._report(Finding(rule, "block", 0, 0, detail=why))
            raise Blocked(rule, UNCHECKED, cure=UNCHECKED_CURE) from error


async def whole(filters: Sequence[Filter], text: str) -> str:
    """The check of a whole text: what a stream of it in any pieces would release. Raises `Blocked`."""
    chain = Chain(filters)
    released = await chain.feed(text)
    try:
        return released + await chain.finish()
    except Blocked as blocked:
        blocked.before = released + blocked.before
        raise
