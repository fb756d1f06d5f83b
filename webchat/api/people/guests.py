"""What a guest of a link can do beside chatting; to anybody else there is nothing at these addresses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.people.redeem import signed_in
from webchat.api.reading import Guest
from webchat.api.services import Services
from webchat.api.wire.links import AnswersBody, ConsentBody, GuestLink, Handover, HandoverBody
from webchat.auth.cookies import SignIn
from webchat.moderation import Context
from webchat.sharing.answers import checked_answers
from webchat.sharing.handover import Handovers
from webchat.sharing.qr import qr_svg
from webchat.store import Store
from webchat.store.records import Owner


class Guests:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._handovers = Handovers(services.store)

    async def link(self, guest: Guest) -> GuestLink:
        """The caller's link: what it asks, and what is left of its limits."""
        found = await guest_link(self._store, guest)
        assert found is not None
        return found

    async def consent(self, guest: Guest, body: ConsentBody) -> None:
        """Accept the link's consent sentence. 409 if it has changed."""
        await self._store.call(self._store.consent, guest.id, body.version)

    async def answer(self, guest: Guest, body: AnswersBody) -> None:
        """Answer the link's questions; an answer takes the place of the one before. 403 before the consent
        sentence is accepted, 422 if one does not fit its question."""
        context = Context("input", guest.id, counts=False, profile=guest.terms.moderation_profile)
        given = {
            id: (question, await self._services.review.text(context, value))
            if question.kind == "text" and isinstance(value, str)
            else (question, value)
            for id, (question, value) in checked_answers(guest.terms, body.answers).items()
        }
        await self._store.call(self._store.keep_answers, guest.id, given)

    async def handover(self, guest: Guest, request: Request) -> Handover:
        """A code to continue on another device: valid for ten minutes, once."""
        code, expires_at = await self._handovers.begin(guest)
        url = f"{self._services.base(request).rstrip('/')}/t"
        return Handover(code=code, expires_at=expires_at, url=url, qr=qr_svg(f"{url}#{code}"))

    async def redeem(self, body: HandoverBody, request: Request) -> Response:
        """Continue on this device with a code from another one. 404 if it is not valid, 409 if the browser is
        signed in as someone else, 429 after too many wrong codes."""
        sign_in: SignIn = request.state.sign_in
        current: Owner | None = request.state.owner
        identities = self._services.identities
        owners = await self._handovers.redeem(
            body.code,
            network=identities.network(request.scope),
            mine=[
                *([] if current is None else [current]),
                *await identities.admitted(sign_in.earlier),
            ],
            confirmed=body.confirmed,
        )
        return await signed_in(identities, sign_in, owners)


async def guest_link(store: Store, owner: Owner) -> GuestLink | None:
    """The link of a guest as they see it; `None` for anybody else."""
    if owner.kind != "guest" or owner.link is None:
        return None
    left = await store.call(store.link_left, owner.link.id, owner.id)
    accepted = await store.call(store.consented, owner.id)
    answers = await store.call(store.answers, owner.id)
    given = {answer.question.id: answer.value for answer in answers}
    return GuestLink.read(owner.link, left, accepted, given)
