"""Text through moderators, piece by piece.

A filter takes a text in pieces and gives back what may be released. What it releases depends only on the text
it was given so far, never on where the pieces were cut; so a chain of filters, each fed with what the one
before released, keeps that law, and the check of a whole text is the same as a stream of one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, runtime_checkable

from webchat.moderation.verdicts import Context, Fail, Passed, Refused, Report, Stage, Verdict


class Filter(Protocol):
    """One moderator at work on one text.

    `feed` takes the next piece and returns what may be released now; `finish` is called once, at the end or
    where the text breaks off, and returns the rest. Where the text is refused, both return `Refused`, with
    what may still be released in front; then the filter is not used again. `held` is the text that was taken
    and not yet released, as it came.
    """

    @property
    def held(self) -> str: ...

    async def feed(self, text: str) -> str | Refused: ...

    async def finish(self) -> str | Refused: ...


Look = Callable[[], Coroutine[Any, Any, Any]]
"""Something a moderator does: one look at a text."""

Run = Callable[[Look, float], Coroutine[Any, Any, Any]]
"""Does it somewhere else, within so many seconds. Raises `TimeoutError`, and what it raises."""


@runtime_checkable
class Asking(Filter, Protocol):
    """A filter that looks several times in one `feed` and so keeps the time of its looks itself. A look that
    is cancelled takes nothing with it: the next call goes on from there."""

    def remember(self, text: str) -> str:
        """Take in what is shown already, without looking at it. Returns what the filters behind are given of
        it."""
        ...

    def look_in(self, run: Run) -> None:
        """Have the looks done by `run`."""
        ...


class Moderator(Protocol):
    """A rule or a set of rules. `seconds` is how long one look may take; when it fails closed, a person reads
    that the text could not be checked.

    Its code runs in a thread of its own with an event loop of its own, so it may wait or compute; another
    thread takes over where one does not come back. With an attribute `inline` that is true it runs where it
    is called: its filters then never wait and never take long.
    """

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


class Link(Protocol):
    """A filter in a chain: it is given text and works it off, one step at a time.

    `work` may be cancelled without losing anything: what was given and not given back stays with the link.
    `busy`: there is work left. `finished`: the end is worked off, too. After `Refused` the link is not used
    again.
    """

    @property
    def held(self) -> str: ...

    @property
    def busy(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    def give(self, text: str) -> None: ...

    def end(self) -> None:
        """Nothing follows."""
        ...

    async def work(self) -> str | Refused: ...

    async def remember(self, text: str) -> str | None:
        """As `Asking.remember`; `None` from a filter that has to be fed."""
        ...


class Chain:
    """Filters one after another.

    Its state is whole whenever it waits: whoever waits may be cancelled and call again. `verdict` is set as
    soon as one of the filters refuses the text; behind that nothing more is taken, while what stands in front
    of it still goes through the filters after it, and one of them may refuse an earlier part.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self.verdict: Verdict | None = None
        self._links = tuple(links)
        self._first = 0  # of the links that still take part: none in front of a refusal does
        self._ready: list[str] = []
        # What is shown already and still has to come out of the filters.
        self._shown = ""

    async def feed(self, text: str) -> Passed:
        self.give(text)
        await self.flow()
        return self.take()

    async def finish(self) -> Passed:
        self.end()
        await self.flow()
        return self.take()

    def give(self, text: str) -> None:
        """Take the next piece; behind a refusal it is dropped."""
        if self.verdict is None:
            self._pass(0, text)

    def end(self) -> None:
        """Nothing follows."""
        if self.verdict is None and self._links:
            self._links[0].end()

    def take(self) -> Passed:
        """What may be released by now, as far as it was not taken before."""
        ready, self._ready = self._ready, []
        return Passed(self._behind("".join(ready)), self.verdict)

    async def flow(self) -> None:
        """Work off all that was given."""
        for at in range(self._first, len(self._links)):
            link = self._links[at]
            while link.busy and at >= self._first:
                self._worked(at, await link.work())

    async def remember(self, text: str) -> None:
        """Begin behind a text that is shown already. What begins in it and ends in what follows is found; of
        it only what follows is released."""
        for link in self._links:
            remembered = await link.remember(text)
            if remembered is not None:
                text = remembered
                continue
            link.give(text)
            text = ""
            while link.busy:
                worked = await link.work()
                if isinstance(worked, Refused):
                    self.verdict = worked.verdict
                    return
                text += worked
        self._shown = "".join(link.held for link in reversed(self._links))

    def _worked(self, at: int, worked: str | Refused) -> None:
        """What a link gives back goes to the next one; for those behind a refusal the text ends there."""
        if isinstance(worked, Refused):
            self.verdict, self._first = worked.verdict, at + 1
            self._pass(at + 1, worked.before)
        elif worked:
            self._pass(at + 1, worked)
        if at + 1 < len(self._links) and (self._first > at or self._links[at].finished):
            self._links[at + 1].end()

    def _pass(self, at: int, text: str) -> None:
        if at < len(self._links):
            self._links[at].give(text)
        else:
            self._ready.append(text)

    def _behind(self, text: str) -> str:
        """Without what is shown already: as far as the filters left it as it was."""
        if not self._shown or not text:
            return text
        pairs = zip(text, self._shown, strict=False)
        same = next((at for at, (new, old) in enumerate(pairs) if new != old), None)
        same = min(len(text), len(self._shown)) if same is None else same
        self._shown = self._shown[same:] if same == len(text) else ""
        return text[same:]


async def whole(links: Sequence[Link], text: str) -> Passed:
    """The check of a whole text: what a stream of it in any pieces would release."""
    chain = Chain(links)
    chain.give(text)
    return await chain.finish()
