"""Verbs that read votes: how often which model won, all of them, and those that may be exported."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, func, not_, or_, select

from webchat.store.database.codec import load_settings
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.judgements import ComparisonRow
from webchat.store.database.tables.people import OwnerRow, PersonRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow
from webchat.store.database.transactions import Database, heavy, reads
from webchat.store.database.until import Until
from webchat.store.judgement_records import Comparison, PairVotes, VoteCount
from webchat.store.judgements.comparison_rows import COMPARISONS, load_comparison, with_judged
from webchat.store.judgements.rows import is_live, may_replay, replayed_from, trains
from webchat.store.records import ConversationSettings

SLICE_ROWS = 50
SLICE_CHARS = 2_000_000
WITHDRAWN: Any = (
    replayed_from(
        select(ReplayReplyRow.run_id)
        .join(ReplayRunRow, ReplayRunRow.id == ReplayReplyRow.run_id)
        .join(
            ReplayItemRow,
            and_(ReplayItemRow.set_id == ReplayRunRow.set_id, ReplayItemRow.number == ReplayReplyRow.number),
        )
        .join(MessageRow, MessageRow.id == ReplayItemRow.message_id)
    )
    .where(
        ReplayReplyRow.conversation_id == ComparisonRow.conversation_id,
        not_(and_(is_live(), may_replay(ComparisonRow.owner_id))),
    )
    .correlate(ComparisonRow)
    .exists()
)
"""Whether a vote is on a replay of what its person has deleted, or does not show any more."""

_USABLE: Any = (
    COMPARISONS.join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
    .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
    .where(
        ComparisonRow.voted_at.is_not(None),
        ConversationRow.deleted_at.is_(None),
        trains(ComparisonRow),
        or_(ConversationRow.kind != "replay", ~WITHDRAWN),
    )
    .order_by(ComparisonRow.id)
)


class VoteVerbs(Database):
    """Reading votes."""

    @reads
    def pair_votes(self, connection: Connection, link_id: str, models: Collection[str]) -> list[PairVotes]:
        """How often the people of a link voted for which of two of these models. Those who skipped do not
        count."""
        columns = (ComparisonRow.left_model, ComparisonRow.right_model, ComparisonRow.preferred)
        rows = connection.execute(
            select(*columns, func.count().label("votes"))
            .where(
                ComparisonRow.link_id == link_id,
                ComparisonRow.left_model.in_(models),
                ComparisonRow.right_model.in_(models),
                or_(ComparisonRow.preferred.is_not(None), ComparisonRow.closed_at.is_(None)),
            )
            .group_by(*columns)
        )
        pairs: dict[tuple[str, str], PairVotes] = {}
        for row in rows:
            first, second = sorted((row.left_model, row.right_model))
            pair = pairs.get((first, second), PairVotes((first, second)))
            pairs[first, second] = _with(pair, row.left_model, row.preferred, row.votes)
        return list(pairs.values())

    @heavy
    def vote_counts(
        self, connection: Connection, _until: Until, *, settings: bool = False
    ) -> list[VoteCount]:
        """All votes that were not rejected, of any owners, as counts. settings: told apart by those, too."""
        both_bad = and_(ComparisonRow.left_good.is_(False), ComparisonRow.right_good.is_(False))
        alike: tuple[Any, ...] = (
            ComparisonRow.owner_id,
            ComparisonRow.left_model,
            ComparisonRow.right_model,
            ComparisonRow.preferred,
            both_bad,
        )
        if settings:
            alike += (cast(ComparisonRow.left_settings, Text), cast(ComparisonRow.right_settings, Text))
        rows = connection.execute(
            select(*alike, func.count())
            .where(
                ComparisonRow.preferred.is_not(None),
                func.coalesce(ComparisonRow.review["state"].as_string(), "") != "rejected",
            )
            .group_by(*alike)
        )
        return [
            VoteCount(*row[:4], bool(row[4]), row[-1], *(_settings(one) for one in row[5:-1])) for row in rows
        ]

    @heavy
    def votes(self, connection: Connection, _until: Until) -> list[Comparison]:
        """All votes that were not rejected, of any owners, the oldest first, without what was judged."""
        voted = COMPARISONS.where(ComparisonRow.voted_at.is_not(None))
        rows = connection.execute(voted.order_by(ComparisonRow.at, ComparisonRow.id))
        return [one for row in rows if (one := load_comparison(row)).review.state != "rejected"]

    def usable_comparisons(self) -> Iterator[Comparison]:
        """The votes that may be exported, with what was judged, the oldest first: of people who agreed and
        were not removed, and not rejected. Reads in slices, in the calling thread."""
        after: str | None = ""
        while after is not None:
            after, found = self._usable_slice_of_votes(after)
            yield from found

    @reads
    def _usable_slice_of_votes(
        self, connection: Connection, after: str
    ) -> tuple[str | None, list[Comparison]]:
        """The last id that was looked at, `None` at the end, and what may be exported of those."""
        rows = connection.execute(_USABLE.where(ComparisonRow.id > after).limit(SLICE_ROWS)).all()
        usable: list[Comparison] = []
        chars = 0
        for row in rows:
            one = with_judged(connection, load_comparison(row))
            if one.left.judged is None or one.right.judged is None:
                continue
            usable.append(one)
            chars += sum(len(message.text) for message in one.left.judged.prompt)
            chars += len(one.left.judged.reply) + len(one.right.judged.reply)
            if chars > SLICE_CHARS:
                return row.id, usable
        return rows[-1].id if len(rows) == SLICE_ROWS else None, usable


def _settings(stored: str) -> ConversationSettings:
    return load_settings(json.loads(stored))


def _with(pair: PairVotes, left: str, preferred: str | None, votes: int) -> PairVotes:
    if preferred is None:
        return replace(pair, open=pair.open + votes)
    if preferred == "tie":
        return replace(pair, ties=pair.ties + votes)
    first, second = pair.wins
    wins_first = (left == pair.models[0]) == (preferred == "left")
    return replace(pair, wins=(first + votes, second) if wins_first else (first, second + votes))
