"""Verbs on comparisons: two replies to one message, and the vote on them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, not_, or_, select, update

from webchat.store.database.codec import clean, dump_settings, load_settings, new_id, now
from webchat.store.database.tables import (
    ComparisonRow,
    ConversationRow,
    LinkRow,
    MessageRow,
    OwnerRow,
    PersonRow,
    ReplayItemRow,
    ReplayReplyRow,
    ReplayRunRow,
    TurnRow,
)
from webchat.store.database.transactions import heavy, reads, writes
from webchat.store.database.until import Until
from webchat.store.errors import ComparisonRunning, NotFound
from webchat.store.judgement_records import Comparison, Consent, PairVotes, Preferred, Review, Side, Vote
from webchat.store.judgements.judging import judged_by
from webchat.store.judgements.rows import is_live, may_replay, replayed_from, trains
from webchat.store.judgements.snapshots import judged_together
from webchat.store.records import BegunSide, BegunTurn, Conversation, NewSide, NewTurn
from webchat.store.verbs.compared import close_comparison
from webchat.store.verbs.tree import messages_by_id, newest_leaf, own_conversation, own_message
from webchat.store.verbs.turns import TurnVerbs


class ComparisonVerbs(TurnVerbs):
    """The operations of comparisons."""

    @writes
    def begin_comparison(
        self, connection: Connection, owner: str, new: NewTurn, left: NewSide, right: NewSide
    ) -> BegunTurn:
        """Store the user's message and two empty replies, and show the left one. new: as for `begin_turn`,
        with the settings of the conversation; its model and tokens are those of the sides.

        Both count for the link, or neither, and if its tokens are short, both get as many: raises what
        `begin_turn` raises, and NotFound for a message that answers nothing.
        """
        id = new_id()
        first = self._begin(
            connection, owner, replace(new, model=left.label, tokens=left.tokens, comparison=id), replies=2
        )
        if not first.created:
            return _begun(connection, first)
        if first.reply.parent_id is None:
            raise NotFound("message")
        short = first.tokens is not None and first.tokens < left.tokens
        second = self._begin(
            connection,
            owner,
            replace(
                new,
                conversation_id=first.conversation.id,
                parent_id=first.reply.parent_id,
                user_text=None,
                template=None,
                settings=None,
                client_key=_key_of_right(new.client_key),
                model=right.label,
                tokens=min(right.tokens, first.tokens or 0) if short else right.tokens,
                comparison=id,
            ),
        )
        connection.execute(
            insert(ComparisonRow).values(
                id=id,
                owner_id=owner,
                conversation_id=first.conversation.id,
                asked_id=first.reply.parent_id,
                left_id=first.reply.id,
                right_id=second.reply.id,
                left_model=left.model,
                right_model=right.model,
                left_settings=dump_settings(left.settings),
                right_settings=dump_settings(right.settings),
                link_id=new.link_id,
                at=now(),
            )
        )
        connection.execute(
            update(ConversationRow)
            .where(ConversationRow.id == first.conversation.id)
            .values(active_leaf_id=first.reply.id)
        )
        return _begun(connection, replace(first, user=first.user and _again(connection, first.user.id)))

    @reads
    def turn_by_key(self, connection: Connection, owner: str, client_key: str) -> BegunTurn | None:
        """What this owner began with a client key, in its current state; `None` for an unused key. Raises
        NotFound if it was deleted."""
        known = self._turn_by_key(connection, owner, client_key)
        return None if known is None else _begun(connection, known)

    @reads
    def comparison(self, connection: Connection, owner: str, comparison_id: str) -> Comparison:
        """Raises NotFound, also if one of its sides was deleted."""
        return load_comparison(_own(connection, owner, comparison_id))

    @writes
    def vote_on(self, connection: Connection, owner: str, comparison_id: str, vote: Vote) -> Comparison:
        """Store a vote, close the comparison and show the preferred side. The first vote counts: whoever
        comes later, or after the comparison was closed, gets it as it is. Raises NotFound, ComparisonRunning,
        and ConsentNeeded as for their turns.
        """
        row = _own(connection, owner, comparison_id, lock=True)
        if row.closed_at is None:
            _check_ended(connection, comparison_id)
            connection.execute(
                update(ComparisonRow)
                .where(ComparisonRow.id == comparison_id)
                .values(
                    preferred=vote.preferred,
                    left_good=vote.left_good,
                    right_good=vote.right_good,
                    comment=clean(vote.comment),
                    voted_at=now(),
                    consent=judged_by(connection, owner)["consent"],
                )
            )
            _close(connection, row, "right" if vote.preferred == "right" else "left")
        return load_comparison(_own(connection, owner, comparison_id))

    @writes
    def go_on_with(
        self, connection: Connection, owner: str, comparison_id: str, side: Preferred
    ) -> Conversation:
        """Show a side and continue the conversation with what it was made with, also without a vote: then
        none can be given any more. Raises NotFound, ComparisonRunning."""
        row = _own(connection, owner, comparison_id, lock=True)
        if row.closed_at is None:
            _check_ended(connection, comparison_id)
        _close(connection, row, side)
        return own_conversation(connection, owner, row.conversation_id)

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
    def votes(self, connection: Connection, _until: Until) -> list[Comparison]:
        """All votes that were not rejected, of any owners, the oldest first, without what was judged."""
        voted = _RECORDS.where(ComparisonRow.voted_at.is_not(None))
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


SLICE_ROWS = 50
SLICE_CHARS = 2_000_000

_RECORDS: Any = (
    select(
        *ComparisonRow.__table__.columns,
        ConversationRow.owner_id.label("author_id"),
        LinkRow.name.label("link"),
    )
    .join(ConversationRow, ConversationRow.id == ComparisonRow.conversation_id)
    .outerjoin(LinkRow, LinkRow.id == ComparisonRow.link_id)
)

_WITHDRAWN: Any = (
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
        ReplayReplyRow.conversation_id == ComparisonRow.conversation_id, not_(and_(is_live(), may_replay()))
    )
    .correlate(ComparisonRow)
    .exists()
)
"""Whether what a replay answers is somebody's who has deleted it, or does not agree any more."""

