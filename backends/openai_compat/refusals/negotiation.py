"""Finding out what an endpoint does not take: a bounded search by trying.

What is refused shows in what is accepted without it. `begin` starts from a refusal; `refused` and `accepted`
take the answer to each attempt and give the next one. Pure values, no network.

1. What the refusal names is left out first. If the same is said again, it was not that; if something else is
   said, it was, and there is more.
2. Where nothing is named, the features that were never accepted are left out one by one while there are
   attempts enough, else by halves, the most commonly refused first.
3. The last attempt leaves out all of them: a reply with too little in its request is better than none.

Where half of them were left out and the answer is a reply, the search goes on to the one that it was: that
reply is held, unread, and is read after all should nothing fuller be accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from backends.openai_compat.refusals.causes import odd_values
from backends.openai_compat.refusals.refusal import Refusal
from backends.openai_compat.refusals.variants import (
    FEATURES,
    NEEDS,
    SWAPPED,
    Body,
    features,
    fields_of,
    variant,
)

ATTEMPTS = 4
"""Requests beyond the one that was refused."""

_SAMPLERS = frozenset({"temperature", "top_p", "top_k", "min_p", "repetition_penalty"})


@dataclass(frozen=True, slots=True)
class Learned:
    """What one model at one endpoint does not accept.

    refused: features to leave out. doubted: also left out, because the request was accepted without them,
    though perhaps not all have to be: they are tried again, one with each request. presumed: those of them
    that are responsible if only one feature is refused; so the next request has all the others again.
    clashes: pairs of which the first is left out if both are present.
    """

    refused: frozenset[str] = frozenset()
    presumed: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()
    clashes: frozenset[tuple[str, str]] = frozenset()

    @property
    def always(self) -> frozenset[str]:
        """Left out of every request."""
        return self.refused | self.doubted

    def out(self, present: Collection[str]) -> frozenset[str]:
        """Left out of a request that has these features."""
        clashing = {one for one, other in self.clashes if other in present and other not in self.refused}
        return self.always | clashing

    def trial(self, present: Collection[str]) -> frozenset[str]:
        """The doubted features to try again with a request: all that are not presumed, else one, starting
        with those that others depend on."""
        out = self.out(present)
        tried = [
            feature
            for feature in FEATURES
            if feature in self.doubted - self.presumed
            and (needed := NEEDS.get(feature) or feature) in present
            and (needed == feature or needed not in out - self._back or self._swaps(feature))
        ]
        if self.presumed:
            return frozenset(tried)
        first = (one for one in tried if NEEDS.get(one) not in out or self._swaps(one))
        return frozenset([*first][:1])

    @property
    def _back(self) -> frozenset[str]:
        return self.doubted - self.presumed if self.presumed else frozenset()

    def _swaps(self, feature: str) -> bool:
        return feature == SWAPPED and NEEDS[SWAPPED] in self.refused | self.presumed

    def after(self, trial: frozenset[str], *, refused: bool) -> Learned:
        """What is known after a request with these features was answered, or rejected and answered without
        them."""
        if refused:
            known = self.with_refused(trial) if len(trial) == 1 else self
            return replace(known, presumed=frozenset())
        known = self.without(trial)
        out = known.refused | known.presumed  # with them goes what needs them, which cannot be tried
        if any(NEEDS.get(one) not in out for one in known.doubted - known.presumed):
            return known
        if len(known.presumed) == 1:
            return known.with_refused(known.presumed)
        return replace(known, presumed=frozenset())

    def with_refused(self, more: Iterable[str]) -> Learned:
        refused = self.refused | frozenset(more)
        return replace(
            self, refused=refused, presumed=self.presumed - refused, doubted=self.doubted - refused
        )

    def with_doubted(self, more: Iterable[str]) -> Learned:
        """With these in doubt, and those that depend on them."""
        doubted = self.doubted | frozenset(more)
        doubted |= {one for one, needed in NEEDS.items() if needed in doubted and one in fields_of(needed)}
        return replace(self, doubted=doubted - self.refused)

    def without(self, taken: Collection[str]) -> Learned:
        """After these were accepted, or are no longer thought to be rejected."""
        clashes = frozenset(pair for pair in self.clashes if not {*pair} <= {*taken})
        return Learned(
            self.refused.difference(taken),
            self.presumed.difference(taken),
            self.doubted.difference(taken),
            clashes,
        )

    def to_json(self) -> dict[str, list[Any]]:
        """Without the doubted ones, which are detected again."""
        return {
            "refused": sorted(self.refused | self.presumed),
            "clashes": sorted(map(list, self.clashes)),
        }

    @classmethod
    def from_json(cls, kept: object) -> Learned:
        """Raises `ValueError` for anything `to_json` did not write."""
        match kept:
            case {"refused": list(refused), "clashes": list(clashes)} if all(
                isinstance(pair, list) and len(pair) == 2 for pair in clashes
            ) and all(name in FEATURES for name in [*refused, *(name for pair in clashes for name in pair)]):
                return cls(frozenset(refused), clashes=frozenset((one, other) for one, other in clashes))
        raise ValueError("not a record of what an endpoint rejects")


_Guess = tuple[frozenset[str], frozenset[str], tuple[str, str] | None]
"""What is left out, what of it is blamed, and the clash that is blamed instead."""


@dataclass(frozen=True, slots=True)
class Search:
    """One attempt of a search: `out` is what it leaves out.

    body: of the request, whole. base: what is left out beside what is searched for. suspects: what was never
    accepted. last: the refusal before this attempt. sure: what is left out for good, but for the unsure,
    which may be in it needlessly. guess: what is left out on trial. blamed: what of the guess is learned when
    it is accepted; none where that is still to be found. clash: what is learned instead. among: where the
    refused one is, if it is one. tried: guesses that did not help. held: the guess whose reply is held.
    left: attempts after this one. restored: what had been learned, and no longer holds.
    """

    body: Body
    base: frozenset[str]
    suspects: tuple[str, ...]
    last: Refusal
    among: tuple[str, ...]
    sure: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    guess: frozenset[str] = frozenset()
    blamed: frozenset[str] = frozenset()
    clash: tuple[str, str] | None = None
    tried: frozenset[frozenset[str]] = frozenset()
    held: frozenset[str] | None = None
    left: int = ATTEMPTS
    restored: frozenset[str] = frozenset()

    @property
    def out(self) -> frozenset[str]:
        return self.base | self.sure | self.guess

    def refused(self, refusal: Refusal) -> Search | None:
        """The next attempt after this one was rejected; `None` if there is none."""
        if self.held is None and self.guess and not refusal.same_as(self.last):
            rest = _without(self.suspects, self.guess)
            found = replace(
                self,
                suspects=rest,
                among=rest,
                sure=self.sure | self.guess,
                unsure=self.unsure | (self.guess - self.blamed),
                guess=frozenset(),
                tried=frozenset(),
            )
            return found._next(refusal)
        among = _without(self.among, self.guess)
        tried = self.tried | ({self.guess} if self.guess else set())
        base = self.base | (frozenset() if self.guess else self.restored)  # restoring them did not help
        return replace(self, base=base, restored=frozenset(), among=among, tried=tried)._next(refusal)

    def accepted(self) -> Search | None:
        """A fuller attempt to make while the reply to this one is held; `None` if this one is read."""
        if self.blamed or not self.guess:
            return None
        among = tuple(feature for feature in self.suspects if feature in self.guess)
        return replace(self, held=self.guess, among=among)._next(self.last)

    def learned(self, before: Learned, *, accepted: bool) -> Learned:
        """What is known at the end. accepted: whether this attempt was; if not, the held reply is read."""
        known = before.without(self.restored).with_refused(self.sure - self.unsure)
        known = replace(known, presumed=frozenset()).with_doubted(self.unsure)
        if accepted and self.clash is not None:
            return replace(known, clashes=known.clashes | {self.clash})
        if accepted and self.blamed == self.guess != frozenset():
            return known.with_refused(self.blamed)
        if accepted and self.blamed:
            known = known.with_doubted(self.guess)
            return replace(known, presumed=self.blamed & known.doubted)
        whole = self.guess if accepted else self.held or frozenset()
        tried = self.tried if accepted else self.tried | {self.guess}
        among = self.among if accepted else _without(self.among, self.guess)
        proven = {one for one in whole if any(whole - {one} <= some for some in tried)}
        known = known.with_refused(proven)
        known = known.with_doubted(whole - proven)
        rest = known.doubted.intersection(among) - proven
        return replace(known, presumed=rest) if len(rest) == 1 or rest < whole - proven else known

    def _next(self, refusal: Refusal) -> Search | None:
        if not self.left:
            return None
        for guess, blamed, clash in self._guesses(refusal):
            if guess and guess not in self.tried:
                left = self.left - 1
                return replace(self, guess=guess, blamed=blamed, clash=clash, last=refusal, left=left)
        return None

    def _guesses(self, refusal: Refusal) -> Iterator[_Guess]:
        """What to leave out next, each with the part of it that is blamed; the best first."""
        last = self.left == 1 and self.held is None
        named = self._named(refusal) if self.held is None else ()
        untried = [name for name in named if name in self._sent and {name} not in self.tried]
        first = frozenset(untried[:1])
        if named and not last:
            listed = frozenset(named), frozenset(named), None
            shorter = self.sure and {*named} < {*self.last.names(FEATURES)}
            placed = not self.tried and len(named) > 1 and all(map(refusal.points_to, named))
            if placed or (
                len(named) >= (self.left if shorter else 3) and (shorter or len(untried) < len(named))
            ):
                yield listed
            yield first, first, _clash(named) if len(untried) == len(named) else None
            yield listed
        if self.among and not last:
            alone = len(self.among) <= self.left - (self.held is None)
            guess = frozenset(self.among[: 1 if alone else (len(self.among) + 1) // 2])
            yield guess, guess if len(guess) == 1 else frozenset(), None
        if self.held is None:
            everything = self._everything() | first
            yield everything, first or (everything if len(everything) == 1 else frozenset()), None

    @property
    def _sent(self) -> tuple[str, ...]:
        """The features of the request if nothing is left out on trial."""
        return features(variant(self.body, self.base | self.sure))

    def _named(self, refusal: Refusal) -> tuple[str, ...]:
        """Features named in the refusal that were or could be in the request, in the order to leave them
        out."""
        sent = self._sent
        return refusal.names([*sent, SWAPPED] if NEEDS[SWAPPED] in sent else sent)

    def _everything(self) -> frozenset[str]:
        swapped = {SWAPPED} if NEEDS[SWAPPED] in self.suspects else set()
        return frozenset(self.suspects) | swapped


def begin(
    body: Body,
    base: frozenset[str],
    refusal: Refusal,
    *,
    learned: Collection[str] = (),
    accepted: Collection[str] = (),
    left: int = ATTEMPTS,
) -> Search | None:
    """The first attempt after a refusal, `None` where there is nothing to try.

    base: what was left out of the request already. learned: what of that was, and may be sent again when the
    refusal asks for it. accepted: features that this model is known to take.
    """
    suspects = _without(features(variant(body, base)), {*accepted, *odd_values(body)})
    search = Search(body, base, suspects, refusal, among=suspects, left=left)
    named = refusal.names([*base, SWAPPED])
    back = {NEEDS[SWAPPED] if name == SWAPPED else name for name in named}.intersection(learned)
    if back and not {*search._named(refusal)} - {SWAPPED}:
        return replace(search, base=base - back, restored=frozenset(back), left=left - 1)
    return search._next(refusal)


def _clash(named: tuple[str, ...]) -> tuple[str, str] | None:
    """Two features that a refusal names together: each may be accepted alone."""
    return (named[0], named[1]) if len(named) == 2 and _SAMPLERS.issuperset(named) else None


def _without(some: tuple[str, ...], others: Collection[str]) -> tuple[str, ...]:
    return tuple(one for one in some if one not in others)
