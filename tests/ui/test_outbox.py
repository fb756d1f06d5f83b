"""The outbox, the drafts and whose they are, in tabs of a real browser; of one tab alone: tests/js."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser import PATIENCE
from tests.ui.asset_page import asset_page

LOAD = """async (owner) => {
  const names = ["outbox", "drafts", "identity", "stops", "bus", "storage"];
  const modules = await Promise.all(names.map((name) => import(`./${name}.js`)));
  Object.assign(window, ...modules);
  window.told = [];
  bus.on("outbox", ({ what, entry }) => told.push([what, entry.key]));
  bus.on("unkept", () => told.push(["unkept"]));
  await identity.open();
  if (owner) identity.own(owner);
}"""

# What one tab wrote has come to another, which browsers take their time for.
ALL_OF = """([prefix, tab]) => Object.entries(localStorage)
  .filter(([name]) => name.startsWith(prefix))
  .every(([name, value]) => name.includes(`.${tab}.`) || JSON.parse(value).tab === tab)"""
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined })"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
BLOCKED = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("no", "SecurityError"); },
})"""

ASK = {"kind": "send", "conversation_id": "c1", "text": "Much thought"}


@pytest.fixture(scope="module")
def blank() -> Iterator[Page]:
    with asset_page() as (page, _):
        yield page


def body_of(route: Route) -> dict[str, Any]:
    assert route.request.post_data_json is not None
    body: dict[str, Any] = route.request.post_data_json
    return body


class Server:
    """Answers `POST api/turns` while it can be reached."""

    def __init__(self) -> None:
        self.turns: list[dict[str, Any]] = []
        self.reachable = True

    def handle(self, route: Route) -> None:
        if not self.reachable:
            route.abort("connectionreset")
            return
        self.turns.append(body_of(route))
        reply = {"id": f"reply-{body_of(route)['client_key']}"}
        route.fulfill(status=201, json={"conversation": {"id": "c1"}, "user": None, "reply": reply})

    @property
    def keys(self) -> list[str]:
        return [turn["client_key"] for turn in self.turns]


Open = Callable[..., Page]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def context(blank: Page, server: Server) -> Iterator[BrowserContext]:
    assert blank.context.browser is not None
    context = blank.context.browser.new_context()
    context.set_default_timeout(PATIENCE)
    context.route("**/api/**", server.handle)
    yield context
    context.close()


@pytest.fixture
def tab(blank: Page, context: BrowserContext) -> Open:
    """Opens a tab of one person, with the modules loaded."""

    def open_tab(owner: str = "ann", page: Page | None = None) -> Page:
        page = page or context.new_page()
        page.goto(blank.url)
        page.wait_for_function("window.ready")
        page.evaluate(LOAD, owner)
        return page

    return open_tab


def kept(page: Page, prefix: str) -> dict[str, Any]:
    """What is in the browser's storage under names with this prefix."""
    found: dict[str, str] = page.evaluate("() => ({ ...localStorage })")
    return {name: json.loads(text) for name, text in found.items() if name.startswith(prefix)}


def add(page: Page, **ask: Any) -> str:
    """Puts an ask into the outbox; returns its key."""
    key: str = page.evaluate(
        """(ask) => {
          return outbox.add(ask, { under: null }).key;
        }""",
        {**ASK, **ask},
    )
    return key


def gone(page: Page) -> None:
    page.wait_for_function(
        "() => !Object.keys(localStorage).some((name) => name.startsWith('webchat.outbox.'))"
    )


def test_what_is_unsent_goes_by_itself_when_the_server_is_back(tab: Open, server: Server) -> None:
    page = tab()
    page.evaluate("outbox.open()")
    server.reachable = False
    key = add(page)
    page.wait_for_function("(key) => outbox.get(key).state === 'unsent'", arg=key)
    server.reachable = True
    page.evaluate("bus.emit('connection', { online: true })")
    gone(page)
    assert server.keys == [key]


def test_another_owner_neither_sees_nor_sends_it(tab: Open, server: Server) -> None:
    page = tab("ann")
    server.reachable = False
    key = add(page)
    page.evaluate("drafts.put('c1', { text: 'A secret' })")
    page.wait_for_function("(key) => outbox.get(key).state === 'unsent'", arg=key)
    server.reachable = True
    tab("bob", page)
    page.evaluate("outbox.open()")
    page.wait_for_timeout(100)
    assert page.evaluate("outbox.at('c1').length") == 0
    assert page.evaluate("drafts.get('c1')") is None
    assert page.evaluate("drafts.adopt(['c1'])") == []
    assert server.turns == []
    tab("ann", page)
    assert page.evaluate("drafts.get('c1').text") == "A secret"
    page.evaluate("outbox.open()")
    gone(page)
    assert [(turn["client_key"], turn["owner"]) for turn in server.turns] == [(key, "ann")]


