"""Runs today's rules over what is stored, and puts what they allow in its place.

It goes on from where it was stopped, and a second run finds nothing new: a text that was changed is what the
rules leave of it, and what they only flag is logged once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from webchat.moderation.moderation import Decision, Moderation, Trial
from webchat.moderation.recording import logged
from webchat.moderation.verdicts import UNCHECKED, WITHHELD, Blocked, Context
from webchat.store import Store
from webchat.store.decision_records import STORED_KINDS, StoredPlace, StoredWanted

EXAMPLES = 5
"""Of what a rule did, that are named."""

LOGGED = 50
"""Decisions that are written together: a rule may find a word in a long text thousands of times."""

_BY_ID = frozenset({"message", "turn", "conversation", "judgement", "comparison"})
"""Kinds whose rows have an id that is not a secret. Of others, work that was stopped begins at the first."""

_CHANGES = frozenset({"mask", "replace", "block"})


_EMPTIED = frozenset({"better", "review_better", "settings"})
"""Columns with texts that models read or learn from: nothing is better there than a remark."""


@dataclass(frozen=True, slots=True)
class At:
    """Where to go on: at the rows of a kind whose key is beyond `after`."""

    kind: str = STORED_KINDS[0]
    after: tuple[str | int, ...] | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.after[0]}" if self.after and self.kind in _BY_ID else self.kind


def at(text: str) -> At | None:
    """What `At` was printed as; `None` for anything else."""
    kind, _, after = text.partition(":")
    if kind not in STORED_KINDS or (after and kind not in _BY_ID):
        return None
    return At(kind, (after,) if after else None)


@dataclass(slots=True)
class Looked:
    """What was found. acted: how often each rule did what. examples: of these, where, at most `EXAMPLES`
    each. texts: looked at; changed: of these; unchecked: those that a moderator could not judge, which stay
    as they are."""

    texts: int = 0
    changed: int = 0
    unchecked: int = 0
    acted: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: defaultdict[tuple[str, str], list[StoredPlace]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def note(self, place: StoredPlace, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            did = (decision.finding.rule, decision.finding.action)
            self.acted[did] += 1
            some = self.examples[did]
            if len(some) < EXAMPLES and place not in some:
                some.append(place)


class StoredTexts:
    """Looks at stored texts. apply: changes them, too."""

    def __init__(self, store: Store, moderation: Moderation, *, apply: bool = False) -> None:
        self._store = store
        self._moderation = moderation
        self._apply = apply

    async def look(
        self,
        wanted: StoredWanted,
        begin: At,
        tell: Callable[[At, Looked], None] = lambda _at, _looked: None,
    ) -> Looked:
        """All that is wanted, from a place on. tell: told the place before each page."""
        looked = Looked()
        place = begin
        for kind in STORED_KINDS[STORED_KINDS.index(begin.kind) :]:
            place = place if place.kind == kind else At(kind)
            while True:
                tell(place, looked)
                page = await self._store.call(self._store.stored_places, kind, place.after, wanted)
                for one in page.places:
                    await self._judge(looked, one)
                if page.last is None:
                    break
                place = At(kind, page.last)
        return looked

    async def _judge(self, looked: Looked, place: StoredPlace) -> None:
        if place.text == WITHHELD:
            return
        looked.texts += 1
        judged = await self._tried(place, place.text)
        if judged is None or (judged.verdict is not None and judged.verdict.sentence == UNCHECKED):
            looked.unchecked += 1
            return
        found = [one for one in judged.decisions if not _failed(one)]
        changes = any(one.finding.action in _CHANGES for one in found)
        if not changes:
            found = await self._unflagged(place, found)
        elif self._apply and not await self._store.call(
            self._store.rewrite_stored, place, await self._allowed(place, judged)
        ):
            return  # changed or deleted meanwhile
        looked.changed += changes
        looked.note(place, found)
        if self._apply:
            for some in range(0, len(found), LOGGED):
                batch = [logged(one) for one in found[some : some + LOGGED]]
                await self._store.call(self._store.add_decisions, batch)

    async def _tried(self, place: StoredPlace, text: str) -> Trial | None:
        """`None` if the rules for it are missing."""
        context = Context(
            "stored",
            place.owner_id,
            place.model or "",
            place.conversation_id,
            place.message_id,
            counts=False,
            link=place.link_id,
            profile=await self._profile(place.owner_id),
        )
        try:
            return await self._moderation.trial(context, text)
        except Blocked:
            return None

    async def _profile(self, owner: str) -> str:
        if not self._moderation.profiles:
            return ""
        link = (await self._store.call(self._store.owner, owner)).link
        return "" if link is None else link.terms.moderation_profile

    async def _unflagged(self, place: StoredPlace, found: list[Decision]) -> list[Decision]:
        if not found:
            return found
        known = await self._store.call(self._store.flagged_before, place.conversation_id, place.owner_id)
        return [
            one
            for one in found
            if (one.finding.rule, place.message_id, one.finding.start, one.finding.end) not in known
        ]

    async def _allowed(self, place: StoredPlace, judged: Trial) -> str:
        """What may stay. A replacement that the rules would change again is not one."""
        if judged.verdict is None:
            again = await self._tried(place, judged.result)
            if again is not None and again.verdict is None and again.result == judged.result:
                return judged.result
        return "" if place.column in _EMPTIED else WITHHELD


def _failed(decision: Decision) -> bool:
    """A moderator that could not judge, and lets text pass then, found nothing."""
    return decision.finding.rule.endswith(".failed")


def only(moderation: Moderation, name: str) -> Moderation:
    """The one moderator of this name, beside the one that removes what hides text. Raises `KeyError` if there
    is none."""
    if name not in {one.name for one in moderation.every}:
        raise KeyError(name)
    return Moderation(
        [one for one in moderation.moderators if one.name in ("tidy", name)],
        profiles={
            profile: [one for one in some if one.name == name]
            for profile, some in moderation.profiles.items()
        },
    )
