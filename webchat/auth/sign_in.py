"""People who sign in: by a password or at a provider, to a session of their own."""

from __future__ import annotations

from webchat.auth.cookies import SignIn, guests_of
from webchat.auth.identities import Identities
from webchat.auth.owners import Admission
from webchat.auth.sessions import SessionStore, device_of, is_token, make_token
from webchat.sharing.links import hash_of
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
        token, device, owners = make_token(), device_of(user_agent), self._identities.owners
        await self._store.call(
            self._store.start_session, person.owner_id, hash_of(token), device, password_hash
        )
        for entry in () if sign_in.cookie is None else sign_in.cookie.owners:
            if is_token(entry):
                await owners.end_session(await owners.admitted(entry))
        return self._identities.headers(sign_in, (token, *guests_of(sign_in)))

    async def end(self, owner: Owner, session: Session, sign_in: SignIn) -> list[str]:
        """Sign this browser out; its open requests end."""
        await self._identities.owners.end_session(Admission(owner, session=session))
        return self._identities.headers(sign_in, guests_of(sign_in))
