"""What people are asked about replies: all of it, except for the people of a link."""

from __future__ import annotations

from collections.abc import Sequence

from backends.errors import ExplainedError
from webchat.store.judgement_records import JudgementChange
from webchat.store.records import Owner

GOOD_REASONS = ("accurate", "followed_instructions", "style", "helpful")
BAD_REASONS = (
    "inaccurate", "ignored_instructions", "style_bad", "refused_wrongly", "unsafe", "language", "other",
)  # fmt: skip


class NotAsked(ExplainedError):
    """Something was said of a reply that nobody asked. field: what."""

    code = "not_asked"
    status = 422
    cure = "Reload the page and try again."

    def __init__(self, field: str) -> None:
        super().__init__(f"This kind of feedback isn't collected here: {field}.", params={"field": field})


def reasons_for(owner: Owner) -> Sequence[str]:
    """The reasons this person may give."""
    return owner.terms.reasons or (*GOOD_REASONS, *BAD_REASONS)


def check_asked(owner: Owner, change: JudgementChange) -> None:
    """Raise `NotAsked` for what this person is not asked; taking something back is always allowed."""
    known = reasons_for(owner)
    for reason in change.reasons or ():
        if reason not in known:
            raise NotAsked(reason[:100])
    if owner.kind != "guest":
        return
    asks = owner.terms.asks
    for name, said, needs in (
        ("rating", change.rating, ("thumbs",)),
        ("reasons", change.reasons, ("tags",)),
        ("comment", change.comment, ("thumbs", "tags")),
        ("better", change.better, ("better_answer",)),
    ):
        if said and not any(one in asks for one in needs):
            raise NotAsked(name)
