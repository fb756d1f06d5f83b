"""Pages of other packages: who reaches them and their handlers, what they are given, and one that fails."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from tests.asgi import SECRET, Answer, Ask, Headers, Whole, send, whole
from tests.clean_environment import ROOT
from tests.pages import blocks
from tests.store.talk import Talk
from webchat.auth import Cookies
from webchat.auth.sessions import make_token
from webchat.console.asking import Caller
from webchat.pages import Page, PageServices, Ratings, Visitor
from webchat.pages import page as pages_of_packages
from webchat.sharing import new_link
from webchat.sharing.links import hash_of
from webchat.store.judgement_records import JudgementChange, Rating
from webchat.store.link_records import LinkTerms
from webchat.store.records import Owner, OwnerKind
from webchat.ui.gradio_page import in_loop

# Of pandas, which Gradio asks for the average time of its handlers.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'")

JSON = ((b"content-type", b"application/json"),)
HTML = ((b"accept", b"text/html"),)


class Called:
    """Pages whose handlers write down who called them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.services: PageServices | None = None

    def page(self, name: str, role: Any) -> Page:
        def create(services: PageServices) -> gr.Blocks:
            self.services = services

            def hear(text: str, request: gr.Request) -> str:
                self.calls.append((name, services.visitor(request).id))
                return text

            page: gr.Blocks
            with gr.Blocks() as page:
                box = gr.Textbox()
                gr.on([box.submit], hear, box, box, api_name="hear")
            return page

        return Page(name, f"<b>{name}</b> *x*", create, role)


@asynccontextmanager
async def site(folder: Path, *more: Page, **options: Any) -> AsyncIterator[tuple[Whole, Called]]:
    called = Called()
    roles = {"ops": "operator", "members": "member", "all": "anyone"}
    pages = [called.page(name, role) for name, role in roles.items()]
    async with whole(folder, pages=[*pages, *more], **options) as made:
        yield made, called


def owners(site: Whole) -> dict[str, tuple[Owner | None, str | None]]:
    """One of each role, with the cookie of each."""
    store = site.app.store
    link = new_link(store, "testers", "7d", datetime.now(UTC)).link
    found: dict[str, tuple[Owner | None, str | None]] = {"nobody": (None, None)}
    for role, owner in (
        ("guest", store.create_owner("guest", "testers", link.id)),
        ("visitor", store.create_owner("visitor", "Ada")),
        ("operator", store.create_owner("operator", "Op")),
    ):
        found[role] = (owner, owner.id)
    for role, operates in (("member", False), ("chief", True)):
        person = store.add_person("password", role, role, operates=operates, password_hash="x")
        token = make_token()
        store.start_session(person.owner_id, hash_of(token), "")
        found[role] = (store.owner(person.owner_id), token)
    return found


OPEN = {
    "nobody": set(),
    "guest": {"all"},
    "visitor": {"all"},
    "member": {"all", "members"},
    "operator": {"all", "members", "ops"},
    "chief": {"all", "members", "ops"},
}
GRADIOS = (
    ("GET", "config"), ("GET", "gradio_api/info"), ("GET", "gradio_api/startup-events"),
    ("GET", "monitoring"),
    ("POST", "gradio_api/upload"), ("POST", "gradio_api/run/hear"), ("POST", "gradio_api/call/hear"),
    ("POST", "gradio_api/api/hear"), ("POST", "gradio_api/reset"), ("POST", "gradio_api/cancel"),
    ("POST", "gradio_api/component_server"), ("GET", "gradio_api/file=/etc/passwd"), ("GET", "login"),
    ("GET", "gradio_api/queue/status"), ("GET", "gradio_api/deep_link"), ("POST", "gradio_api/queue/join/"),
    ("GET", "gradio_api/proxy=http://example.org/"), ("GET", "gradio_api/mcp/sse"), ("GET", "ops/"),
)  # fmt: skip
"""What Gradio would serve and a page's own listeners do not need."""


