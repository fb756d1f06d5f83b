"""Verbs on people who sign in. They are for the door and for operators: no owner is checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from webchat.store.cursors import read_id
from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.conversations import ConversationRow
from webchat.store.database.tables.people import OwnerRow, PersonRow, SessionRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import LastOperator, NotFound, PersonExists
from webchat.store.people_records import PASSWORD_ISSUER, Person
from webchat.store.records import OwnerKind, Page
from webchat.store.search.names import find_named, named, put_name
from webchat.store.search.words import query_terms


class PeopleVerbs(Database):
    """People. Each has one owner; disabled people keep what is theirs, but cannot sign in."""

    @writes
    def add_person(
        self,
        connection: Connection,
        issuer: str,
        subject: str,
        name: str,
        email: str | None = None,
        *,
        operates: bool = False,
        password_hash: str | None = None,
    ) -> Person:
        """A new person. Raises PersonExists for a subject that the issuer has already."""
        owner_id = self._add(connection, issuer, subject, name, operates, password_hash)
        if owner_id is None:
            raise PersonExists(subject)
        _change(connection, owner_id, email=_clean(email))
        return _called(connection, owner_id)

    @writes
    def enter_person(
        self,
        connection: Connection,
        issuer: str,
        subject: str,
        name: str,
        email: str | None,
        operates: bool | None,
    ) -> Person:
        """The person a provider vouches for, created on first sight. Updates name and email, and whether they
        operate unless `None`. Somebody disabled is returned unchanged."""
        known = _known_as(issuer, subject)
        known_as: Sequence[str | None] = ()
        if connection.scalar(select(PersonRow.owner_id).where(known)) is None:
            self._add(connection, issuer, subject, name, bool(operates))
            person = _person(connection, known)
        else:
            person = _person(connection, known)
            known_as = _said(person)
        if person.disabled_at is not None:
            return person
        _change(connection, person.owner_id, email=_clean(email))
        _change_owner(connection, person.owner_id, name=clean(name))
        if operates is not None:
            _change_owner(connection, person.owner_id, kind=_kind(operates))
        return _called(connection, person.owner_id, known_as)

    def _add(
        self,
        connection: Connection,
        issuer: str,
        subject: str,
        name: str,
        operates: bool,
        password_hash: str | None = None,
    ) -> str | None:
        """The id of a new person's owner; `None` where the person exists, also in another transaction."""
        owner_id = new_id()
        owner = {"id": owner_id, "kind": _kind(operates), "name": clean(name), "created_at": now()}
        connection.execute(insert(OwnerRow).values(owner))
        person = {
            "owner_id": owner_id,
            "issuer": clean(issuer),
            "subject": clean(subject),
            "password_hash": password_hash,
        }
        if self.dialect.insert_once(connection, PersonRow, person):
            return owner_id
        connection.execute(delete(OwnerRow).where(OwnerRow.id == owner_id))
        return None

    @reads
    def person(self, connection: Connection, owner_id: str) -> Person:
        """Raises NotFound."""
        return _person(connection, PersonRow.owner_id == owner_id)

    @reads
    def find_person(self, connection: Connection, issuer: str, subject: str) -> Person:
        """Raises NotFound."""
        return _person(connection, _known_as(issuer, subject))

    @reads
    def people(self, connection: Connection) -> list[Person]:
        """Everybody, the newest last."""
        return [_load(row) for row in connection.execute(_query().order_by(OwnerRow.created_at, OwnerRow.id))]

    @reads
    def search_people(
        self, connection: Connection, text: str, limit: int, cursor: str | None = None
    ) -> Page[Person]:
        """Those with all words of the text in their user name, name or email, alike (`likeness.fold`), the
        newest first; all if it is empty. Raises BadCursor."""
        # Ids rise with time, so pages are read along the key.
        query = _query().order_by(PersonRow.owner_id.desc())
        before = None if cursor is None else read_id(cursor)

        def load(ids: Sequence[str]) -> list[tuple[str, Person]]:
            people = [_load(row) for row in connection.execute(query.where(PersonRow.owner_id.in_(ids)))]
            return [(named(_said(person)), person) for person in people]

        if terms := query_terms(text):
            people = tuple(find_named(connection, "person", terms, before, limit + 1, load))
        else:
            older = query if before is None else query.where(PersonRow.owner_id < before)
            people = tuple(_load(row) for row in connection.execute(older.limit(limit + 1)))
        return Page(people[:limit], people[limit - 1].owner_id if len(people) > limit else None)

    @reads
    def count_person_chats(self, connection: Connection, owner_id: str) -> int:
        """How many chats a person has, without those in the trash."""
        theirs = (
            ConversationRow.owner_id == owner_id,
            ConversationRow.kind == "chat",
            ConversationRow.deleted_at.is_(None),
        )
        return connection.scalar(select(func.count()).select_from(ConversationRow).where(*theirs)) or 0

    @reads
    def password_of(self, connection: Connection, subject: str) -> tuple[Person, str]:
        """Who has this user name, disabled or not, and their password's hash. Raises NotFound."""
        query = _query().add_columns(PersonRow.password_hash).where(_known_as(PASSWORD_ISSUER, subject))
        row = connection.execute(query.where(PersonRow.password_hash.is_not(None))).first()
        if row is None:
            raise NotFound("person")
        return _load(row), row.password_hash

    @writes
    def set_password(
        self,
        connection: Connection,
        owner_id: str,
        password_hash: str,
        keep_session: str | None = None,
        old: str | None = None,
    ) -> None:
        """Give a person a new password. Ends all their sessions except `keep_session`. Raises NotFound, also
        for people whom another issuer vouches for, and if an `old` hash is given that is not theirs any
        more."""
        ours = (PersonRow.owner_id == owner_id) & (PersonRow.issuer == PASSWORD_ISSUER)
        if old is not None:
            ours &= PersonRow.password_hash == old
        if not connection.execute(update(PersonRow).where(ours).values(password_hash=password_hash)).rowcount:
            raise NotFound("person")
        end_all(connection, owner_id, keep_session)

    @writes
    def renew_hash(self, connection: Connection, owner_id: str, old: str, new: str) -> bool:
        """Replace the hash of a password by another of the same password; sessions go on. `False`: the
        password was changed meanwhile, and stays."""
        unchanged = (PersonRow.owner_id == owner_id) & (PersonRow.password_hash == old)
        return connection.execute(update(PersonRow).where(unchanged).values(password_hash=new)).rowcount == 1

    @writes
    def rename_person(self, connection: Connection, owner_id: str, name: str) -> Person:
        """Change the name shown. Raises NotFound."""
        _person(connection, PersonRow.owner_id == owner_id)
        _change_owner(connection, owner_id, name=clean(name))
        return _called(connection, owner_id)

    @writes
    def set_disabled(
        self, connection: Connection, owner_id: str, disabled: bool, *, spare_last: bool = False
    ) -> Person:
        """Disable a person, which ends all their sessions, or enable them again. Raises NotFound, and with
        `spare_last` LastOperator where nobody would be left who operates."""
        person = _person(connection, PersonRow.owner_id == owner_id)
        if disabled:
            _check_others(connection, person, spare_last)
            end_all(connection, owner_id)
        if disabled != (person.disabled_at is not None):
            _change(connection, owner_id, disabled_at=now() if disabled else None)
        return _person(connection, PersonRow.owner_id == owner_id)

    @writes
    def set_operates(
        self, connection: Connection, owner_id: str, operates: bool, *, spare_last: bool = False
    ) -> Person:
        """Make a person an operator, or a member. Raises NotFound, and with `spare_last` LastOperator where
        nobody would be left who operates."""
        person = _person(connection, PersonRow.owner_id == owner_id)
        if not operates:
            _check_others(connection, person, spare_last)
        _change_owner(connection, owner_id, kind=_kind(operates))
        return _person(connection, PersonRow.owner_id == owner_id)


