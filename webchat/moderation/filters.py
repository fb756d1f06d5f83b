"""Passes text through moderators, piece by piece.

A filter receives a text in pieces and returns what may be released. Its output depends only on the text
received so far, never on how it was split; so a chain of filters, each fed with the output of the one before,
has the same property, and the check of a whole text equals a stream of one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, runtime_checkable

from webchat.moderation.verdicts import Context, Fail, Passed, Refused, Report, Stage, Verdict


class Filter(Protocol):
    """One moderator applied to one text.

    `feed` receives the next piece and returns what may be released now; `finish` is called once, at the end
    or where the text breaks off, and returns the rest. If the text is refused, both return `Refused` with
    whatever may still be released before it; then the filter is not used again. `held` is the text received
    and not yet released, unchanged.
    """

    @property
    def held(self) -> str: ...

    async def feed(self, text: str) -> str | Refused: ...

    async def finish(self) -> str | Refused: ...


Look = Callable[[], Coroutine[Any, Any, Any]]
"""One check of a text by a moderator."""

Run = Callable[[Look, float], Coroutine[Any, Any, Any]]
"""Runs it elsewhere, with a time limit in seconds. Raises `TimeoutError`, and what it raises."""


@runtime_checkable
class Asking(Filter, Protocol):
    """A filter that checks several times in one `feed` and so enforces its own time limits. A cancelled check
    loses nothing: the next call continues from there."""

    def remember(self, text: str) -> str:
        """Take in text that is already shown, without checking it. Returns the input for the filters after
        it."""
        ...

    def look_in(self, run: Run) -> None:
        """Have the checks run by `run`."""
        ...


class Moderator(Protocol):
    """A rule or a set of rules. `seconds` is the time limit of one check; if it fails closed, people read
    that the text could not be checked.

    Its code runs in a thread with an event loop of its own, so it may wait or compute; another thread takes
    over if one does not return. With an attribute `inline` that is true, it runs where it is called: then its
    filters must never wait or take long.
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
    """A moderator with something to close, such as connections."""

    async def aclose(self) -> None: ...


class Link(Protocol):
    """A filter in a chain: receives text and processes it one step at a time.

    `work` may be cancelled without losing anything: input that produced no output yet stays with the link.
    `busy`: there is work left. `finished`: the end has been processed, too. After `Refused` the link is not
    used again.
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
        """As `Asking.remember`; `None` for a filter that must be fed instead."""
        ...


class Chain:
    """Filters in sequence.

    Its state is consistent whenever it waits: a waiting caller may be cancelled and call again. `verdict` is
    set as soon as one filter refuses the text; after that, no more input is accepted, while text before it
    still passes the later filters, and one of them may refuse an earlier part.
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
        """Add the next piece; after a refusal it is dropped."""
        if self.verdict is None:
            self._pass(0, text)

    def end(self) -> None:
        """Nothing follows."""
        if self.verdict is None and self._links:
            self._links[0].end()

    def take(self) -> Passed:
        """What may be released by now and was not taken before."""
        ready, self._ready = self._ready, []
        return Passed(self._behind("".join(ready)), self.verdict)

    async def flow(self) -> None:
        """Process all input."""
        for at in range(self._first, len(self._links)):
            link = self._links[at]
            while link.busy and at >= self._first:
                self._worked(at, await link.work())

    async def remember(self, text: str) -> None:
        """Start after text that is already shown. A match that starts in it and ends in new text is found;
        only the new part is released."""
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
        """Passes the output of a link to the next one; for links after a refusal, the text ends there."""
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
        """Without the part already shown, as far as the filters left it unchanged."""
        if not self._shown or not text:
            return text
        pairs = zip(text, self._shown, strict=False)
        same = next((at for at, (new, old) in enumerate(pairs) if new != old), None)
        same = min(len(text), len(self._shown)) if same is None else same
        self._shown = self._shown[same:] if same == len(text) else ""
        return text[same:]


async def whole(links: Sequence[Link], text: str) -> Passed:
    """The check of a whole text: equal to the release of a stream in any pieces."""
    chain = Chain(links)
    chain.give(text)
    return await chain.finish()
