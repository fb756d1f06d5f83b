"""Passwords: their rules, and the check at a sign-in.

Hashes are Argon2id with the parameters pwdlib recommends, and are made again at a sign-in where those have
changed since. A name that nobody has takes as long to refuse as a wrong password.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any, Protocol
from unicodedata import normalize

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from backends._plurals import counted
from backends.errors import ExplainedError
from webchat.auth.delays import Delays
from webchat.recent import Recent
from webchat.slots import Slots
from webchat.store.calling import Calls
from webchat.store.errors import NotFound, PersonDisabled
from webchat.store.people_records import PASSWORD_ISSUER, Person

LEAST_CHARS = 8
MOST_CHARS = 200
MOST_NAME_CHARS = 64

FAILURES_PER_MINUTE = 60
"""From one network, over all accounts. A school behind one address mistypes less often."""
_AT_ONCE = 2
"""Hashes being computed: each takes 64 MB, and several cores for some 50 ms."""
_MOST_WAITING = 100
"""Sign-ins of one network that wait for that."""

_hashes = PasswordHash.recommended()


class PasswordError(ExplainedError):
    """Why a sign-in or a new password is refused."""

    code = "password_wrong"
    status = 403
    message = "The user name or password is wrong."
    cure = "Check both, then try again."


class PasswordWrong(PasswordError):
    """Nobody has this name, or not this password: the same answer for both."""


class PasswordDelayed(PasswordError):
    """The password was not looked at: too many tries before it failed. seconds: until the next one is."""

    code = "password_delayed"
    status = 429
    message = "Too many failed sign-in attempts."

    def __init__(self, seconds: float) -> None:
        self.seconds = ceil(seconds)
        super().__init__(
            cure=f"Try again in {counted(self.seconds, 'second')}.",
            params={"retry_after": self.seconds},
        )


class PasswordShort(PasswordError):
    """A new password has too few characters."""

    code = "password_short"
    status = 400
    message = f"A password needs at least {LEAST_CHARS} characters."
    cure = "Choose a longer one."


class PasswordLong(PasswordError):
    """A new password has too many characters."""

    code = "password_long"
    status = 400
    message = f"A password can have {MOST_CHARS} characters at most."
    cure = "Choose a shorter one."


class PasswordIsName(PasswordError):
    """A new password equals the user name."""

    code = "password_is_name"
    status = 400
    message = "The password must not be the user name."
    cure = "Choose another one."


class UserNameInvalid(PasswordError):
    """Nobody can have this user name."""

    code = "user_name_invalid"
    status = 400
    message = f"A user name has 1 to {MOST_NAME_CHARS} printable characters."
    cure = "Choose another name."


class PasswordStore(Calls, Protocol):
    """The parts of the store used to check and change passwords."""

    def password_of(self, subject: str) -> tuple[Person, str]: ...

    def person(self, owner_id: str) -> Person: ...

    def set_password(
        self, owner_id: str, password_hash: str, keep_session: str | None = None, old: str | None = None
    ) -> None: ...

    def renew_hash(self, owner_id: str, old: str, new: str) -> bool: ...


def user_name(text: str) -> str:
    """The form in which user names are compared and stored. Raises UserNameInvalid."""
    name = normalize("NFKC", normalize("NFKC", text).strip().lower())
    if not (1 <= len(name) <= MOST_NAME_CHARS and name.isprintable()):
        raise UserNameInvalid
    return name


def check_rules(password: str, name: str) -> None:
    """Whether this may become the password of `name`. Raises PasswordShort, PasswordLong, PasswordIsName."""
    if len(password) < LEAST_CHARS:
        raise PasswordShort
    if len(password) > MOST_CHARS:
        raise PasswordLong
    if normalize("NFKC", password).strip().lower() == name:
        raise PasswordIsName


def hash_password(password: str) -> str:
    """The hash to store. Takes some 50 ms: not for the event loop."""
    return _hashes.hash(_bytes(password))


class PasswordChecks:
    """Computes hashes in threads, for passwords that are nobody's account."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, hash_password, password)

    async def right(self, password: str, stored: str) -> bool:
        """Whether it is the password of a hash."""
        if len(password) > MOST_CHARS:
            return False
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _hashes.verify, _bytes(password), stored)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)