def end_all(connection: Connection, owner_id: str, keep: str | None = None) -> int:
    """End a person's sessions except the one to keep; returns how many."""
    those = (SessionRow.owner_id == owner_id) & SessionRow.ended_at.is_(None)
    if keep is not None:
        those &= SessionRow.id != keep
    return connection.execute(update(SessionRow).where(those).values(ended_at=now())).rowcount


def _check_others(connection: Connection, person: Person, spare_last: bool) -> None:
    """Whether somebody else can sign in and operates, if this person is the one who does. Raises
    LastOperator."""
    if not spare_last or not person.operates or person.disabled_at is not None:
        return
    # Locked, so that of two who take it from each other at once one still has it.
    able = _query().where(OwnerRow.kind == "operator", PersonRow.disabled_at.is_(None))
    if all(row.owner_id == person.owner_id for row in connection.execute(able.with_for_update())):
        raise LastOperator


def _kind(operates: bool) -> OwnerKind:
    return "operator" if operates else "member"


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _said(person: Person) -> Sequence[str | None]:
    """What a person is called."""
    return person.subject, person.name, person.email


def _called(connection: Connection, owner_id: str, before: Sequence[str | None] = ()) -> Person:
    """A person whose name or email was written, with its words in the index. before: what was there."""
    person = _person(connection, PersonRow.owner_id == owner_id)
    if tuple(before) != tuple(_said(person)):
        put_name(connection, "person", owner_id, _said(person))
    return person


def _known_as(issuer: str, subject: str) -> ColumnElement[bool]:
    return (PersonRow.issuer == clean(issuer)) & (PersonRow.subject == clean(subject))


def _change(connection: Connection, owner_id: str, **values: Any) -> None:
    connection.execute(update(PersonRow).where(PersonRow.owner_id == owner_id).values(values))


def _change_owner(connection: Connection, owner_id: str, **values: Any) -> None:
    connection.execute(update(OwnerRow).where(OwnerRow.id == owner_id).values(values))


def _query() -> Select[*tuple[Any, ...]]:
    return select(
        PersonRow.owner_id,
        PersonRow.issuer,
        PersonRow.subject,
        OwnerRow.name,
        PersonRow.email,
        OwnerRow.kind,
        OwnerRow.created_at,
        PersonRow.seen_at,
        PersonRow.disabled_at,
        PersonRow.trains,
    ).join(OwnerRow, OwnerRow.id == PersonRow.owner_id)


def _load(row: Any) -> Person:
    return Person(
        row.owner_id,
        row.issuer,
        row.subject,
        row.name,
        row.email,
        row.kind == "operator",
        row.created_at,
        row.seen_at,
        row.disabled_at,
        row.trains,
    )


def _person(connection: Connection, condition: ColumnElement[bool]) -> Person:
    row = connection.execute(_query().where(condition)).first()
    if row is None:
        raise NotFound("person")
    return _load(row)
