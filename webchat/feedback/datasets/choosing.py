"""Which of all judgements and comparisons are exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from webchat.feedback.datasets.rows import models, sides
from webchat.store.judgement_records import Comparison, Judgement


@dataclass(frozen=True, slots=True)
class Chosen:
    """`None` and empty ask for nothing. model: of the reply, or of one of two. link: a name or id. template:
    of the reply's provenance. rating, reasons: of judgements; comparisons have neither. since, before: of the
    last change."""

    model: str = ""
    link: str = ""
    template: str = ""
    since: datetime | None = None
    before: datetime | None = None
    rating: int | None = None
    reasons: frozenset[str] = frozenset()

    def of(self, records: Iterable[Judgement | Comparison]) -> Iterator[Judgement | Comparison]:
        """Those that are asked for."""
        return (one for one in records if self._has(one))

    def _has(self, one: Judgement | Comparison) -> bool:
        judged = sides(one)
        if self.model and self.model not in models(one):
            return False
        if self.link and self.link not in (one.link, one.link_id):
            return False
        if self.template and self.template not in {str(side.provenance.get("template")) for side in judged}:
            return False
        at = one.changed_at if isinstance(one, Judgement) else one.voted_at or one.at
        if (self.since and at < self.since) or (self.before and at >= self.before):
            return False
        if isinstance(one, Comparison):
            return self.rating is None and not self.reasons
        return self.rating in (None, one.rating) and (
            not self.reasons or bool(self.reasons & set(one.reasons))
        )