class Passwords:
    """Checks and changes passwords. Lives on one event loop; hashes are computed in threads."""

    def __init__(
        self, store: PasswordStore, *, delays: Delays | None = None, failures: Recent | None = None
    ) -> None:
        self._store = store
        self._delays = delays or Delays()
        self._failures = failures or Recent(FAILURES_PER_MINUTE, 60)
        self._slots = Slots(_AT_ONCE, most_waiting=_MOST_WAITING)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._nobodys = ""

    async def check(
        self, name: str, password: str, network: str, *, exempt: bool = False
    ) -> tuple[Person, str]:
        """Who signs in with this name and password, and the hash it was checked against, for what follows to
        hold only if it is still theirs. Raises PasswordWrong, PasswordDelayed, Crowded, and PersonDisabled,
        which only the right password is told.

        network: from where. exempt: no limit over all accounts holds there; that of each account does.
        """
        # One at a time per network: tries made together count like tries made one after another.
        async with self._slots.place(network):
            if seconds := self._delays.seconds(account_of(name), network):
                raise PasswordDelayed(seconds)
            if not exempt and self._failures.full(network):
                raise PasswordDelayed(60)
            found = await self._signing_in(name, password)
            if found is None:
                self._delays.failed(account_of(name), network)
                if not exempt:
                    self._failures.add(network)
                raise PasswordWrong
        self._delays.succeeded(account_of(name), network)
        if found[0].disabled_at is not None:
            raise PersonDisabled
        return found

    async def change(
        self,
        owner_id: str,
        current: str,
        new: str,
        keep_session: str | None,
        network: str,
        *,
        exempt: bool = False,
    ) -> None:
        """Replace a person's password and end their sessions, except `keep_session`. Raises what `check` and
        `check_rules` raise, and NotFound for somebody who signs in without a password of ours."""
        person: Person = await self._store.call(self._store.person, owner_id)
        if person.issuer != PASSWORD_ISSUER:
            raise NotFound("person")
        check_rules(new, person.subject)
        _, old = await self.check(person.subject, current, network, exempt=exempt)
        try:
            await self._store.call(
                self._store.set_password, owner_id, await self.hash(new), keep_session, old
            )
        except NotFound:
            raise PasswordWrong from None  # it was reset meanwhile

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return str(await self._in_thread(hash_password, password))

    async def _signing_in(self, name: str, password: str) -> tuple[Person, str] | None:
        person, stored = await self._known(name)
        right, renewed = await self._in_thread(self._verify, password, stored)
        if person is None or stored is None or not right:
            return None
        if renewed is None or not await self._store.call(
            self._store.renew_hash, person.owner_id, stored, renewed
        ):
            return person, stored
        return person, renewed

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    async def _known(self, name: str) -> tuple[Person | None, str | None]:
        try:
            found: tuple[Person, str] = await self._store.call(self._store.password_of, user_name(name))
        except (NotFound, UserNameInvalid):
            return None, None
        return found

    def _verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        # Made at the first sign-in, whoever's it is: later, its time would tell that nobody has the name.
        self._nobodys = self._nobodys or hash_password(secrets.token_hex())
        guessable = len(password) <= MOST_CHARS
        try:
            right, renewed = _hashes.verify_and_update(_bytes(password[:MOST_CHARS]), stored or self._nobodys)
        except UnknownHashError:
            return False, None
        return right and guessable and stored is not None, renewed

    async def _in_thread(self, work: Callable[..., Any], *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


def account_of(name: str) -> str:
    """What failures are counted under, also for a name nobody can have."""
    try:
        return user_name(name)
    except UserNameInvalid:
        return name[: MOST_NAME_CHARS + 1]


def _bytes(password: str) -> bytes:
    """Systems differ in how they compose a typed character (NIST SP 800-63B, 3.1.1.2, advises NFKC)."""
    return normalize("NFKC", password).encode("utf-8", "surrogatepass")
