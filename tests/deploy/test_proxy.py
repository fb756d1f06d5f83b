"""Signing in behind a real nginx, as deploy/proxy.md and deploy/README.md set it up."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app_process import AppProcess
from tests.clean_environment import ROOT
from tests.nginx import nginx
from tests.pages import blocks
from webchat.auth.passwords.checking import hash_password
from webchat.settings import load_settings
from webchat.store import Store

PAGE = {"accept": "text/html"}
PROXYS, OWN = "127.0.0.2", "127.0.0.1"
"""Where nginx connects from, and where a browser does that goes past it."""
NEVER = ("--endpoint", "http://127.0.0.1:9/v1")
ADA, BOB = ("ada", "ada's own"), ("bob", "bob's own")
LONG = "a long enough one"


def in_place(block: str, app: AppProcess, folder: Path) -> str:
    """A block of the documentation, for this app."""
    block = block.replace("http://127.0.0.1:7860", app.url).replace("/etc/nginx", str(folder))
    block = block.replace("$host;", "$http_host;")  # as it says, for a port of its own
    return block.replace("proxy_pass", f"proxy_bind {PROXYS};\n    proxy_pass")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppProcess, str]]:
    """The app, and the address of nginx, which knows the passwords."""
    folder = tmp_path_factory.mktemp("proxied")
    users = "".join(f"{name}:{{PLAIN}}{password}\n" for name, password in (ADA, BOB, ("eve", "eve's own")))
    (folder / "webchat.htpasswd").write_text(users)
    flags = ("--sign-in", "proxy", "--proxy-header", "Remote-User", "--trusted-proxies", PROXYS)
    more = ("--proxy-name-header", "Remote-Name", "--proxy-groups-header", "Remote-Groups")
    rules = ("--allowed-people", "sub=ada,sub=bob", "--operator-people", "groups=admins")
    block = next(one.text for one in blocks(ROOT / "deploy/proxy.md") if one.language == "nginx")
    with AppProcess(folder / "data", *NEVER, *flags, *more, *rules, preloaded=True) as app:
        inside = in_place(block, app, folder)
        bare = inside.replace("location /", "location /bare/").replace(f"{app.url};", f"{app.url}/;")
        bare = re.sub(r" +auth_basic.*\n", "", bare)
        with nginx(folder / "nginx", inside + bare) as url:
            yield app, url


def browser(url: str, who: tuple[str, str] | None = None, at: str = OWN) -> httpx.Client:
    """At an address of its own."""
    transport = httpx.HTTPTransport(local_address=at)
    return httpx.Client(base_url=url, auth=who, transport=transport, timeout=120, trust_env=False)


def owner(answer: httpx.Response) -> str:
    said: dict[str, Any] = answer.json()
    return str(said["owner"]["name"] if answer.status_code == 200 else said["error"]["code"])


def test_nginx_signs_people_in(proxied: tuple[AppProcess, str]) -> None:
    _, url = proxied
    with browser(url) as stranger, browser(url, ADA) as ada:
        assert stranger.get("/", headers=PAGE).status_code == 401
        page = ada.get("/", headers=PAGE)
        assert (page.status_code, "gradio" in page.text) == (200, True)
        me = ada.get("/api/me")
        assert owner(me) == "ada"
        assert (me.json()["person"]["proxy"], me.json()["operates"]) == (True, False)
        assert owner(httpx.get(f"{url}/api/me", auth=BOB, timeout=120)) == "bob", "without a cookie"


def test_whom_no_rule_allows_stays_out(proxied: tuple[AppProcess, str]) -> None:
    _, url = proxied
    with browser(url, ("eve", "eve's own")) as eve:
        assert owner(eve.get("/api/me")) == "sign_in_not_allowed"
        assert eve.get("/", headers=PAGE).status_code == 403


def test_another_person_at_nginx_is_another_here_at_once(proxied: tuple[AppProcess, str]) -> None:
    """The page, the requests it makes, and a stream that runs."""
    _, url = proxied
    with browser(url) as one:
        assert one.get("/", headers=PAGE, auth=ADA).status_code == 200
        was = dict(one.cookies)
        with one.stream("GET", "/api/events?from=", auth=ADA) as stream:
            assert stream.status_code == 200
            assert owner(one.get("/api/me", auth=BOB)) == "signed_out"
            for _ in stream.iter_raw():
                pass  # until it ends
        assert owner(one.get("/api/me", auth=ADA)) == "signed_out"
        assert one.get("/", headers=PAGE, auth=BOB).status_code == 200
        assert dict(one.cookies) != was
        assert owner(one.get("/api/me", auth=BOB)) == "bob"
        with one.stream("GET", "/api/events?from=", auth=BOB) as stream:
            assert one.get("/", headers=PAGE, auth=ADA).status_code == 200
            for _ in stream.iter_raw():
                pass
        assert owner(one.get("/api/me", auth=ADA)) == "ada"


def test_what_a_browser_sends_itself_names_nobody(proxied: tuple[AppProcess, str]) -> None:
    app, url = proxied
    spoofed = {"Remote-User": "bob", "Remote-Groups": "admins", "Remote-Name": "The boss"}
    with browser(url, ADA, "127.0.0.5") as ada, browser(app.url) as direct:
        me = ada.get("/api/me", headers=spoofed)
        assert (owner(me), me.json()["operates"]) == ("ada", False)
        assert owner(direct.get("/api/me", headers=spoofed)) == "no_owner"
        assert direct.get("/", headers={**PAGE, **spoofed}).status_code == 401
        lying = {**spoofed, "X-Forwarded-For": PROXYS, "Forwarded": f"for={PROXYS}"}
        assert owner(direct.get("/api/me", headers=lying)) == "no_owner"
        # A cookie does not do without the proxy.
        ada.get("/", headers=PAGE)
        direct.cookies.update(ada.cookies)
        assert owner(direct.get("/api/me", headers=spoofed)) == "signed_out"
        # Nginx without the lines that ask for a password names nobody.
        assert owner(httpx.get(f"{url}/bare/api/me", headers=spoofed, timeout=120)) == "no_owner"


def test_another_sites_page_changes_nothing_through_nginx(proxied: tuple[AppProcess, str]) -> None:
    """The browser adds the password of nginx by itself."""
    _, url = proxied
    with browser(url, ADA) as ada:
        ada.get("/", headers=PAGE)
        for origin in ("https://evil.example", "null"):
            answer = ada.post("/api/sign-out", headers={"origin": origin})
            assert owner(answer) == "cross_origin"
        assert owner(ada.get("/api/me")) == "ada"
        assert ada.post("/api/sign-out", headers={"origin": url}).status_code == 204


def test_nginx_opens_no_websocket(proxied: tuple[AppProcess, str]) -> None:
    app, url = proxied
    upgrade = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    for base in (url, app.url):
        answer = httpx.get(f"{base}/gradio_api/queue/join", auth=ADA, headers=upgrade, timeout=120)
        assert answer.status_code != 101


@pytest.fixture
def with_passwords(tmp_path: Path) -> Iterator[str]:
    """The address of nginx before an app with passwords of its own, set up as deploy/README.md says."""
    data = tmp_path / "data"
    data.mkdir()
    store = Store.open(f"sqlite:///{data / 'webchat.db'}")
    store.add_person("password", "ada", "Ada", operates=True, password_hash=hash_password(LONG))
    store.close()
    page = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    block = re.search(r"^  ```\n(  location.*?)^  ```$", page, re.DOTALL | re.MULTILINE)
    assert block
    with AppProcess(
        data, *NEVER, "--sign-in", "password", "--trusted-proxies", PROXYS, preloaded=True
    ) as app:
        inside = in_place(textwrap.dedent(block[1]), app, tmp_path)
        with nginx(tmp_path / "nginx", inside) as url:
            yield url


def test_two_people_behind_one_nginx_do_not_lock_each_other_out(with_passwords: str) -> None:
    def tries(client: httpx.Client, password: str, **headers: str) -> int:
        body = {"name": "ada", "password": password}
        return client.post("/sign-in/password", json=body, headers={"origin": url, **headers}).status_code

    url = with_passwords
    with browser(url, at="127.0.0.3") as ada, browser(url, at="127.0.0.4") as mallory:
        wrong = [tries(mallory, "guessed", **{"x-forwarded-for": "127.0.0.3"}) for _ in range(8)]
        assert wrong[:5] == [403] * 5
        assert 429 in wrong, "a stranger is slowed down, whatever address they claim"
        assert tries(ada, LONG) == 204
        assert owner(ada.get("/api/me")) == "Ada"
        with ada.stream("GET", "/api/events?from=") as stream:
            assert stream.status_code == 200
            assert ada.post("/api/sign-out", headers={"origin": url}).status_code == 204
            for _ in stream.iter_raw():
                pass


@pytest.mark.parametrize(
    "block",
    [one.text for one in blocks(ROOT / "deploy/proxy.md") if one.language == "toml"],
    ids=lambda text: str(re.findall(r'proxy_header = "(.*?)"', text)[0]),
)
def test_the_settings_of_the_page_are_complete(block: str, tmp_path: Path) -> None:
    (tmp_path / "webchat.toml").write_text(block)
    assert load_settings({}, environ={}, cwd=tmp_path).settings.sign_in == ("proxy",)
