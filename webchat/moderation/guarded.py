"""Runs a filter within its moderator's limits: where it runs, how long, and what happens when it fails."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from webchat.moderation.filters import Asking, Filter, Look, Moderator, Run
from webchat.moderation.surroundings import Surroundings
from webchat.moderation.verdicts import UNCHECKED, UNCHECKED_CURE, Context, Finding, Refused, Report, Verdict
from webchat.moderation.workers import Apart, Stuck, at_once, here

LONG = 4000
"""Characters above which an inline filter runs in a thread: such texts take some filters milliseconds."""

_log = logging.getLogger(__name__)


class Guarded:
    """A `Link` for a moderator. known: receives findings.

    A third-party moderator runs in its own threads if it is `Apart`, else in the calling event loop; long:
    where an inline one checks long texts.
    """

    def __init__(
        self,
        moderator: Moderator,
        context: Context,
        report: Report,
        known: Surroundings | None = None,
        *,
        long: Run | None = None,
    ) -> None:
        self._moderator = moderator
        self._context = context
        self._report = report
        self._known = known
        inline = is_inline(moderator)
        self._apart: Run | None = (
            None if inline else moderator.worker if isinstance(moderator, Apart) else here
        )
        self._long = long
        self._filter: Filter | None = None
        self._asks = False
        self._waiting = ""
        self._ended = False
        self.finished = False
        self._lets_through = False
        # The look under way: the text it took, what was held before it, whether it is the last one.
        self._looking = False
        self._taken = self._held = ""
        self._last = False
        self._task: asyncio.Task[str | Refused] | None = None
        # What a look elsewhere finds is told when it is over, in the thread of whoever asked.
        self._found: list[Finding] | None = None if inline else []

    @property
    def held(self) -> str:
        return "" if self._filter is None or self._lets_through else self._filter.held

    @property
    def busy(self) -> bool:
        return self._looking or bool(self._waiting) or (self._ended and not self.finished)

    def give(self, text: str) -> None:
        if not self._ended:
            self._waiting += text

    def end(self) -> None:
        self._ended = True

    async def remember(self, text: str) -> str | None:
        try:
            one = self._filter or await self._open()
        except Exception:
            return None  # it is opened again for what follows, and fails there
        if not isinstance(one, Asking):
            return None
        if self._known is not None:
            self._known.add(text)
        return one.remember(text)

    async def work(self) -> str | Refused:
        """One check, or the rest of an interrupted one."""
        if self._lets_through:
            return self._all_waiting()
        try:
            one = self._filter or await self._open()
            if not self._looking:
                self._begin(one)
            worked = await self._look(one)
        except Exception as error:
            return self._failed(error)
        self._looking = False
        self._tell_found()
        self.finished = self._last
        if isinstance(worked, Refused):
            self._close()
        return worked

    async def _open(self) -> Filter:
        """If cancelled, nothing was started."""
        if self._apart is None:
            one = self._moderator.open(self._context, self._tell)
        else:
            one = await self._apart(self._opened, self._moderator.seconds)
        self._asks = isinstance(one, Asking)
        if isinstance(one, Asking) and self._apart is not None:
            one.look_in(self._apart)
        self._filter = one
        return one

    async def _opened(self) -> Filter:
        return self._moderator.open(self._context, self._tell)

    def _begin(self, one: Filter) -> None:
        self._taken, self._waiting = self._waiting, ""
        self._last = not self._taken
        self._held = "" if self._asks else one.held
        self._looking = True
        if self._known is not None:
            self._known.add(self._taken)

    async def _look(self, one: Filter) -> str | Refused:
        """If cancelled, a check in a thread continues, and the next call waits for it; an asking filter keeps
        its input and is asked to continue."""
        if self._asks:
            text, self._taken = self._taken, ""
            return await (one.finish() if self._last else one.feed(text))
        look = one.finish if self._last else partial(one.feed, self._taken)
        run = self._apart
        if run is None and self._long is not None and len(self._held) + len(self._taken) >= LONG:
            run = self._long
        if run is None:
            worked: str | Refused = at_once(look())
            return worked
        if self._task is None:
            self._found = []
            self._task = asyncio.create_task(_done(run, look, self._moderator.seconds))
            self._task.add_done_callback(_retrieve)
        await asyncio.wait({self._task})
        task, self._task = self._task, None
        return task.result()

    def _failed(self, error: Exception) -> str | Refused:
        """It failed: what it held passes, and everything after it, or the text is refused."""
        moderator = self._moderator
        why = "timed out" if isinstance(error, TimeoutError) else "broke"
        if not isinstance(error, Stuck):
            _log.warning("the moderator %s %s", moderator.name, why, exc_info=error)
        held = self.held if self._asks else self._held
        rule, opened = f"{moderator.name}.failed", moderator.fail == "open"
        self._report(Finding(rule, "flag" if opened else "block", 0, 0, detail=why))
        text = held + self._taken + self._all_waiting()
        self._looking, self._lets_through = False, True
        if opened:
            return text
        self._close()
        return Refused("", Verdict(rule, UNCHECKED, UNCHECKED_CURE))

    def _all_waiting(self) -> str:
        text, self._waiting, self.finished = self._waiting, "", self._ended
        return text

    def _close(self) -> None:
        self._waiting = ""
        self._ended = self.finished = True

    def _tell(self, finding: Finding) -> None:
        if self._found is None:
            self._report(finding)
        else:
            self._found.append(finding)

    def _tell_found(self) -> None:
        if self._found is None:
            return
        found, self._found = self._found, None if self._apart is None else []
        for finding in found:
            self._report(finding)


def is_inline(moderator: Moderator) -> bool:
    """See `Moderator`."""
    return bool(getattr(moderator, "inline", False))


async def _done(run: Run, look: Look, seconds: float) -> str | Refused:
    worked: str | Refused = await run(look, seconds)
    return worked


def _retrieve(task: asyncio.Task[str | Refused]) -> None:
    """Retrieve an outcome nobody waits for, so that it causes no warning."""
    if not task.cancelled():
        task.exception()
