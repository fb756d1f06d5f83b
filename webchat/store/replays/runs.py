"""Verbs on runs: which items are to be done, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, or_, select, update
from sqlalchemy.orm import aliased

from webchat.store.database.codec import (
    clean,
    dump_calls,
    dump_failure,
    load_settings,
    load_terms,
    new_id,
    now,
)
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.links import LinkRow
from webchat.store.database.tables.replays import ReplayItemRow, ReplayReplyRow, ReplayRunRow
from webchat.store.database.transactions import long, reads, writes
from webchat.store.errors import NotFound, ReplayNameTaken
from webchat.store.judgements.rows import must_operate
from webchat.store.link_records import LinkTerms
from webchat.store.records import RUNNING, ConversationSettings, Failure, PathMessage
from webchat.store.replay_records import OpenedReplay, ReplayRun, ReplayState, ReplayVariant
from webchat.store.replays.judging import JudgingVerbs
from webchat.store.replays.rows import (
    dump_variant,
    is_done,
    is_failed,
    items_query,
    load_run,
    load_variant,
    runs_query,
    with_replies,
)
from webchat.store.replays.sets import SLICE_ROWS, must_exist
from webchat.store.verbs.tree import add_copy, path_to

SLICE_CHARS = 200_000


class ReplayRunVerbs(JudgingVerbs):
    """Running sets."""

    @long
    def start_replay(self, operator: str, set_id: str, name: str, variant: ReplayVariant) -> ReplayRun:
        """A run of this name, open from now on: a new one, or that of the same variant, which goes on where
        it ended. Raises NotFound, and ReplayNameTaken for one of another variant."""
        return self.replay_run(operator, self.in_turn(self._start_replay, operator, set_id, name, variant))

    @writes
    def _start_replay(
        self, connection: Connection, operator: str, set_id: str, name: str, variant: ReplayVariant
    ) -> str:
        """Returns the id of the run. What it has done is counted only where nobody waits to write."""
        must_operate(connection, operator)
        must_exist(connection, set_id)
        id = new_id()
        values = {
            "id": id,
            "set_id": set_id,
            "owner_id": operator,
            "name": clean(name),
            "variant": dump_variant(variant),
            "state": "open",
            "created_at": now(),
        }
        if not self.dialect.insert_once(connection, ReplayRunRow, values):
            same = (ReplayRunRow.set_id == set_id, ReplayRunRow.name == values["name"])
            row = connection.execute(select(ReplayRunRow.id, ReplayRunRow.variant).where(*same)).one()
            if load_variant(row.variant) != variant:
                raise ReplayNameTaken(name)
            connection.execute(update(ReplayRunRow).where(*same).values(state="open"))
            id = str(row.id)
        self._open_judging(connection, operator, set_id, [id])
        return id

    @reads
    def replay_runs(self, connection: Connection, operator: str, set_id: str) -> list[ReplayRun]:
        """The oldest first. Raises NotFound for somebody who does not operate."""
        must_operate(connection, operator)
        of_set = runs_query(ReplayRunRow.set_id == set_id, ReplayRunRow.judges.is_(None))
        rows = connection.execute(of_set.order_by(ReplayRunRow.created_at, ReplayRunRow.id))
        return [load_run(row) for row in rows]

    @reads
    def replay_run(self, connection: Connection, operator: str, run_id: str) -> ReplayRun:
        """Raises NotFound."""
        must_operate(connection, operator)
        return _run(connection, run_id)

    @long
    def cancel_replay(self, operator: str, run_id: str) -> ReplayRun:
        """Begin no more of its items; what is done stays, and the run can be started again. Raises
        NotFound."""
        self.in_turn(self._cancel_replay, operator, run_id)
        return self.replay_run(operator, run_id)

    @writes
    def _cancel_replay(self, connection: Connection, operator: str, run_id: str) -> None:
        must_operate(connection, operator)
        _close(connection, _with_judging(run_id), "cancelled")

    @long
    def retry_replay(self, operator: str, run_id: str) -> ReplayRun:
        """Open a run again to do what failed once more. Raises NotFound."""
        while failed := self._failed(operator, _with_judging(run_id)):
            self.in_turn(self._discard_copies, failed)
        self.in_turn(self._reopen, run_id)
        return self.replay_run(operator, run_id)

    @reads
    def _failed(self, connection: Connection, operator: str, those: ColumnElement[bool]) -> list[str]:
        must_operate(connection, operator)
        failed = with_replies(items_query(ReplayRunRow.owner_id)).where(those, is_failed())
        copies = failed.with_only_columns(ReplayReplyRow.conversation_id)
        return list(connection.scalars(copies.limit(SLICE_ROWS)))

    @writes
    def _reopen(self, connection: Connection, run_id: str) -> None:
        connection.execute(update(ReplayRunRow).where(_with_judging(run_id)).values(state="open"))

    @reads
    def open_replays(self, connection: Connection) -> list[ReplayRun]:
        """The runs with work left, of any operators, the oldest first."""
        some = select(ReplayRunRow.id).where(ReplayRunRow.state == "open").limit(1)
        if connection.scalar(some) is None:
            return []
        rows = connection.execute(
            runs_query(ReplayRunRow.state == "open").order_by(ReplayRunRow.created_at, ReplayRunRow.id)
        )
        return [load_run(row) for row in rows]

    @reads
    def replays_to_do(self, connection: Connection, run_id: str, but: Sequence[int], limit: int) -> list[int]:
        """Numbers of items of an open run that are to be begun, or begun again, in order. but: those that
        are being done."""
        query = with_replies(items_query(ReplayRunRow.owner_id)).where(
            ReplayRunRow.id == run_id,
            ReplayRunRow.state == "open",
            ~is_done(),
            ~is_failed(),
            ReplayItemRow.number.not_in(but),
        )
        return list(connection.scalars(query.order_by(ReplayItemRow.number).limit(limit)))

    @long
    def end_replay(self, run_id: str) -> ReplayRun:
        """Close a run of which nothing is left to do, unless it was cancelled, or judges a run that is open.
        Raises NotFound."""
        self.in_turn(self._end_replay, run_id)
        return self._run(run_id)

    @writes
    def _end_replay(self, connection: Connection, run_id: str) -> None:
        judged = aliased(ReplayRunRow)
        goes_on = exists().where(judged.id == ReplayRunRow.judges, judged.state == "open")
        _close(connection, and_(ReplayRunRow.id == run_id, ~goes_on), "done")

    @reads
    def _run(self, connection: Connection, run_id: str) -> ReplayRun:
        return _run(connection, run_id)

    @long
    def open_replay(self, run_id: str, number: int, question: str | None = None) -> OpenedReplay | None:
        """An item's conversation for a run: the path up to what is to be answered, copied once. `None` where
        it may not be used any more, was answered meanwhile, or the run was cancelled. question: what is asked
        in place of the path, with no settings of its conversation, by a run that judges."""
        found = self._source(run_id, number)
        if found is None:
            return None
        owner, settings, terms, path = found
        if question is not None:
            settings, terms = ConversationSettings(), LinkTerms(moderation_profile=terms.moderation_profile)
            path = [PathMessage("", "user", question, "complete")]
        if self._attempt(run_id, number) is None:
            copy = self.in_turn(self._add_copied_chat, owner)
            above: str | None = None
            for some in _slices(path):
                above = self.in_turn(self._add_copied_messages, owner, copy, above, some)
            if above is None:
                return None
            self.in_turn(self._show_copied, run_id, number, copy, above)
        # The copy that was shown first counts: a pass that was cancelled may still be making another one.
        attempt = self._attempt(run_id, number)
        if attempt is None or attempt.over:
            return None
        return OpenedReplay(attempt.conversation_id, attempt.asked_id, settings, terms, attempt.number)

    @reads
    def _source(
        self, connection: Connection, run_id: str, number: int
    ) -> tuple[str, ConversationSettings, LinkTerms, list[PathMessage]] | None:
        """The owner of the run, and of what is replayed the settings, the terms, and the path to what was
        answered."""
        row = connection.execute(
            with_replies(items_query(ReplayRunRow.owner_id))
            .with_only_columns(
                ReplayRunRow.owner_id, MessageRow.parent_id, ConversationRow.settings, LinkRow.terms
            )
            .where(ReplayRunRow.id == run_id, ReplayRunRow.state == "open", ReplayItemRow.number == number)
        ).first()
        if row is None or row.parent_id is None:
            return None
        terms = LinkTerms() if row.terms is None else load_terms(row.terms)
        # What limits or hides does not hold for the operator.
        shaping = LinkTerms(opening=terms.opening, moderation_profile=terms.moderation_profile)
        path = path_to(connection, row.parent_id)
        return row.owner_id, load_settings(row.settings), shaping, path

    @writes
    def _add_copied_chat(self, connection: Connection, owner: str) -> str:
        return add_copy(connection, owner, kind="replay", title="", title_by="auto")

    @writes
    def _add_copied_messages(
        self,
        connection: Connection,
        owner: str,
        conversation_id: str,
        above: str | None,
        messages: Sequence[PathMessage],
    ) -> str | None:
        """Returns the id of the last one."""
        for message in messages:
            id = new_id()
            connection.execute(
                insert(MessageRow).values(
                    id=id,
                    conversation_id=conversation_id,
                    parent_id=above,
                    under_id=above or conversation_id,
                    role=message.role,
                    author_id=owner if message.role == "user" else None,
                    text=message.text,
                    tool_calls=dump_calls(message.tool_calls),
                    tool_call_id=message.tool_call_id,
                    created_at=now(),
                )
            )
            above = id
        return above

    @writes
    def _show_copied(
        self, connection: Connection, run_id: str, number: int, conversation_id: str, asked_id: str
    ) -> None:
        values = {
            "run_id": run_id,
            "number": number,
            "conversation_id": conversation_id,
            "asked_id": asked_id,
            "attempts": 0,
        }
        if self.dialect.insert_once(connection, ReplayReplyRow, values):
            those = update(ConversationRow).where(ConversationRow.id == conversation_id)
            connection.execute(those.values(deleted_at=None, active_leaf_id=asked_id))

    @reads
    def _attempt(self, connection: Connection, run_id: str, number: int) -> _Attempt | None:
        """The next attempt at an item; `None` if its path was not copied yet. Its number is the same while
        none was begun, and until the reply of one has ended."""
        of_item = (ReplayReplyRow.run_id == run_id, ReplayReplyRow.number == number)
        turn = TurnRow.message_id == ReplayReplyRow.reply_id
        query = select(
            ReplayReplyRow.conversation_id,
            ReplayReplyRow.asked_id,
            ReplayReplyRow.attempts,
            TurnRow.state,
            or_(is_done(), is_failed()).label("over"),
        )
        row = connection.execute(query.outerjoin(TurnRow, turn).where(*of_item)).first()
        if row is None:
            return None
        attempt = row.attempts if row.state in RUNNING else row.attempts + 1
        return _Attempt(row.conversation_id, row.asked_id, attempt, row.over)

    @writes
    def begun_replay(
        self, connection: Connection, run_id: str, number: int, attempt: int, reply_id: str
    ) -> None:
        """Remember the reply of an attempt."""
        of_item = (ReplayReplyRow.run_id == run_id, ReplayReplyRow.number == number)
        connection.execute(
            update(ReplayReplyRow).where(*of_item).values(reply_id=reply_id, attempts=attempt, failure=None)
        )

    @writes
    def failed_replay(self, connection: Connection, run_id: str, number: int, failure: Failure) -> None:
        """Remember why no reply could be begun."""
        of_item = (ReplayReplyRow.run_id == run_id, ReplayReplyRow.number == number)
        connection.execute(update(ReplayReplyRow).where(*of_item).values(failure=dump_failure(failure)))


class _Attempt(NamedTuple):
    """over: whether the item was answered, or failed."""

    conversation_id: str
    asked_id: str
    number: int
    over: bool


def _slices(path: Sequence[PathMessage]) -> Iterator[list[PathMessage]]:
    """What models are sent of a path, in groups that each hold the writer for a moment only."""
    group: list[PathMessage] = []
    chars = 0
    for message in path:
        if not message.read_by_models:
            continue
        if group and (len(group) == SLICE_ROWS or chars + message.chars > SLICE_CHARS):
            yield group
            group, chars = [], 0
        group.append(message)
        chars += message.chars
    if group:
        yield group


def _with_judging(run_id: str) -> ColumnElement[bool]:
    """A run, and those that judge it."""
    return or_(ReplayRunRow.id == run_id, ReplayRunRow.judges == run_id)


def _close(connection: Connection, those: ColumnElement[bool], state: ReplayState) -> None:
    connection.execute(update(ReplayRunRow).where(those, ReplayRunRow.state == "open").values(state=state))


def _run(connection: Connection, run_id: str) -> ReplayRun:
    row = connection.execute(runs_query(ReplayRunRow.id == run_id)).first()
    if row is None:
        raise NotFound("replay_run")
    return load_run(row)
