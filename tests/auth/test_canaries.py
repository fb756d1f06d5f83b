"""Secrets of signing in, planted in a real server, and looked for in all that leaves it and in its database.

The real process, with what it logs at its most talkative, and real sign-ins: at a provider, with a password,
by a link.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app_process import AppProcess
from tests.auth.oidc_provider import Misbehaving
from tests.auth.oidc_provider import running as provider_running
from tests.store.talk import Talk
from webchat.api.routes import TABLE
from webchat.auth.api_keys import new_key
from webchat.auth.passwords.checking import hash_password
from webchat.sharing import new_link
from webchat.store import Store
from webchat.store.key_records import KeyTerms

CLIENT_SECRET = "canary-client-secret-7e1f"
PASSWORD = "canary password 9c40"
SHARE_PASSWORD = "canary share 51aa"
PAGES = (
    "/", "/config", "/gradio_api/info", "/theme.css", "/t", "/sign-in", "/sign-in?error=sign_in_invalid",
    "/operator", "/operator/", "/operator/config", "/operator/gradio_api/info", "/pages", "/metrics", "/docs",
    "/openapi.json", "/nothing/here", "/api/nothing", "/api/export?format=json",
    "/api/export?format=markdown", "/api/export?format=html", "/api/export?format=openai",
    "/sign-in/callback?state=wrong&code=wrong", "/sign-in/start/nothing", "/api/events?wait=0",
)  # fmt: skip
"""Beside every route of the table that is read."""

MISTAKES = (
    ("POST", "/sign-in/password", b'{"name": "ada", "password": "not it"}'),
    ("POST", "/sign-in/password", b"{"),
    ("POST", "/t/redeem", b'{"token": "wt1_wrong"}'),
    ("PUT", "/api/me/password", b'{"current": "not it", "new": "quite another one"}'),
    ("POST", "/api/turns", b'{"kind": 1}'),
    ("DELETE", "/api/me/sessions/nothing", b""),
    ("POST", "/gradio_api/queue/join", b"{}"),
)


@dataclass
class House:
    """A server, who is at it, and the secrets by their names."""

    app: AppProcess
    people: dict[str, httpx.Client]
    secrets: dict[str, str]

    @property
    def database(self) -> Path:
        return self.app.data_dir / "webchat.db"


def session_of(browser: httpx.Client) -> str:
    """The token in a browser's cookie."""
    (value,) = [value for name, value in browser.cookies.items() if name.startswith("webchat_")]
    token = value.partition(".")[0]
    assert token.startswith("ws1_")
    return token


def signed_in(app: AppProcess, provider: Misbehaving) -> httpx.Client:
    """Somebody whom the provider vouches for."""
    browser = httpx.Client(base_url=app.url, timeout=60, trust_env=False)
    start = browser.get("/sign-in/start/oidc")
    assert start.status_code == 303, start.text
    back = browser.get("/sign-in/callback", params=provider.authorize(start.headers["location"]))
    assert back.headers["location"] == "/", back.headers["location"]
    return browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    id_tokens: list[str] = []
    with provider_running() as provider:

        def remember(claims: dict[str, Any]) -> str:
            id_tokens.append(provider.signed(claims))
            return id_tokens[-1]

        provider.now, provider.make_token = time.time(), remember
        env = {
            "WEBCHAT_SIGN_IN": "password,oidc",
            "WEBCHAT_OIDC_ISSUER": provider.issuer,
            "WEBCHAT_OIDC_CLIENT_ID": "webchat",
            "WEBCHAT_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "WEBCHAT_ALLOWED_PEOPLE": "*",
            "WEBCHAT_OPERATOR_PEOPLE": "ada@example.org",
            "WEBCHAT_LOG_LEVEL": "debug",
        }
        flags = ("--endpoint", "http://127.0.0.1:9/v1", "--model", "none")
        with AppProcess(folder, *flags, env=env, preloaded=True) as app:
            hashed = hash_password(PASSWORD)
            store = Store.open(f"sqlite:///{folder / 'webchat.db'}", serve=False)
            bob = store.add_person("password", "bob", "Bob", password_hash=hashed).owner_id
            chat = Talk(store, bob).say("hello", "there").conversation.id
            token = new_link(store, "class", "7d", datetime.now(UTC)).token
            key = new_key(store, bob, "script", "7d", datetime.now(UTC), KeyTerms()).token
            store.close()
            made = [httpx.Client(base_url=app.url, timeout=60, trust_env=False) for _ in range(3)]
            operator, (member, tester, nobody) = signed_in(app, provider), made
            answer = member.post("/sign-in/password", json={"name": "bob", "password": PASSWORD})
            assert answer.status_code == 204, answer.text
            assert tester.post("/t/redeem", json={"token": token}).status_code == 204
            share = member.post("/api/shares", json={"conversation_id": chat, "password": SHARE_PASSWORD})
            assert share.status_code == 201, share.text
            for tried in ("not it", SHARE_PASSWORD):
                nobody.post("/" + share.json()["path"], data={"password": tried})
            secrets = {
                "share password": SHARE_PASSWORD,
                "client secret": CLIENT_SECRET,
                "id token": id_tokens[0],
                "session of the operator": session_of(operator),
                "session of the member": session_of(member),
                "link token": token,
                "API key": key,
                "password": PASSWORD,
                "password hash": hashed,
                "cookie secret": (folder / "cookie-secret").read_text().strip(),
            }
            program = httpx.Client(base_url=app.url, timeout=60, trust_env=False, headers={"x-api-key": key})
            for headers in ({}, {"authorization": f"Bearer {key}"}, {"authorization": f"Bearer {key}x"}):
                program.get("/api/me", headers=headers)
            people = {
                "operator": operator,
                "member": member,
                "tester": tester,
                "program": program,
                "nobody": nobody,
            }
            yield House(app, people, secrets)
            for browser in people.values():
                browser.close()


def found(house: House, text: str) -> list[str]:
    return [name for name, secret in house.secrets.items() if secret in text]


def addresses() -> list[str]:
    routes = [row.path for _, rows in TABLE for row in rows if row.method == "GET"]
    filled = [path.replace("{model:path}", "none").replace("{number:int}", "1") for path in routes]
    once = [path.replace("{id}", "x").replace("{key}", "oidc").replace("{name}", "x") for path in filled]
    return [*PAGES, *(path for path in once if path not in ("/api/events", "/sign-in/start/oidc"))]


@pytest.mark.parametrize("who", ["operator", "member", "tester", "program", "nobody"])
def test_no_answer_has_a_secret(house: House, who: str) -> None:
    browser = house.people[who]
    leaks = []
    asks = [("GET", path, b"") for path in addresses()] + list(MISTAKES)
    for method, path, body in asks:
        for accept in ("text/html", "application/json"):
            headers = {"accept": accept, "content-type": "application/json"}
            answer = browser.request(method, path, content=body, headers=headers)
            told = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
            assert answer.status_code < 500, (path, answer.text)
            leaks += [(path, name) for name in found(house, f"{told} {answer.text}")]
    assert leaks == []


def test_no_log_has_a_secret(house: House) -> None:
    log = house.app.log.read_text()
    assert " DEBUG " in log
    assert found(house, log) == []


def test_the_database_has_the_hash_of_a_password_and_no_other_secret(house: House) -> None:
    kept = b"".join(path.read_bytes() for path in sorted(house.database.parent.glob("webchat.db*")))
    inside = {name for name, secret in house.secrets.items() if secret.encode() in kept}
    assert inside == {"password hash"}
