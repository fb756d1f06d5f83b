"""What one model at one endpoint accepts: remembered, and detected by one request at a time.

A request makes an `Offer` and posts its `body`. If that is rejected, `refused` says whether there is another
body to post; if it is answered, `fuller` says whether to hold the answer and post a fuller body first, and
`taken` learns from it. Requests rejected at the same time do not each search: one does, and the others wait
and post what it finds.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Protocol

from backends.base import Capabilities
from backends.errors import BackendError
from backends.openai_compat.refusals.causes import negotiable
from backends.openai_compat.refusals.negotiation import ATTEMPTS, Learned, Search, begin
from backends.openai_compat.refusals.refusal import Refusal
from backends.openai_compat.refusals.variants import NEEDS, SWAPPED, Body, features, variant

_log = logging.getLogger(__name__)


class Memory(Protocol):
    """Stores what models were found not to accept. endpoint: `Address.identity`."""

    def recall(self, endpoint: str, model: str) -> Learned | None: ...

    def keep(self, endpoint: str, model: str, learned: Learned) -> None: ...


class Terms:
    """For one model. Lives on one event loop.

    name: the model and its location, for the log. leave_out: features never sent. learned: from earlier.
    remember: called with what is learned whenever it changes.
    """

    def __init__(
        self,
        name: str,
        *,
        leave_out: Collection[str] = (),
        learned: Learned | None = None,
        remember: Callable[[Learned], None] | None = None,
    ) -> None:
        self.name = name
        self.leave_out = frozenset(leave_out)
        self.learned = learned or Learned()
        self.accepted: frozenset[str] = frozenset()
        self.searching = asyncio.Lock()
        self.in_vain: Refusal | None = None  # what nothing helped against, until a request is answered
        self.in_vain_for: bytes | None = None  # the messages that is true of; `None`: of all
        self._remember = remember

    def offer(self, body: Body) -> Offer:
        """The course of one request."""
        return Offer(self, body)

    def fit(self, capabilities: Capabilities) -> Capabilities:
        """These capabilities without those the model is known not to support."""
        out = self.leave_out | self.learned.refused | self.learned.presumed
        # A limit has another name to try, and stop strings are looked for by the reader, too.
        unused = out - {"stop"} - (set() if SWAPPED in out else {"max_tokens"})
        return replace(
            capabilities,
            system_role=capabilities.system_role and "system" not in out,
            speaks_first=capabilities.speaks_first and "opening" not in out,
            seed=capabilities.seed and "seed" not in out,
            logprobs=capabilities.logprobs and out.isdisjoint({"logprobs", "top_logprobs"}),
            prefill=capabilities.prefill and "prefill" not in out,
            sampling=capabilities.sampling - unused,
        )

    def learn(self, learned: Learned) -> None:
        """Store it, if it is new."""
        if learned == self.learned:
            return
        self.learned = learned
        clashes = [f"{one} beside {other}" for one, other in sorted(learned.clashes)]
        out = ", ".join([*sorted(learned.always), *clashes])
        _log.warning("requests to %s now leave out: %s", self.name, out or "nothing")
        if self._remember is not None:
            self._remember(learned)


class Offer:
    """One request to a model that may not accept all of it. Must be closed."""

    def __init__(self, terms: Terms, body: Body) -> None:
        self._terms = terms
        self._whole = body
        self._features = features(body)
        self._agreed = self._agree()
        self._trial = terms.learned.trial(self._features)
        self._trial_refused = False
        self._out = self._agreed - self._trial
        self._search: Search | None = None
        self._held: Search | None = None
        self._reads_held = False
        self._searches = False
        self._in_vain = False
        self._first: BackendError | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The body to post, or that was posted."""
        return variant(self._whole, self._out)

    @property
    def unused(self) -> tuple[str, ...]:
        """Features of the request that are completely absent from the body; with a `system` that is
        folded."""
        gone = (
            self._out - {"opening", "turns", "parts"} - (set() if SWAPPED in self._out else {NEEDS[SWAPPED]})
        )
        return tuple(feature for feature in self._features if feature in gone)

    @property
    def reads_held(self) -> bool:
        """Whether to read the held answer; `body` is the one it answers."""
        return self._reads_held

    async def refused(self, error: BackendError, until: float) -> bool:
        """Whether to post another body after this error. If not, the held answer is to be read, if there is
        one; else `failure` is to be raised.

        until: how long to wait for another request's search, in the event loop's time.
        """
        refusal = error.__cause__
        if self._reads_held:
            return False
        if not isinstance(refusal, Refusal) or not negotiable(error, refusal, self._whole):
            return self._read_held(refused=False)
        self._first = self._first or error
        if self._trial and not self._trial_refused:
            self._trial_refused = True
            self._out = self._agreed
            return True
        if self._search is None:
            try:
                waited = await self._turn(until)
            except TimeoutError:
                return self._read_held(refused=False)
            if (agreed := self._agree()) != self._agreed:
                self._agreed = self._out = agreed  # found by another request in the meantime
                return True
            if self._again(refusal, waited):
                self._in_vain = True
                return False
            following = self._begin(refusal)
        else:
            following = self._search.refused(refusal)
        if following is None:
            return self._read_held(refused=True)
        self._search = following
        self._out = following.out
        return True

    def failure(self, error: BackendError) -> BackendError:
        """The error to raise after this one: if the search was in vain, the first refusal."""
        if self._first is None or not self._in_vain:
            return error
        return self._first

    def fuller(self) -> bool:
        """The body was accepted: whether to hold the answer and post a fuller body first."""
        fuller = None if self._search is None else self._search.accepted()
        if fuller is None:
            return False
        self._held, self._search = self._search, fuller
        self._out = fuller.out
        return True

    def taken(self) -> bool:
        """A reply to the posted body has started: learn from it. Always true."""
        terms = self._terms
        if self._search is not None:
            terms.learn(self._search.learned(terms.learned, accepted=not self._reads_held))
        elif self._trial:
            terms.learn(terms.learned.after(self._trial, refused=self._trial_refused))
        terms.accepted = (terms.accepted | {*features(self.body)}) - terms.learned.refused
        terms.in_vain = None
        self.close()
        return True

    def close(self) -> None:
        """Allow others to search."""
        if self._searches:
            self._searches = False
            self._terms.searching.release()

    def _agree(self) -> frozenset[str]:
        return self._terms.leave_out | self._terms.learned.out(self._features)

    def _begin(self, refusal: Refusal) -> Search | None:
        terms = self._terms
        return begin(
            self._whole,
            self._out,
            refusal,
            learned=terms.learned.out(self._features) - terms.leave_out,
            accepted=terms.accepted,
            left=ATTEMPTS - self._trial_refused,
        )

    def _again(self, refusal: Refusal, waited: bool) -> bool:
        """Whether nothing helped against the same refusal before. waited: for another request to find that
        out."""
        terms = self._terms
        if terms.in_vain is None or not refusal.same_as(terms.in_vain):
            return False
        return waited or terms.in_vain_for in (None, self._digest())

    def _digest(self) -> bytes:
        messages = json.dumps([self._whole.get(name) for name in ("messages", "prompt")], default=str)
        return hashlib.sha256(messages.encode("utf-8", "replace")).digest()

    async def _turn(self, until: float) -> bool:
        """Reserve the search for this request. Returns whether another was searching. Raises
        `TimeoutError`."""
        if self._searches:
            return False
        waited = self._terms.searching.locked()
        async with asyncio.timeout_at(until):
            await self._terms.searching.acquire()
        self._searches = True
        return waited

    def _read_held(self, *, refused: bool) -> bool:
        """The search is over. refused: whether the last body was explicitly rejected."""
        if self._held is not None and self._search is not None:
            self._reads_held = True
            self._out = self._held.out
            if not refused:
                self._search = replace(self._search, guess=frozenset())
        elif refused:
            self._in_vain = True
            self._terms.accepted = frozenset()
            cause = None if self._first is None else self._first.__cause__
            self._terms.in_vain = cause if isinstance(cause, Refusal) else None
            # Where there was nothing left to try, the endpoint may have changed: other words may show it.
            self._terms.in_vain_for = self._digest() if self._search is None else None
        return False