def test_nothing_is_sent_before_the_owner_is_known(tab: Open, server: Server) -> None:
    page = tab("")
    page.evaluate("outbox.open()")
    key = add(page)
    page.evaluate("drafts.put('new', { text: 'Early' })")
    page.wait_for_timeout(100)
    assert server.turns == []
    page.evaluate("identity.own('ann')")
    page.evaluate("drafts.claim()")
    gone(page)
    assert server.keys == [key]
    assert page.evaluate("drafts.get('new').text") == "Early"


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "heartbeat"])
def test_a_tab_keeps_its_id_over_a_reload_and_a_duplicate_gets_its_own(
    context: BrowserContext, tab: Open, locks: bool
) -> None:
    if not locks:
        context.add_init_script(NO_LOCKS)
    page = tab()
    first = page.evaluate("identity.tab")
    tab(page=page)
    assert page.evaluate("identity.tab") == first
    with context.expect_page() as opened:
        page.evaluate("() => void window.open(location.href)")  # copies sessionStorage, as duplicating does
    twin = tab(page=opened.value)
    assert twin.evaluate("identity.tab") != first
    assert page.evaluate("identity.living().then((all) => all.size)") == 2


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "heartbeat"])
def test_a_tab_that_crashed_is_itself_again(context: BrowserContext, tab: Open, locks: bool) -> None:
    if not locks:
        context.add_init_script(NO_LOCKS)
    # As a crash leaves it: nobody says goodbye, and the last sign of life is fresh.
    context.add_init_script("addEventListener('pagehide', (event) => event.stopImmediatePropagation())")
    page = tab()
    first = page.evaluate("identity.tab")
    page.evaluate("drafts.put('new', { text: 'Half' })")
    tab(page=page)
    assert page.evaluate("identity.tab") == first
    assert page.evaluate("drafts.get('new').text") == "Half"


def test_each_tab_has_its_own_draft(tab: Open) -> None:
    one, other = tab(), tab()
    one.evaluate("drafts.put('new', { text: 'One' })")
    other.evaluate("drafts.put('new', { text: 'Other' })")
    one.evaluate("drafts.put('new', null)")
    assert other.evaluate("drafts.get('new').text") == "Other"
    assert one.evaluate("drafts.adopt(['new'])") == []
    assert one.evaluate("drafts.get('new')") is None


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "heartbeat"])
def test_what_a_closed_tab_left_is_taken_over_exactly_once(
    context: BrowserContext, tab: Open, server: Server, locks: bool
) -> None:
    if not locks:
        context.add_init_script(NO_LOCKS)
    server.reachable = False
    closed, one, other = tab(), tab(), tab()
    key = add(closed)
    closed.evaluate("drafts.put('c1', { text: 'Left' })")
    closed.wait_for_function("(key) => outbox.get(key).state === 'unsent'", arg=key)
    one.evaluate("outbox.open()")
    assert one.evaluate("outbox.at('c1').length") == 0, "its tab lives"
    closed.close(run_before_unload=False)
    while one.evaluate("identity.living().then((all) => all.size)") != 2:  # the test's own time limit ends it
        one.wait_for_timeout(20)
    owner = one.evaluate("identity.tab")
    assert one.evaluate("drafts.adopt(['c1'])") == ["c1"]
    other.wait_for_function(ALL_OF, arg=["webchat.draft.", owner])
    assert other.evaluate("drafts.adopt(['c1'])") == []
    assert one.evaluate("drafts.get('c1').text") == "Left"
    one.evaluate("outbox.open()")
    other.wait_for_function(ALL_OF, arg=["webchat.outbox.", owner])
    other.evaluate("outbox.open()")
    assert [page.evaluate("outbox.at('c1').length") for page in (one, other)] == [1, 0]
    server.reachable = True
    one.evaluate("(key) => outbox.retry(key)", key)
    gone(one)
    assert server.keys == [key]


@pytest.mark.parametrize("script", [FULL, BLOCKED], ids=["full", "blocked"])
def test_without_storage_it_works_in_memory_and_is_told_once(
    context: BrowserContext, tab: Open, server: Server, script: str
) -> None:
    context.add_init_script(script)
    page = tab()
    server.reachable = False
    page.evaluate("drafts.put('new', { text: 'Half' })")
    key = page.evaluate("(ask) => outbox.add(ask, { under: null }).key", ASK)
    page.wait_for_function("(key) => outbox.get(key).state === 'unsent'", arg=key)
    assert page.evaluate("drafts.get('new').text") == "Half"
    assert page.evaluate("outbox.at('c1').length") == 1
    server.reachable = True
    page.evaluate("(key) => outbox.retry(key)", key)
    page.wait_for_function("() => outbox.at('c1').length === 0")
    assert server.keys == [key]
    assert page.evaluate("told.filter(([what]) => what === 'unkept').length") == 1


def test_only_what_has_waited_for_months_is_pruned(tab: Open) -> None:
    page = tab()
    page.evaluate(
        """() => {
          const day = 24 * 3600 * 1000;
          for (const age of [29, 89, 91]) {
            const kept = { at: Date.now() - age * day, value: { text: "old" } };
            localStorage.setItem(`webchat.draft.ann.gone.${age}`, JSON.stringify(kept));
            localStorage.setItem(`webchat.draft.ann.${identity.tab}.${age}`, JSON.stringify(kept));
          }
          return drafts.prune();
        }"""
    )
    left = {name.split(".")[-1] for name in kept(page, "webchat.draft.ann.gone.")}
    assert left == {"29", "89"}
    mine: str = page.evaluate("identity.tab")
    assert len(kept(page, f"webchat.draft.ann.{mine}.")) == 3
