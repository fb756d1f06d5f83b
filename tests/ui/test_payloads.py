"""No text runs as a script, wherever the page shows it: with the page's policy, and without it.

The pack as what a model says, whole and in pieces, in the shipped assets alone, where no policy stands
behind; then as every string that the server sends, in the whole page: what people and models said, titles,
names of models and templates, errors, snippets, names of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import PATIENCE
from tests.ui.asset_page import asset_page
from tests.ui.payloads import PAYLOADS
from tests.ui.site import site

AUDIT = """() => {
  const tags = "script style iframe object embed link meta base form input img video audio source".split(" ");
  const keys = ["srcdoc", "ping", "formaction", "action", "background"];
  const bad = [];
  for (const element of shown.querySelectorAll("*")) {
    const tag = element.localName;
    const wrong = (what) => bad.push(`${tag} ${what}`);
    if (tags.includes(tag)) wrong("");
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || keys.includes(name)) wrong(name);
      if (["href", "src", "xlink:href"].includes(name) && !/^(https?:|mailto:)/i.test(value)) wrong(value);
      if (name === "style" && !element.closest(".katex")) wrong(name);
    }
    if (tag === "a" && (element.target !== "_blank" || !/noopener/.test(element.rel))) wrong("target");
    if (element.dataset.act && !["wrap", "copy-code"].includes(element.dataset.act)) wrong("act");
    if (getComputedStyle(element).position === "fixed") wrong("fixed");
  }
  return bad;
}"""
"""What stands in the page that should not, by what it is."""

SHOWN = (
    "(payloads) => { const audit = "
    + AUDIT
    + """;
  const ways = [
    (text) => whole(text),
    (text) => streamed([...text]),
    (text) => streamed(text.match(/[^]{1,7}/gu) ?? []),
    (text) => whole(`Before ${text} and after.\\n\\nMore.`),
  ];
  const bad = [];
  for (const payload of payloads) {
    ways.forEach((way, index) => {
      way(payload);
      const found = audit();
      if (found.length) bad.push([payload, index, found.join()]);
      for (const e of shown.querySelectorAll("*"))
        for (const kind of ["toggle", "focus", "pointerenter", "error"]) e.dispatchEvent(new Event(kind));
    });
  }
  return bad;
}"""
)


TYPESET = (
    "<span style='position:fixed;inset:0'>x</span>",
    "<span style='background:url(https://example.org/x)'>x</span>",
    "<a href='javascript:1'>x</a>",
    "<img src=x onerror=1>",
    "<span onclick=1>x</span>",
)
"""What typesetting might make."""

CLEANED = """html => {
  const box = document.createElement("div");
  box.append(math(html));
  return box.innerHTML;
}"""


def test_there_are_enough() -> None:
    assert len(PAYLOADS) >= 300


def test_what_a_model_says_never_runs_without_a_policy() -> None:
    with asset_page() as (page, foreign):
        page.evaluate("whole('```js\\nx = 1\\n```\\n\\n$x$')")  # loads what colours and typesets
        page.wait_for_selector("code.wc-done")
        page.wait_for_selector(".wc-math.wc-done")
        for start in range(0, len(PAYLOADS), 60):
            assert page.evaluate(SHOWN, PAYLOADS[start : start + 60]) == []
        page.wait_for_timeout(100)
        assert page.evaluate("window.pwned") is None
        assert foreign == []
        for html in TYPESET:
            cleaned = page.evaluate(CLEANED, html)
            assert not [word for word in ("style", "onclick", "onerror", "<a", "<img") if word in cleaned]
        # The pack is live, and this page would have shown it.
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.pwned=1>')")
        page.wait_for_function("window.pwned === 1")


_FREE = """
text reasoning title name message cure snippet excerpt description system user label hint note default
system_prompt source model content persona said detail rule value template
"""
FREE = frozenset(_FREE.split())
"""Keys of the server's answers whose strings somebody may write."""


