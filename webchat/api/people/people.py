"""People who sign in: by a password, out again, and what they may change about themselves."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.errors import ApiError, not_found
from webchat.api.people.redeem import with_cookies
from webchat.api.reading import Caller, PathId, SignedIn
from webchat.api.services import Services
from webchat.api.wire.people import NameBody, PasswordBody, Person, SessionList, SignInBody, TrainingBody
from webchat.auth.admitting import name_of
from webchat.auth.forwarding import one_person
from webchat.auth.passwords.checking import Passwords, PasswordWrong, account_of
from webchat.store import people_records
from webchat.store.errors import NotFound
from webchat.store.people_records import PASSWORD_ISSUER, Session


class People:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._devices = services.identities.devices

    async def sign_in(self, body: SignInBody, request: Request) -> Response:
        """Sign in with a name and a password. 403 if they don't match, 429 after too many attempts."""
        passwords, account = self._passwords(), account_of(body.name)
        network, exempt = self._network(request, self._device(request, account))
        person, checked = await passwords.check(body.name, body.password, network, exempt=exempt)
        agent = request.headers.get("user-agent", "")
        try:
            cookies = await self._services.sessions.begin(person, request.state.sign_in, agent, checked)
        except NotFound:
            raise PasswordWrong from None  # it was changed meanwhile
        if request.state.unnamed_proxy:
            secure = request.state.sign_in.secure
            cookies.append(self._devices.header(_cookies(request), account, secure=secure))
        return with_cookies(cookies)

    async def sign_out(self, owner: Caller, request: Request) -> Response:
        """End this session. 409 if the caller is not signed in."""
        session: Session | None = request.state.session
        if session is None:
            raise ApiError(409, "not_signed_in", "You are not signed in.", "There is nothing to sign out of.")
        answer = with_cookies(await self._services.sessions.end(owner, session, request.state.sign_in))
        answer.headers["clear-site-data"] = '"cache"'  # pictures of their chats
        return answer

    async def sessions(self, owner: Caller, own: SignedIn) -> SessionList:
        """The caller's sessions, the last used first."""
        return SessionList.read(await self._store.call(self._store.sessions, owner.id), own.id)

    async def end_session(self, owner: Caller, own: SignedIn, id: PathId) -> None:
        """End one of the caller's sessions: that device is signed out within a second."""
        await self._store.call(self._store.end_session, owner.id, id)
        self._services.identities.owners.forget(id)

    async def end_others(self, owner: Caller, own: SignedIn) -> None:
        """End all of the caller's sessions but this one."""
        await self._store.call(self._store.end_sessions, owner.id, own.id)

    async def change_password(
        self, owner: Caller, own: SignedIn, body: PasswordBody, request: Request
    ) -> None:
        """Change the caller's password; their other sessions end. 403 if the current one is wrong."""
        network, exempt = self._network(request, own.id)
        await self._passwords().change(owner.id, body.current, body.new, own.id, network, exempt=exempt)

    async def allow_training(self, owner: Caller, own: SignedIn, body: TrainingBody) -> None:
        """Whether the caller's judgements may train models; operators' always may."""
        await self._store.call(self._store.set_trains, owner.id, body.trains)

    async def rename(self, owner: Caller, own: SignedIn, body: NameBody) -> Person:
        """Change the name the caller is shown by. 404 for people whom a provider names, 422 if nothing in the
        name can be seen."""
        person: people_records.Person = await self._store.call(self._store.person, owner.id)
        if person.issuer != PASSWORD_ISSUER:
            raise not_found()
        name = name_of(body.name)
        if not name:
            raise ApiError(422, "bad_request", "The request is not valid.", "Enter a name.")
        return Person.read(await self._store.call(self._store.rename_person, owner.id, name))

    def _passwords(self) -> Passwords:
        if self._services.passwords is None:
            raise not_found()
        return self._services.passwords

    def _device(self, request: Request, account: str) -> str:
        """The browser, if it has been signed in to the account before."""
        secure = request.state.sign_in.secure
        return self._devices.known(_cookies(request), account, secure=secure) or ""

    def _network(self, request: Request, known: str) -> tuple[str, bool]:
        """Where the request comes from, and whether that is exempt from limits by address. Exempt networks
        are told apart too: nobody in one delays another's sign-in. Where the address may be everybody's, what
        is `known` of the browser takes its place."""
        if request.state.unnamed_proxy:
            return f"known {known}" if known else "unknown", True
        network = one_person(request.client.host) if request.client else ""
        return network, self._services.identities.network(request.scope) is None


def _cookies(request: Request) -> str:
    return "; ".join(request.headers.getlist("cookie"))
