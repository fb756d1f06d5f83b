"""Identities planted by pages of other subdomains or ports, against a small app behind the door."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.auth.test_door import SECRET, client, make_door
from webchat.auth import Cookies
from webchat.auth.cookies import OLD_NAME
from webchat.store import Store
from webchat.store.records import Owner

PAGE = {"accept": "text/html"}
COOKIES = Cookies(SECRET)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path_factory.mktemp('planted') / 'chat.db'}")
    yield opened
    opened.close()


def cookie(owner: Owner, *, secure: bool = False, name: str | None = None) -> str:
    made = COOKIES.header(owner.id, secure=secure).partition(";")[0]
    return made if name is None else f"{name}={made.partition('=')[2]}"


@pytest.mark.parametrize("access", ["link", "open"])
@pytest.mark.parametrize("order", [1, -1])
async def test_two_owners_are_refused_in_words_and_the_planted_one_is_taken_away(
    store: Store, access: str, order: int
) -> None:
    mallory, ada = store.create_owner("visitor", "Mallory"), store.create_owner("visitor", "Ada")
    jar = [cookie(mallory), cookie(ada)][::order]
    async with client(make_door(store, access=access), base="http://chat.example.org") as browser:
        browser.headers["cookie"] = "; ".join(jar)
        for method, path in (("GET", "/api/me"), ("POST", "/api/turns"), ("POST", "/t/redeem")):
            answer = await browser.request(method, path)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "two_owners"
            assert answer.json()["error"]["cure"]
        page = await browser.get("/", headers=PAGE)
        assert page.status_code == 401
        assert 'data-reason="two_owners"' in page.text
        # A browser that plays along has its own cookie left.
        cleared = page.headers.get_list("set-cookie")
        assert f"{COOKIES.name}=; Max-Age=0; Path=/; Domain=example.org" in cleared
        assert f"{COOKIES.name}=; Max-Age=0; Path=/" not in cleared
        assert (await browser.get("/healthz")).status_code == 200
        browser.headers["cookie"] = cookie(ada)
        assert (await browser.get("/api/me")).json()["owner"] == ada.id


@pytest.mark.parametrize("name", [COOKIES.name, OLD_NAME])
@pytest.mark.parametrize("how", ["scheme", "setting", "browser"])
async def test_by_https_a_planted_cookie_is_a_question_at_most(store: Store, name: str, how: str) -> None:
    """By the scheme, by what is set, or by what a browser says to a server behind a tunnel: it sends
    `Sec-Fetch-Site` to no other than https, but to this machine itself."""
    guest = store.create_owner("guest", "class", store.create_link("class", f"{name}{how}", None).id)
    base = "https://chat.test" if how == "scheme" else "http://chat.test"
    door = make_door(store, secure_cookies=how == "setting")
    async with client(door, base=base) as browser:
        if how == "browser":
            browser.headers["sec-fetch-site"] = "same-origin"
        browser.headers["cookie"] = cookie(guest, name=name)
        for path in ("/api/me", "/anything"):
            assert (await browser.get(path)).status_code == 401
        asked = await browser.get("/", headers=PAGE)
        assert 'data-reason="older"' in asked.text
        assert "class" in asked.text
        assert "set-cookie" not in asked.headers
        framed = await browser.get("/", headers={**PAGE, "sec-fetch-dest": "iframe"})
        assert 'data-reason="unknown"' in framed.text
        assert guest.id not in framed.text
        # The cookie of this host alone wins, and nothing is asked.
        ada = store.create_owner("visitor", "Ada")
        browser.headers["cookie"] += f"; {cookie(ada, secure=True)}"
        assert (await browser.get("/api/me")).json()["owner"] == ada.id


@pytest.mark.parametrize("access", ["link", "open"])
async def test_nobody_is_asked_to_go_on_as_an_operator(store: Store, access: str) -> None:
    operator = store.create_owner("operator", "Operator")
    async with client(make_door(store, access=access), base="https://chat.test") as browser:
        browser.headers["cookie"] = cookie(operator)
        page = await browser.get("/", headers=PAGE)
        assert operator.id not in page.text
        assert 'data-reason="older"' not in page.text
        assert (await browser.get("/api/me")).status_code == 401


async def test_an_open_server_makes_nobody_new_before_the_question_is_answered(store: Store) -> None:
    ada = store.create_owner("visitor", "Ada")
    async with client(make_door(store, access="open"), base="https://chat.test") as browser:
        browser.headers["cookie"] = cookie(ada)
        assert 'data-reason="older"' in (await browser.get("/", headers=PAGE)).text
        browser.headers["cookie"] = ""
        fresh = await browser.get("/", headers=PAGE)
        assert fresh.headers["set-cookie"].startswith(f"__Host-{COOKIES.name}=")


@pytest.mark.parametrize(
    ("path", "root", "home"),
    [
        ("/", "", "./"),
        ("/t", "", "./"),
        ("/t/", "", "../"),
        ("//evil.example/t", "", "../../"),
        ("/a/b/c", "", "../../"),
        ("//evil.example/t", "/chat", "/chat/"),
        ("/chat//evil.example/t", "/chat", "/chat/"),
        ("/chat", "/chat", "/chat/"),
        ("///", "", "../../"),
    ],
)
async def test_the_gate_speaks_to_the_server_it_came_from(
    store: Store, path: str, root: str, home: str
) -> None:
    async with client(make_door(store, root_path=root)) as stranger:
        url = httpx.URL(scheme="http", host="chat.test", path="/").copy_with(raw_path=path.encode())
        page = await stranger.get(url, headers=PAGE)
    assert f'data-home="{home}"' in page.text
    joined = url.join(home).join("t/redeem")
    assert joined.host == "chat.test"
    assert joined.path.lstrip("/").endswith("t/redeem")


async def test_names_at_the_gate_are_text(store: Store) -> None:
    name = "\"><script>alert(1)</script>&'"
    guest = store.create_owner("guest", name, store.create_link(name, "h" * 60, None).id)
    async with client(make_door(store), base="https://chat.test") as browser:
        browser.headers["cookie"] = cookie(guest)
        page = await browser.get("/", headers=PAGE)
    assert "<script>alert" not in page.text
    assert "&quot;&gt;&lt;script&gt;" in page.text.replace("\\&quot;", "&quot;")