async def test_a_page_and_its_handlers_are_there_for_its_role_alone(tmp_path: Path) -> None:
    async with site(tmp_path, access="link", sign_in=("password",)) as (made, called):

        async def ask(method: str, path: str, bearer: str | None, body: bytes = b"{}") -> Answer:
            headers: Headers = HTML if method == "GET" else JSON
            if bearer is not None:
                cookie = Cookies(SECRET).header(bearer, secure=False).partition(";")[0]
                headers = (*headers, (b"cookie", cookie.encode()))
            return await send(
                made.app.asgi, Ask(method, path.encode(), headers, body if method == "POST" else b"")
            )

        for role, (owner, bearer) in owners(made).items():
            for name in ("ops", "members", "all"):
                there, base = name in OPEN[role], f"/pages/{name}/"
                refused = 401 if owner is None else 404
                called.calls.clear()
                page = await ask("GET", base, bearer)
                assert page.status == (200 if there else refused), (role, name)
                assert (b"gradio_config" in page.body) == there
                bare = await ask("GET", base[:-1], bearer)
                assert bare.status == (307 if there else refused), (role, name)
                for number in range(6):
                    event = {"session_hash": "abc", "fn_index": number, "data": ["hello"]}
                    answer = await ask(
                        "POST", f"{base}gradio_api/queue/join", bearer, json.dumps(event).encode()
                    )
                    assert answer.status in ((200, 404) if there else (refused,)), (role, name, number)
                for method, path in GRADIOS:
                    answer = await ask(method, base + path, bearer)
                    assert answer.status == refused, (role, name, method, path)
                    assert answer.raised is None
                async with asyncio.timeout(100):
                    while there and not called.calls:  # noqa: ASYNC110  the queue has no event for it
                        await asyncio.sleep(0.01)
                assert set(called.calls) == ({(name, owner.id)} if there and owner else set()), (role, name)


async def test_on_an_open_server_a_page_may_be_the_first_that_somebody_opens(tmp_path: Path) -> None:
    async with site(tmp_path, access="open") as (made, _):
        for more, status in (
            ((), 200),
            (((b"sec-fetch-dest", b"document"),), 200),
            (((b"sec-fetch-dest", b"iframe"),), 401),
            (((b"sec-fetch-dest", b"empty"),), 401),
        ):
            answer = await made.send(Ask("GET", b"/pages/all/", (*HTML, *more)))
            assert answer.status == status, more
            assert bool(answer.header(b"set-cookie")) == (status == 200), more
        assert (await made.send(Ask("GET", b"/pages/all/"))).status == 401
        assert (await made.send(Ask("POST", b"/pages/all/gradio_api/queue/join", HTML))).status == 401


async def test_the_menu_names_the_pages_somebody_may_open(tmp_path: Path) -> None:
    async with site(tmp_path, access="link", sign_in=("password",)) as (made, _):
        for role, (owner, bearer) in owners(made).items():
            if owner is None or bearer is None:
                continue
            cookie = Cookies(SECRET).header(bearer, secure=False).partition(";")[0]
            me = await send(made.app.asgi, Ask("GET", b"/api/me", ((b"cookie", cookie.encode()),)))
            assert {page["name"] for page in json.loads(me.body)["pages"]} == OPEN[role], role


async def test_a_page_that_cannot_be_built_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: PageServices) -> gr.Blocks:
        raise ValueError("a secret reason")

    def twice(_: PageServices) -> Any:
        return "no blocks"

    entries = [
        EntryPoint("gone", "no_such_module:page", "webchat.pages"),
        EntryPoint("odd", "json:dumps", "x"),
    ]
    monkeypatch.setattr(pages_of_packages, "entry_points", lambda **_: entries)
    broken = (
        Page("broken", "Broken", fails, "anyone"),
        Page("all", "Twice", twice),
        Page("text", "Text", twice),
    )
    async with site(tmp_path, *broken, access="link") as (made, _):
        operator, visitor = (made.app.store.create_owner(kind, "Ada") for kind in KINDS)
        for name in ("broken", "text"):
            for path in (f"/pages/{name}", f"/pages/{name}/"):
                ask = Ask("GET", path.encode(), HTML)
                told = await made.send(ask, operator)
                assert (told.status, "failed to load when the server started" in told.text) == (500, True)
                assert "secret" not in told.text
                assert (await made.send(ask, visitor)).status == 404
        assert (await made.send(Ask("GET", b"/pages/all/", HTML), visitor)).status == 200
        assert (await made.send(Ask("GET", b"/", HTML), visitor)).status == 200
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert sum("cannot be built" in line for line in said) == 2
    assert sum("cannot be loaded" in line for line in said) == 2
    assert sum("two pages are named all" in line for line in said) == 1


ADMIN: Any = "admin"
KINDS: tuple[OwnerKind, ...] = ("operator", "visitor")


