"""The link someone was given becomes a cookie."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from webchat.api.reading import RedeemBody, body_of
from webchat.api.services import Services
from webchat.auth.forwarding import one_person
from webchat.store.records import Owner


class Redeem:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def redeem(self, request: Request) -> Response:
        services = self._services
        body = await body_of(request, RedeemBody)
        if services.redeemer is None:  # whoever reaches this server is its one owner already
            return Response(status_code=204)
        current = getattr(request.state, "owner", None)
        owner = await services.redeemer.redeem(
            body.token,
            address=one_person(request.client.host) if request.client else "",
            current=current if isinstance(current, Owner) else None,
        )
        secure = services.secure_cookies or request.url.scheme == "https"
        return Response(
            status_code=204,
            headers={
                "set-cookie": services.cookies.header(owner.id, secure=secure),
                "cache-control": "no-store",
            },
        )