_USABLE: Any = (
    _RECORDS.join(OwnerRow, OwnerRow.id == ConversationRow.owner_id)
    .outerjoin(PersonRow, PersonRow.owner_id == OwnerRow.id)
    .where(
        ComparisonRow.voted_at.is_not(None),
        ConversationRow.deleted_at.is_(None),
        trains(ComparisonRow),
        or_(ConversationRow.kind != "replay", ~_WITHDRAWN),
    )
    .order_by(ComparisonRow.id)
)


def _key_of_right(client_key: str) -> str:
    """Another key that only the first one leads to."""
    return hashlib.sha256(f"right of {client_key}".encode()).hexdigest()


def _again(connection: Connection, message_id: str) -> Any:
    return messages_by_id(connection, [message_id])[0]


def _begun(connection: Connection, turn: BegunTurn) -> BegunTurn:
    """A turn as the left side of the comparison that its reply is in, if there is one."""
    reply = _again(connection, turn.reply.id)
    if reply.compared is None:
        return turn
    row = connection.execute(_RECORDS.where(ComparisonRow.id == reply.compared.id)).one()
    ids = (row.left_id, row.right_id)
    reserved = dict(
        connection.execute(
            select(TurnRow.message_id, TurnRow.reserved).where(TurnRow.message_id.in_(ids))
        ).all()
    )
    left, right = messages_by_id(connection, ids)
    sides = (
        BegunSide(left, row.left_model, load_settings(row.left_settings), reserved[left.id]),
        BegunSide(right, row.right_model, load_settings(row.right_settings), reserved[right.id]),
    )
    conversation = own_conversation(connection, row.owner_id, row.conversation_id)
    return replace(turn, conversation=conversation, reply=left, tokens=sides[0].tokens, sides=sides)


def _own(connection: Connection, owner: str, comparison_id: str, *, lock: bool = False) -> Row[Any]:
    """The row of an owner's comparison whose sides are both there. Raises NotFound."""
    found = _RECORDS.where(ComparisonRow.id == comparison_id, ComparisonRow.owner_id == owner)
    if lock:
        found = found.with_for_update(of=ComparisonRow)
    row = connection.execute(found).first()
    if row is None:
        raise NotFound("comparison")
    for side in (row.left_id, row.right_id):
        own_message(connection, owner, side)
    return row


def _check_ended(connection: Connection, comparison_id: str) -> None:
    runs = select(TurnRow.message_id).where(
        TurnRow.compared_in == comparison_id, TurnRow.finished_at.is_(None)
    )
    if connection.scalar(runs.limit(1)) is not None:
        raise ComparisonRunning


def _close(connection: Connection, row: Row[Any], side: Preferred) -> None:
    """Show a side, with what it was made with as the settings of the conversation."""
    right = side == "right"
    close_comparison(connection, row.id)
    connection.execute(
        update(ConversationRow)
        .where(ConversationRow.id == row.conversation_id)
        .values(
            active_leaf_id=newest_leaf(connection, row.right_id if right else row.left_id),
            settings=row.right_settings if right else row.left_settings,
        )
    )


def _with(pair: PairVotes, left: str, preferred: str | None, votes: int) -> PairVotes:
    if preferred is None:
        return replace(pair, open=pair.open + votes)
    if preferred == "tie":
        return replace(pair, ties=pair.ties + votes)
    first, second = pair.wins
    wins_first = (left == pair.models[0]) == (preferred == "left")
    return replace(pair, wins=(first + votes, second) if wins_first else (first, second + votes))


def with_judged(connection: Connection, found: Comparison) -> Comparison:
    """With both replies as they were judged."""
    left, right = judged_together(connection, found.left.message_id, found.right.message_id)
    return replace(found, left=replace(found.left, judged=left), right=replace(found.right, judged=right))


def records_query() -> Any:
    """Comparisons with their conversation and their link's name."""
    return _RECORDS


def load_comparison(row: Row[Any]) -> Comparison:
    return Comparison(
        id=row.id,
        owner_id=row.owner_id,
        author_id=row.author_id,
        conversation_id=row.conversation_id,
        asked_id=row.asked_id,
        link_id=row.link_id,
        link=row.link or "",
        at=row.at,
        left=Side(row.left_id, row.left_model, row.left_good),
        right=Side(row.right_id, row.right_model, row.right_good),
        preferred=row.preferred,
        comment=row.comment,
        voted_at=row.voted_at,
        closed_at=row.closed_at,
        consent=None if row.consent is None else Consent(**row.consent),
        review=Review() if row.review is None else _review(row.review),
    )


def _review(stored: Mapping[str, Any]) -> Review:
    at = stored.get("at")
    return Review(stored["state"], stored.get("by"), datetime.fromisoformat(at) if at else None)