def empty(_: PageServices) -> gr.Blocks:
    return gr.Blocks()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Page("A b", "x", empty), "can't be named 'A b'"),
        (lambda: Page("..", "x", empty), "can't be named"),
        (lambda: Page("a", "", empty), "give a title"),
        (lambda: Page("a", {"zh-CN": "x"}, empty), "give a title"),
        (
            lambda: Page("a", "x", empty, ADMIN),
            "the role 'admin' is not one of operator, member, anyone",
        ),
    ],
    ids=["name", "path", "no title", "no English title", "role"],
)
def test_a_page_says_what_is_wrong_with_it(make: Callable[[], Page], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_the_page_of_the_documentation_builds() -> None:
    (block,) = (block for block in blocks(ROOT / "deploy/customize.md") if "webchat.pages" in block.text)
    made: dict[str, Any] = {}
    exec(block.text, made)
    page: Page = made["page"]
    services: Any = None  # used by handlers alone
    assert isinstance(in_loop(lambda: page.create(services)), gr.Blocks)


def visiting(owner: Owner, language: Any = "en") -> Visitor:
    request = Request(
        {
            "type": "http",
            "headers": [],
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "state": {"unnamed_proxy": False},
        }
    )
    return Visitor(owner.id, owner.name, owner.operates, language, Caller(owner, language, request))


async def test_what_a_page_reads_and_asks_is_its_visitor_s_own(tmp_path: Path) -> None:
    async with site(tmp_path, access="link", max_message_chars=50) as (made, called):
        store, services = made.app.store, called.services
        assert services is not None
        ada, ben = (visiting(store.create_owner("visitor", name)) for name in ("Ada", "Ben"))
        assert services.models(ada) == ["Echo"]
        replies = [reply async for reply in services.ask(ada, "Hello there")]
        assert (replies[-1].text, replies[-1].state) == ("Hello there", "complete")
        assert all("Hello there".startswith(reply.text) for reply in replies)
        chat = replies[-1].chat
        assert [reply.chat async for reply in services.ask(ada, "Again", chat=chat)][-1] == chat
        assert [message.text for message in await services.messages(ada, chat)] == [
            "Hello there", "Hello there", "Again", "Again",
        ]  # fmt: skip
        chats, cursor = await services.chats(ada)
        assert ([one.id for one in chats], cursor) == ([chat], None)
        assert await services.chats(ben) == ([], None)
        for forbidden in (
            services.messages(ben, chat),
            anext(services.ask(ben, "Mine?", chat=chat)),
            services.tester_ratings(ben),
        ):
            with pytest.raises(gr.Error, match=r"doesn't exist|not"):
                await forbidden
        with pytest.raises(gr.Error, match="60 characters; 50 are allowed"):
            await anext(services.ask(ada, "x" * 60))
        with pytest.raises(gr.Error, match="60"):
            await anext(services.ask(visiting(ada.caller.owner, "zh-CN"), "x" * 60))


async def test_a_page_names_no_model_of_a_blind_link(tmp_path: Path) -> None:
    async with site(tmp_path, access="link") as (made, called):
        store, services = made.app.store, called.services
        assert services is not None
        link = store.create_link("testers", "hash", None, LinkTerms(models=("Echo",)))
        guest = store.create_owner("guest", "Tess", link.id)
        chat = [reply async for reply in services.ask(visiting(guest), "Hello")][-1].chat
        assert [one.model for one in await services.messages(visiting(guest), chat)] == [None, "Echo"]
        store.change_link(link.id, terms=lambda terms: replace(terms, blind=True))
        blind = visiting(store.owner(guest.id))
        assert [one.model for one in await services.messages(blind, chat)] == [None, None]
        assert (services.models(blind), blind.name) == (["Model A"], "")


async def test_an_operator_s_page_counts_the_ratings_of_testers_alone(tmp_path: Path) -> None:
    async with site(tmp_path, access="link") as (made, called):
        store = made.app.store
        assert called.services is not None
        operator = visiting(store.create_owner("operator", "Op"))
        link = new_link(store, "testers", "7d", datetime.now(UTC)).link
        kinds: dict[str, OwnerKind] = {"a": "guest", "b": "guest", "c": "visitor"}
        rated: tuple[tuple[str, list[Rating]], ...] = (("a", [1, 1]), ("b", [-1]), ("c", [1]))
        for name, given in rated:
            owner = store.create_owner(kinds[name], name, None if name == "c" else link.id)
            talk = Talk(store, owner.id, "m")
            for value in given:
                store.judge(owner.id, talk.say("q", "a").reply.id, JudgementChange(rating=value))
        assert await called.services.tester_ratings(operator) == [Ratings("testers", "m", 2, 1)]
