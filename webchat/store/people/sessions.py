"""Verbs on sessions, and on sign-ins under way at a provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from webchat.store.database.codec import clean, load_owner, new_id, now
from webchat.store.database.tables.people import LoginRow, OwnerRow, PersonRow, SessionRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import NotFound, PersonDisabled
from webchat.store.people.people import end_all
from webchat.store.people_records import SESSION_AGE, SESSION_IDLE, Session
from webchat.store.records import Owner

TRIM_ROWS = 500
"""What one trim takes of each table, so that no reply waits long for the writer."""

_SESSION = [column for column in SessionRow.__table__.columns if column.name != "token_hash"]


class SessionVerbs(Database):
    """Sessions. One that was not used for `SESSION_IDLE`, or is older than `SESSION_AGE`, has ended."""

    @writes
    def start_session(
        self,
        connection: Connection,
        owner_id: str,
        token_hash: str,
        device: str,
        password_hash: str | None = None,
    ) -> Session:
        """Sign a person in. Raises PersonDisabled, and NotFound, also if a password_hash is given that is not
        theirs any more."""
        person = connection.execute(
            select(PersonRow.disabled_at, PersonRow.password_hash).where(PersonRow.owner_id == owner_id)
        ).first()
        if person is None or password_hash not in (None, person.password_hash):
            raise NotFound("person")
        if person.disabled_at is not None:
            raise PersonDisabled
        moment = now()
        session = Session(new_id(), owner_id, clean(device), moment, moment, None)
        connection.execute(
            insert(SessionRow).values(
                id=session.id,
                owner_id=owner_id,
                token_hash=token_hash,
                device=session.device,
                created_at=moment,
                used_at=moment,
            )
        )
        connection.execute(update(PersonRow).where(PersonRow.owner_id == owner_id).values(seen_at=moment))
        return session

    @reads
    def session(self, connection: Connection, token_hash: str) -> tuple[Session, Owner]:
        """The session a token belongs to, and whose it is. Raises PersonDisabled for the session of somebody
        disabled since, NotFound for unknown and ended ones."""
        row: Any = connection.execute(
            select(*_SESSION, PersonRow.disabled_at)
            .join(PersonRow, PersonRow.owner_id == SessionRow.owner_id)
            .where(SessionRow.token_hash == token_hash)
        ).first()
        if row is None:
            raise NotFound("session")
        if row.disabled_at is not None:
            raise PersonDisabled
        if row.ended_at is not None or _over(row):
            raise NotFound("session")
        owner = select(*OwnerRow.__table__.columns).where(OwnerRow.id == row.owner_id)
        return _load(row), load_owner(connection.execute(owner).one())

    @writes
    def touch_session(self, connection: Connection, session_id: str) -> None:
        """Note that a session is used now, and its person seen. Nothing happens to one that has ended."""
        moment = now()
        used = update(SessionRow).where(SessionRow.id == session_id, SessionRow.ended_at.is_(None))
        if connection.execute(used.values(used_at=moment)).rowcount:
            owner = select(SessionRow.owner_id).where(SessionRow.id == session_id).scalar_subquery()
            connection.execute(update(PersonRow).where(PersonRow.owner_id == owner).values(seen_at=moment))

    @reads
    def sessions(self, connection: Connection, owner_id: str) -> list[Session]:
        """A person's sessions that have not ended, the last used first."""
        rows = connection.execute(
            select(*_SESSION)
            .where(SessionRow.owner_id == owner_id, SessionRow.ended_at.is_(None))
            .order_by(SessionRow.used_at.desc(), SessionRow.id.desc())
        )
        return [_load(row) for row in rows if not _over(row)]

    @reads
    def living_sessions(self, connection: Connection, session_ids: Sequence[str]) -> list[str]:
        """Those of the sessions that have not ended, of people who may still enter."""
        rows = connection.execute(
            select(SessionRow.id, SessionRow.used_at, SessionRow.created_at)
            .join(PersonRow, PersonRow.owner_id == SessionRow.owner_id)
            .where(
                SessionRow.id.in_(session_ids), SessionRow.ended_at.is_(None), PersonRow.disabled_at.is_(None)
            )
        )
        return [row.id for row in rows if not _over(row)]

    @writes
    def end_session(self, connection: Connection, owner_id: str, session_id: str) -> None:
        """Sign a person out there. Raises NotFound for another's session, and one that has ended."""
        one = and_(
            SessionRow.id == session_id, SessionRow.owner_id == owner_id, SessionRow.ended_at.is_(None)
        )
        if not connection.execute(update(SessionRow).where(one).values(ended_at=now())).rowcount:
            raise NotFound("session")

    @writes
    def end_sessions(self, connection: Connection, owner_id: str, except_id: str | None = None) -> int:
        """Sign a person out everywhere, except in one session if given; returns how many ended."""
        return end_all(connection, owner_id, except_id)

    @writes
    def keep_login(
        self, connection: Connection, state_hash: str, data: Mapping[str, Any], expires_at: datetime
    ) -> None:
        """Keep what a sign-in at a provider needs when the browser comes back. Makes room by deleting some
        that have expired."""
        _trim_logins(connection)
        connection.execute(
            insert(LoginRow).values(state_hash=state_hash, data=dict(data), expires_at=expires_at)
        )

    @writes
    def take_login(self, connection: Connection, state_hash: str) -> dict[str, Any]:
        """What was kept, once. Raises NotFound when it was taken or has expired."""
        one = delete(LoginRow).where(LoginRow.state_hash == state_hash, LoginRow.expires_at > now())
        row = connection.execute(one.returning(LoginRow.data)).first()
        if row is None:
            raise NotFound("login")
        return dict(row.data)

    @writes
    def trim_sessions(self, connection: Connection) -> int:
        """Delete sessions that have ended and sign-ins that have expired, at most `TRIM_ROWS` of each.
        Returns how many."""
        those = select(SessionRow.id).where(_is_over()).limit(TRIM_ROWS).scalar_subquery()
        sessions = connection.execute(delete(SessionRow).where(SessionRow.id.in_(those))).rowcount
        return sessions + _trim_logins(connection)


def _trim_logins(connection: Connection) -> int:
    those = select(LoginRow.state_hash).where(LoginRow.expires_at <= now()).order_by(LoginRow.expires_at)
    expired = those.limit(TRIM_ROWS).scalar_subquery()
    return connection.execute(delete(LoginRow).where(LoginRow.state_hash.in_(expired))).rowcount


def _is_over() -> ColumnElement[bool]:
    moment = now()
    return (
        SessionRow.ended_at.is_not(None)
        | (SessionRow.used_at <= moment - SESSION_IDLE)
        | (SessionRow.created_at <= moment - SESSION_AGE)
    )


def _over(row: Any) -> bool:
    moment = now()
    return bool(row.used_at <= moment - SESSION_IDLE or row.created_at <= moment - SESSION_AGE)


def _load(row: Any) -> Session:
    return Session(row.id, row.owner_id, row.device, row.created_at, row.used_at, row.ended_at)
