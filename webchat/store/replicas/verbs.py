"""Verbs on leases, and on turns that another process runs.

A turn carries the lease under which it runs. Where only one process can serve the database, there is no
lease, and no turn can be another's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Concatenate, Literal, ParamSpec, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, not_, or_, select, text, update

from webchat.store.database.codec import new_id, now
from webchat.store.database.migrate import is_newer
from webchat.store.database.tables.base import DISCARDED, FLEETING
from webchat.store.database.tables.conversations import ConversationRow, JournalRow, ReplicaRow, TurnRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.records import FinishedTurn, JournalEntry, Lease, Orphan, TurnElsewhere, TurnState
from webchat.store.verbs.tree import chunks, messages_by_id
from webchat.store.verbs.turns import finish_turns

LEASE_SECONDS = 18.0
"""How long a lease lasts that is not renewed."""

SLICE_TURNS = 20
"""Turns that are interrupted in one transaction."""

Ending = Literal["stopped", "link_ended", "link_paused"]

P = ParamSpec("P")
R = TypeVar("R")

_TAKE = text(
    "INSERT INTO replicas (id, name, about, taken_at, expires_at)"
    " SELECT :id, :name, :about, moment, moment + make_interval(secs => :seconds)"
    " FROM (SELECT clock_timestamp() AS moment) AS clock"
)
_RENEW = text(
    "UPDATE replicas SET expires_at = clock_timestamp() + make_interval(secs => :seconds)"
    " FROM (SELECT expires_at < clock_timestamp() AS late FROM replicas WHERE id = :id) AS before"
    " WHERE id = :id RETURNING late"
)
_FIRST = text("SELECT id FROM replicas WHERE expires_at > clock_timestamp() ORDER BY taken_at, id LIMIT 1")
# One that is locked is just being written under; its transaction ends soon, if need be by PostgreSQL.
_SWEEP = text(
    "DELETE FROM replicas WHERE id IN"
    " (SELECT id FROM replicas WHERE expires_at < clock_timestamp() FOR UPDATE SKIP LOCKED)"
)
_RELEASE = text("DELETE FROM replicas WHERE id = :id")
_LIVING = (
    select(ReplicaRow.name, ReplicaRow.about)
    .where(text("expires_at > clock_timestamp()"))
    .order_by(ReplicaRow.taken_at, ReplicaRow.id)
)

_IS_HELD = exists().where(ReplicaRow.id == TurnRow.replica_id)
_ORPHANS = (
    select(TurnRow.message_id, TurnRow.conversation_id, ConversationRow.owner_id)
    .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
    .where(TurnRow.finished_at.is_(None), not_(_IS_HELD))
    .order_by(TurnRow.message_id)
)
_LEFT_CALLS = (
    update(ConversationRow)
    .where(
        ConversationRow.deleted_at == FLEETING,
        not_(exists().where(TurnRow.conversation_id == ConversationRow.id, _IS_HELD)),
    )
    .values(deleted_at=DISCARDED)
)
_OF_OWNER = select(ConversationRow.id).where(ConversationRow.owner_id == bindparam("owner"))
_ASKED = select(TurnRow.message_id, TurnRow.ending).where(
    TurnRow.finished_at.is_(None), TurnRow.ending.is_not(None), TurnRow.replica_id == bindparam("replica")
)
_RUNS_OF = (
    select(TurnRow.message_id)
    .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
    .where(
        TurnRow.finished_at.is_(None),
        ConversationRow.owner_id == bindparam("owner"),
        ConversationRow.deleted_at.is_(None),
    )
    .order_by(TurnRow.message_id)
)
_STATES = select(TurnRow.message_id, TurnRow.state, TurnRow.finished_at, TurnRow.compared_in).where(
    TurnRow.message_id.in_(bindparam("ids", expanding=True))
)


def _by_itself(
    verb: Callable[Concatenate[ReplicaVerbs, P], R],
) -> Callable[Concatenate[ReplicaVerbs, P], R]:
    """In a thread and on a connection that nothing else keeps busy."""
    verb.threads = "lease"  # type: ignore[attr-defined]
    return verb


class ReplicaVerbs(Database):
    """The operations of replicas."""

    @property
    def shared(self) -> bool:
        """Whether other processes may serve the database, too."""
        return self.dialect.shared

    @_by_itself
    def take_lease(self, about: str = "") -> str:
        """Take a new lease; from now on this process writes under it. about: what all replicas must have in
        common. Returns its id."""
        id = new_id()
        name = f"{socket.gethostname()}:{os.getpid()}"
        values = {"id": id, "name": name, "about": about, "seconds": LEASE_SECONDS}
        with self.unfenced(write=True) as connection:
            connection.execute(_TAKE, values)
        self.replica = id
        return id

    @_by_itself
    def renew_lease(self) -> Lease | None:
        """Hold the lease for another `LEASE_SECONDS`. `None` if others have ended it."""
        with self.unfenced(write=True) as connection:
            row = connection.execute(_RENEW, {"id": self.replica, "seconds": LEASE_SECONDS}).first()
            if row is None:
                return None
            first = connection.scalar(_FIRST)
            return Lease(late=row.late, leads=first == self.replica, newer=is_newer(connection))

    @_by_itself
    def release_lease(self) -> None:
        """Give it back: what this process still runs is over for others."""
        with self.unfenced(write=True) as connection:
            connection.execute(_RELEASE, {"id": self.replica})
        self.replica = None

    @_by_itself
    def end_lease(self, id: str) -> None:
        """End the lease of a process that has ended."""
        with self.transaction(write=True) as connection:
            connection.execute(_RELEASE, {"id": id})

    @_by_itself
    def end_lapsed_leases(self) -> int:
        """End the leases that are over. Returns how many."""
        with self.transaction(write=True) as connection:
            return connection.execute(_SWEEP).rowcount

    @reads
    def replicas(self, connection: Connection) -> list[tuple[str, str]]:
        """Names of the living replicas, the oldest first, and what they are about."""
        return [(row.name, row.about) for row in connection.execute(_LIVING)]

    @reads
    def orphans(self, connection: Connection) -> list[Orphan]:
        """Replies that run under no lease, so nobody writes them: where there are no leases, all that run."""
        return [Orphan(*row) for row in connection.execute(_ORPHANS)]

    @writes
    def interrupt(self, connection: Connection, message_ids: Sequence[str]) -> None:
        """Mark replies that still run as `interrupted`, with all their text. At most `SLICE_TURNS`."""
        finish_turns(connection, [FinishedTurn(id, "interrupted") for id in message_ids], now())

    def interrupt_orphans(self) -> list[Orphan]:
        """Interrupt what nobody writes any more, slice by slice. Returns it."""
        orphans = self.orphans()
        for _ in self.slices(self._interrupting(orphans)):
            pass
        return orphans

    interrupt_orphans.threads = "long"  # type: ignore[attr-defined]

    @writes
    def discard_calls(self, connection: Connection) -> None:
        """Let the next purge delete what a server left of calls that are not to be kept."""
        connection.execute(_LEFT_CALLS)

    @reads
    def runs_elsewhere(self, connection: Connection, message_id: str) -> bool:
        """Whether another process runs a reply, or did until its lease ended."""
        replica = connection.scalar(select(TurnRow.replica_id).where(TurnRow.message_id == message_id))
        return replica is not None and replica != self.replica

    @reads
    def running_turns(self, connection: Connection, owner: str) -> list[str]:
        """Replies of an owner that run in any process, but for those that are not to be kept."""
        return list(connection.scalars(_RUNS_OF, {"owner": owner}))

    @writes
    def ask_to_end(
        self,
        connection: Connection,
        owner: str,
        by: Ending,
        *,
        message_id: str | None = None,
        conversation_id: str | None = None,
    ) -> int:
        """Ask whoever runs an owner's replies to end them, deleted ones too: one and what it is compared
        with, those of one conversation, or all. Returns how many were asked."""
        those: list[ColumnElement[bool]] = [
            TurnRow.finished_at.is_(None),
            TurnRow.ending.is_(None),
            TurnRow.conversation_id.in_(_OF_OWNER.params(owner=owner)),
        ]
        if message_id is not None:
            beside = select(TurnRow.compared_in).where(TurnRow.message_id == message_id).scalar_subquery()
            those.append(or_(TurnRow.message_id == message_id, TurnRow.compared_in == beside))
        if conversation_id is not None:
            those.append(TurnRow.conversation_id == conversation_id)
        return connection.execute(update(TurnRow).where(and_(*those)).values(ending=by)).rowcount

    @reads
    def asked_to_end(self, connection: Connection) -> dict[str, Ending]:
        """Replies that this process runs and others asked to end."""
        rows = connection.execute(_ASKED, {"replica": self.replica})
        return {row.message_id: cast(Ending, row.ending) for row in rows}

    @reads
    def turns_elsewhere(self, connection: Connection, after: Mapping[str, int]) -> list[TurnElsewhere]:
        """How replies are that other processes run. after: the last entry that is known of each."""
        found = []
        for ids in chunks(list(after)):
            for row in connection.execute(_STATES, {"ids": ids}):
                ended = row.finished_at is not None
                entries: tuple[JournalEntry, ...] = ()
                # How far the sides of a comparison are would tell them apart.
                if not ended and row.compared_in is None:
                    entries = _entries(connection, row.message_id, after[row.message_id])
                message = messages_by_id(connection, [row.message_id])[0] if ended else None
                if message is not None and message.compared is not None and message.compared.running:
                    message = None
                state: TurnState = row.state if row.compared_in is None else "queued"
                found.append(TurnElsewhere(row.message_id, state, entries, message))
        return found

    def _interrupting(self, orphans: Sequence[Orphan]) -> Iterator[Callable[[], None]]:
        for ids in chunks([orphan.message_id for orphan in orphans], SLICE_TURNS):
            yield partial(self.interrupt, ids)


def _entries(connection: Connection, message_id: str, after: int) -> tuple[JournalEntry, ...]:
    query = select(JournalRow.seq, JournalRow.kind, JournalRow.text).where(
        JournalRow.message_id == message_id, JournalRow.seq > after
    )
    rows = connection.execute(query.order_by(JournalRow.seq))
    return tuple(JournalEntry(message_id, row.seq, row.kind, row.text) for row in rows)
