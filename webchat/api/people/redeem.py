"""Signing a browser in: with a link's token, or as an earlier sign-in."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.errors import ApiError
from webchat.api.services import Services
from webchat.api.wire.people import RedeemBody, SwitchBody
from webchat.auth import Identities
from webchat.auth.cookies import SignIn
from webchat.auth.forwarding import one_person
from webchat.auth.sessions import is_token
from webchat.store.records import Owner


class Redeem:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._identities = services.identities

    async def redeem(self, body: RedeemBody, request: Request) -> Response:
        """Sign in with the token of a link. 404 or 410 if the link is invalid or has ended, 409 if the
        browser is already signed in as someone else, 429 after too many attempts."""
        services = self._services
        if services.redeemer is None:  # whoever reaches this server is its one owner already
            return Response(status_code=204)
        sign_in: SignIn = request.state.sign_in
        current: Owner | None = request.state.owner
        owners = await services.redeemer.redeem(
            body.token,
            address=one_person(request.client.host) if request.client else "",
            network=self._identities.network(request.scope),
            mine=[
                *([] if current is None else [current]),
                *await self._identities.admitted(sign_in.earlier),
            ],
            confirmed=body.confirmed,
        )
        return await signed_in(self._identities, sign_in, owners)

    async def switch(self, body: SwitchBody, request: Request) -> Response:
        """Switch to an earlier sign-in of this browser, or to the one an older cookie names; with an empty
        id, forget that cookie, and a session that has ended. 404 if the sign-in is no longer valid."""
        sign_in: SignIn = request.state.sign_in
        if not body.id:
            cookie = sign_in.cookie
            if request.state.owner is not None or cookie is None or not is_token(cookie.owner_id):
                return with_cookies(sign_in.clear)
            rest = [entry for entry in cookie.owners if not is_token(entry)]
            return with_cookies(self._identities.headers(sign_in, rest))
        chosen = next((one for one in await self._identities.choice(sign_in) if one.id == body.id), None)
        if chosen is None:
            raise ApiError(
                404, "sign_in_ended", "This sign-in is no longer valid.", "Open the link you were given."
            )
        earlier = [] if sign_in.cookie is None else await self._identities.admitted(sign_in.cookie.owners)
        others = [owner for owner in earlier if owner != chosen]
        return await signed_in(self._identities, sign_in, [chosen, *others])


async def signed_in(identities: Identities, sign_in: SignIn, owners: Sequence[Owner]) -> Response:
    """Sign the browser in as the first of the owners, and have it remember the others."""
    return with_cookies(identities.headers(sign_in, await identities.bearers(sign_in, owners)))


def with_cookies(cookies: Sequence[str]) -> Response:
    answer = Response(status_code=204, headers={"cache-control": "no-store"})
    for cookie in cookies:
        answer.headers.append("set-cookie", cookie)
    return answer
