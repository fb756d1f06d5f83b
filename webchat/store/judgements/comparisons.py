"""Verbs on comparisons: two replies to one message, and the vote on them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from webchat.store.database.codec import clean, dump_settings, load_settings, new_id, now
from webchat.store.database.tables.conversations import ConversationRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow
from webchat.store.database.transactions import reads, writes
from webchat.store.errors import ComparisonRunning, NotFound
from webchat.store.events import tell_webhooks
from webchat.store.judgement_records import Comparison, Preferred, Vote
from webchat.store.judgements.comparison_rows import COMPARISONS, load_comparison, with_settings
from webchat.store.judgements.judging import judged_by
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
        return _loaded(connection, owner, comparison_id)

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
            tell_webhooks(connection, "vote.saved", [comparison_id], now())
        return _loaded(connection, owner, comparison_id)

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
    row = connection.execute(COMPARISONS.where(ComparisonRow.id == reply.compared.id)).one()
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


def _loaded(connection: Connection, owner: str, comparison_id: str) -> Comparison:
    row = _own(connection, owner, comparison_id)
    return with_settings(load_comparison(row), row)


def _own(connection: Connection, owner: str, comparison_id: str, *, lock: bool = False) -> Row[Any]:
    """The row of an owner's comparison whose sides are both there. Raises NotFound."""
    found = COMPARISONS.where(ComparisonRow.id == comparison_id, ComparisonRow.owner_id == owner)
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
