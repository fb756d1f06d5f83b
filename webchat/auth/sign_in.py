"""People who sign in: by a password or at a provider, to a session of their own."""

from __future__ import annotations

from contextlib import suppress

from webchat.auth.cookies import SignIn
from webchat.auth.identities import Identities
from webchat.auth.owners import Admission
from webchat.auth.sessions import SessionStore, device_of, is_token, make_token
from webchat.sharing.links import hash_of
from webchat.store.errors import NotFound
from webchat.store.people_records import Person, Session
from webchat.store.records import Owner


class Sessions:
    """Begins and ends sessions; what it returns are `Set-Cookie` headers."""

    def __init__(self, store: SessionStore, identities: Identities) -> None:
        self._store = store
        self._identities = identities

    async def begin(
        self, person: Person, sign_in: SignIn, user_agent: str, password_hash: str | None = None
    ) -> list[str]:
        """Sign this browser in, under a new token. The session it had ends; whoever it was by a link is
        remembered. password_hash: the one that was checked. Raises `PersonDisabled`, and `NotFound` if the
        password was changed meanwhile."""
        token, device = make_token(), device_of(user_agent)
        await self._store.call(
            self._store.start_session, person.owner_id, hash_of(token), device, password_hash
        )
        for entry in () if sign_in.cookie is None else sign_in.cookie.owners:
            earlier = (await self._identities.owners.admitted(entry)) if is_token(entry) else Admission()
            if earlier.owner is not None and earlier.session is not None:
                await self._end(earlier.owner, earlier.session)
        return self._identities.headers(sign_in, (token, *_guests(sign_in)))

    async def end(self, owner: Owner, session: Session, sign_in: SignIn) -> list[str]:
        """Sign this browser out; its open requests end."""
        await self._end(owner, session)
        return self._identities.headers(sign_in, _guests(sign_in))

    async def _end(self, owner: Owner, session: Session) -> None:
        with suppress(NotFound):  # ended elsewhere meanwhile
            await self._store.call(self._store.end_session, owner.id, session.id)
        self._identities.owners.forget(session.id)


def _guests(sign_in: SignIn) -> list[str]:
    """Whoever this browser was without signing in."""
    entries = () if sign_in.cookie is None else sign_in.cookie.owners
    return [entry for entry in entries if not is_token(entry)]