class Planted:
    """The real server's answers with the pack in every string that somebody may write, and lists made long
    enough to hold it."""

    def __init__(self) -> None:
        self._next = 0
        self.told = 0

    def word(self) -> str:
        self._next += 1
        self.told += 1
        return PAYLOADS[self._next % len(PAYLOADS)]

    def everywhere(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.everywhere(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.everywhere(inner, key) for inner in value]
        return self.word() if isinstance(value, str) and key in FREE else value

    def many(self, items: list[Any], count: int) -> list[Any]:
        """Copies of what there is, each of its own name."""
        return [self.everywhere({**items[0], "id": f"planted-{n}"}) for n in range(count)] if items else []

    def thread(self, answer: Any, pairs: int) -> Any:
        """A long chat of it. Every third reply has failed, and says why."""
        said, reply = answer["messages"][:2]
        failure = {"code": "unheard_of", "message": "x", "cure": "x", "params": {}, "audience": "operator"}
        messages: list[Any] = []
        for n in range(pairs):
            ids = f"planted-user-{n}", f"planted-reply-{n}"
            before = messages[-1]["id"] if messages else None
            messages.append(
                self.everywhere({**said, "id": ids[0], "parent_id": before, "siblings": [ids[0]]})
            )
            failed = {"state": "failed", "failure": failure} if n % 3 == 0 else {}
            whole = {
                **reply,
                "id": ids[1],
                "parent_id": ids[0],
                "siblings": [ids[1]],
                "reasoning": "x",
                **failed,
            }
            messages.append(self.everywhere(whole))
        chat = {**self.everywhere(answer["conversation"]), "active_leaf_id": messages[-1]["id"]}
        return {**answer, "conversation": chat, "messages": messages, "older": None}


PAIRS = 90


def plant(page: Page, planted: Planted) -> None:
    def answered(route: Route) -> None:
        path = route.request.url.partition("?")[0]
        if route.request.method != "GET":
            error = {
                "code": "unheard_of",
                "message": "\n".join(PAYLOADS),
                "cure": planted.word(),
                "params": {},
            }
            route.fulfill(status=400, json={"error": error})
            return
        answer = route.fetch()
        if not answer.ok or "json" not in answer.headers["content-type"]:
            route.fulfill(response=answer)
            return
        found = answer.json()
        if len(found.get("messages", ())) == 2:
            changed = planted.thread(found, PAIRS)
        elif path.endswith("/api/models"):
            changed = {**found, "models": [*found["models"], *planted.many(found["models"], 40)]}
        elif path.endswith(("/api/conversations", "/api/templates", "/api/search", "/api/trash")):
            changed = {**found, "items": planted.many(found["items"], 60), "next": None}
        else:
            changed = planted.everywhere(found)
        route.fulfill(response=answer, body=json.dumps(changed))

    page.route("**/api/**", answered)


@contextmanager
def opened(browser: Browser, *, policy: bool) -> Iterator[Page]:
    context = browser.new_context(bypass_csp=not policy)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    yield page
    context.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with site(tmp_path_factory.mktemp("site")) as url:
        yield url


def begun(page: Page, url: str) -> str:
    """One chat and one of each other thing, by the page's own API."""
    post = page.context.request.post
    turn = {"kind": "send", "client_key": "k", "text": "Hello"}
    made = post(f"{url}api/turns", data=turn, headers={"origin": url.rstrip("/")}).json()
    post(
        f"{url}api/templates",
        data={"content": {"name": "T", "user": "Hi"}},
        headers={"origin": url.rstrip("/")},
    )
    return str(made["conversation"]["id"])


def shows(page: Page, place: str, words: str = "pwned") -> None:
    """Wait until a payload stands there, as words."""
    page.locator(place).filter(has_text=words).first.wait_for()


DROP = """(names) => {
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File(["x"], name, { type: "image/png" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector(".wc-scroller").dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
}"""


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
def test_nothing_the_server_sends_runs(browser: Browser, address: str, policy: bool) -> None:
    planted = Planted()
    with opened(browser, policy=policy) as page:
        page.add_init_script(
            "window.refused = []; document.addEventListener('securitypolicyviolation',"
            " (e) => window.refused.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`))"
        )
        chat = begun(page, address)
        plant(page, planted)
        page.goto(f"{address}?c={chat}", wait_until="commit")
        page.wait_for_selector("html.wc-ready")
        expect(page.locator("article.wc-reply").nth(PAIRS - 1)).to_be_attached()
        for place in ("#wc-sidebar .wc-row-title", ".wc-reply .wc-model", ".wc-reply .wc-error-detail"):
            shows(page, place)
        page.locator("#wc-picker button").click()
        shows(page, "[role=option]")
        page.keyboard.press("Escape")
        page.locator("#wc-composer-text textarea").press_sequentially("/")
        shows(page, ".wc-slash [role=option]")
        page.keyboard.press("Escape")
        page.keyboard.press("ControlOrMeta+k")
        page.locator(".wc-search input").fill("Hello")
        shows(page, ".wc-search [role=option]")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+Shift+L")
        shows(page, ".wc-library-row")
        page.keyboard.press("Escape")
        page.evaluate(DROP, PAYLOADS[::20])
        shows(page, ".wc-toast")
        page.locator("#wc-composer-text textarea").fill("Hello")
        page.locator("#wc-send").click()
        shows(page, ".wc-toast", PAYLOADS[1])
        page.evaluate(
            "document.querySelectorAll('#wc-app *').forEach((e) => ['toggle', 'focus', 'pointerenter']"
            ".forEach((kind) => e.dispatchEvent(new Event(kind))))"
        )
        page.wait_for_timeout(100)
        assert planted.told > 2 * len(PAYLOADS)
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("window.refused") == []
        assert len(page.frames) == 1
