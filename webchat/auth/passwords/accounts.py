"""Accounts with a password of this server, as operators make and change them."""

from __future__ import annotations

import secrets
from typing import Protocol

from webchat.auth.passwords.checking import Passwords, user_name
from webchat.store.calling import Calls
from webchat.store.errors import NotFound, PersonExists
from webchat.store.people_records import PASSWORD_ISSUER, Person

_PASSWORD_BYTES = 12


class AccountStore(Calls, Protocol):
    """The parts of the store that accounts need."""

    def find_person(self, issuer: str, subject: str) -> Person: ...

    def person(self, owner_id: str) -> Person: ...

    def add_person(
        self,
        issuer: str,
        subject: str,
        name: str,
        email: str | None = None,
        *,
        operates: bool = False,
        password_hash: str | None = None,
    ) -> Person: ...

    def set_password(
        self, owner_id: str, password_hash: str, keep_session: str | None = None, old: str | None = None
    ) -> None: ...


def one_time_password() -> str:
    """Random, to be shown once and changed by the person it is given to."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


async def add_account(
    store: AccountStore, passwords: Passwords, name: str, *, operates: bool
) -> tuple[Person, str]:
    """A new person and their password. Raises UserNameInvalid, PersonExists."""
    subject = user_name(name)
    try:
        await store.call(store.find_person, PASSWORD_ISSUER, subject)
    except NotFound:
        pass
    else:
        raise PersonExists(subject)
    password = one_time_password()
    person: Person = await store.call(
        store.add_person,
        PASSWORD_ISSUER,
        subject,
        name.strip(),
        operates=operates,
        password_hash=await passwords.hash(password),
    )
    return person, password


async def reset_password(store: AccountStore, passwords: Passwords, owner_id: str) -> tuple[Person, str]:
    """The person and their new password; they are signed out everywhere. Raises NotFound, also for people
    who sign in without a password of ours."""
    person: Person = await store.call(store.person, owner_id)
    if person.issuer != PASSWORD_ISSUER:
        raise NotFound("person")
    password = one_time_password()
    await store.call(store.set_password, owner_id, await passwords.hash(password))
    return person, password
