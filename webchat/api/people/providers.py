"""Signing in at a provider: to its page, and back from it. Both are addresses that a browser opens, so a
failure leads back to the page where people sign in, which says why."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from webchat.api.errors import not_found
from webchat.api.services import Services
from webchat.auth.cookies import SignIn
from webchat.auth.providers import Providers
from webchat.auth.sign_in_errors import SignInFailed
from webchat.recent import Recent
from webchat.store.errors import PersonDisabled

Key = Annotated[str, Path(pattern=r"^[a-z]{1,20}$")]
Text = Annotated[str, Query(max_length=4096)]
CALLBACK = "/sign-in/callback"
BEGUN_PER_MINUTE = 120
"""Sign-ins begun from one network."""


class ProviderRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._begun = Recent(BEGUN_PER_MINUTE, 60)

    async def start(self, key: Key, request: Request, next: Text = "/") -> Response:
        """Send the browser to a provider's page. next: the page of this server to come back to."""
        providers = self._providers()
        if key not in providers:
            raise not_found()
        # Each begins a row in the store: not at the word of another site's page, and not without end.
        network = self._services.identities.network(request.scope)
        elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if elsewhere or (network is not None and self._begun.full(network)):
            return _to(f"{self._services.root_path}/sign-in")
        if network is not None:
            self._begun.add(network)
        sign_in: SignIn = request.state.sign_in
        here = f"{request.url.scheme}://{request.headers.get('host', '')}{self._services.root_path}"
        callback = f"{self._services.address or here}{CALLBACK}"
        try:
            url, cookie = await providers.begin(key, callback, next, secure=sign_in.secure)
        except SignInFailed as failure:
            return self._failed(failure.code)
        return _to(url, cookie)

    async def callback(
        self, request: Request, state: Text = "", code: Text = "", iss: Text = "", error: Text = ""
    ) -> Response:
        """Where a provider sends the browser back to."""
        providers = self._providers()
        sign_in: SignIn = request.state.sign_in
        try:
            cookies = "; ".join(request.headers.getlist("cookie"))
            person, next_path = await providers.finish(
                cookies, state, code, iss, error, secure=sign_in.secure
            )
            agent = request.headers.get("user-agent", "")
            made = await self._services.sessions.begin(person, sign_in, agent)
        except SignInFailed as failure:
            return self._failed(failure.code)
        except PersonDisabled as failure:
            return self._failed(failure.code)
        return _to(f"{self._services.root_path}{next_path}", *made, providers.finished(secure=sign_in.secure))

    def _providers(self) -> Providers:
        if self._services.providers is None:
            raise not_found()
        return self._services.providers

    def _failed(self, code: str) -> Response:
        return _to(f"{self._services.root_path}/sign-in?{urlencode({'error': code})}")


def _to(address: str, *cookies: str) -> Response:
    answer = RedirectResponse(address, 303, {"cache-control": "no-store"})
    for cookie in cookies:
        answer.headers.append("set-cookie", cookie)
    return answer
