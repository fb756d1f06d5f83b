"""An OpenID provider that keeps to the protocol until told otherwise, on a port of its own, and a store of
sign-ins under way in memory."""

from __future__ import annotations

import json
import secrets
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.jws import JWSRegistry

from webchat.auth.oidc import OpenIdClient, SignedIn
from webchat.auth.oidc.client import challenge_of
from webchat.store.errors import NotFound

RSA = RSAKey.generate_key(2048, {"kid": "first"})
SECOND = RSAKey.generate_key(2048, {"kid": "second"})
EC = ECKey.generate_key("P-256", {"kid": "curve"})

SECRET = "s3cret:+ä"
NOW = 1_800_000_000.0
REDIRECT = "http://127.0.0.1:7860/sign-in/callback"


class Clock:
    """Stands still until set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Logins:
    """The contract of the store's verbs for sign-ins under way."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def keep_login(self, state_hash: str, data: dict[str, Any], expires_at: datetime) -> None:
        self.rows[state_hash] = json.loads(json.dumps(data))

    def take_login(self, state_hash: str) -> dict[str, Any]:
        try:
            return self.rows.pop(state_hash)
        except KeyError:
            raise NotFound("sign-in") from None

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return verb(*args, **kwargs)


@dataclass
class Misbehaving:
    """What the provider says. Values in `claims`, `description` and `about` replace the right ones; `None`
    leaves one out."""

    keys: list[Key] = field(default_factory=lambda: [RSA])
    sign_with: Key = field(default_factory=lambda: RSA)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "first"})
    claims: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    make_token: Callable[[dict[str, Any]], str | None] | None = None
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    now: float = NOW
    asked: Counter[str] = field(default_factory=Counter)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    issuer: str = ""

    def authorize(self, url: str) -> dict[str, str]:
        """What a browser brings back, without asking anybody."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return {"state": query["state"], "code": code}

    def describe(self) -> dict[str, Any]:
        at = self.issuer
        return replaced(
            {
                "issuer": at,
                "authorization_endpoint": f"{at}/authorize?tenant=a",
                "token_endpoint": f"{at}/token",
                "jwks_uri": f"{at}/keys",
                "userinfo_endpoint": f"{at}/about",
            },
            self.description,
        )

    def tokens(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        query = self.codes.pop(form["code"], None)
        if query is None or challenge_of(form["code_verifier"]) != query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        claims = replaced(
            {
                "iss": self.issuer, "sub": "ada-1", "aud": query["client_id"], "nonce": query["nonce"],
                "iat": int(self.now), "exp": int(self.now) + 300,
                "name": "Ada", "email": "ada@example.org", "email_verified": True,
            },
            self.claims,
        )  # fmt: skip
        token = (self.make_token or self.signed)(claims)
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": token}

    def signed(self, claims: dict[str, Any]) -> str:
        return signed(self.header, claims, self.sign_with)


class _Anything(JWSRegistry):
    """Signs every header."""

    def check_header(self, header: dict[str, Any]) -> None:
        pass


def signed(header: Mapping[str, Any], claims: dict[str, Any], key: Key) -> str:
    return jwt.encode(dict(header), claims, key, registry=_Anything(algorithms=list(JWSRegistry.algorithms)))


def replaced(right: dict[str, Any], wrong: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (right | wrong).items() if value is not None}


class _Handler(BaseHTTPRequestHandler):
    provider: Misbehaving

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            self._answer(path, 200, self.provider.describe())
        elif path == "/keys":
            self._answer(path, 200, KeySet(list(self.provider.keys)).as_dict(private=False))
        elif path == "/about" and self.headers["authorization"] == "Bearer access":
            about = {
                "sub": "ada-1",
                "name": "Ada Lovelace",
                "email": "ada@example.org",
                "email_verified": True,
            }
            self._answer(path, 200, replaced(about, self.provider.about))
        else:
            self._answer(path, 404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.provider.forms.append(form)
        self.provider.authorizations.append(self.headers["authorization"])
        self._answer("/token", *self.provider.tokens(form))

    def _answer(self, path: str, status: int, body: Mapping[str, Any]) -> None:
        self.provider.asked[path] += 1
        default: tuple[int, bytes, dict[str, str]] = (status, json.dumps(body).encode(), {})
        status, sent, headers = self.provider.answers.get(path, default)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(sent)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def running() -> Iterator[Misbehaving]:
    """A provider that listens until the end of the block."""
    provider = Misbehaving()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def signed_in(client: OpenIdClient, provider: Misbehaving, next_path: str = "/") -> SignedIn:
    """A whole sign-in."""
    begun = await client.begin(REDIRECT, next_path)
    return await client.finish(**provider.authorize(begun.url))


def basic(client_id: str, secret: str) -> str:
    return f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"


async def consented(url: str, subject: str | None) -> dict[str, str]:
    """What a browser brings back from the mock provider's page: the person allows or, with `None`, denies."""
    form = {"action": "deny"} if subject is None else {"sub": subject}
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.post(url, data=form)
    assert answer.status_code == 302, answer.text
    location = urlsplit(answer.headers["location"])
    return {name: values[0] for name, values in parse_qs(location.query).items()}
