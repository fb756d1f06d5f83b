"""Under a reply that did not simply end: what happened and what one can do, in words for the reader."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from backends.errors import BackendError
from tests.browser import PATIENCE
from tests.ui.asset_page import asset_server
from tests.ui.ended import HOST, SAID, refused, reply
from tests.ui.site import Access, running
from webchat.app import App
from webchat.sentences import LANGUAGES, Language, locale
from webchat.store.records import Failure, TurnState
from webchat.turns.generating.outcome import LINK_ENDED, LINK_TOKENS_REACHED

HALF = "A rainbow forms when sunlight"
RULE = Failure("blocked", "This reply was withheld by a rule of this server.", "Reword your question.")


def codes(tree: type[BackendError]) -> set[str]:
    return {tree.code}.union(*(codes(child) for child in tree.__subclasses__()))


class Reader:
    """Somebody with the page open, and the store behind it."""

    def __init__(self, app: App, page: Page, url: str, access: Access, language: Language) -> None:
        self.app, self.page, self.url = app, page, url
        self.operates = access == "auto"
        self.words = locale(language)
        # What a person does first makes them known to the store.
        begun = page.context.request.post(
            f"{url}api/turns",
            data={"kind": "send", "text": "Hello", "client_key": "first"},
            headers={"origin": url.rstrip("/")},
        )
        assert begun.ok, begun.text()
        me = page.context.request.get(f"{url}api/me")
        assert me.ok, me.text()
        self.owner = me.json()["owner"]["id"]

    def note(self, state: TurnState, text: str = "", **ended: Any) -> dict[str, Any]:
        """What the page draws of such a reply: words of the note, its buttons, its markup."""
        _, message = reply(self.app.store, self.owner, state, text, **ended)
        found: dict[str, Any] = self.page.evaluate(
            """async (id) => {
              const asset = (name) => import(new URL(webchatConfig.assets + name, document.baseURI));
              const { note } = await asset("conversation/note.js");
              const { t } = await asset("i18n.js");
              const { message } = await (await fetch(`api/messages/${id}`)).json();
              const element = note(message, t);
              if (!element) return { words: "", acts: [], html: "" };
              const acts = [...element.querySelectorAll("[data-act]")].map((button) => button.dataset.act);
              const off = element.querySelectorAll("button:disabled").length;
              return { words: element.textContent, acts, html: element.outerHTML, off };
            }""",
            message,
        )
        return found


@pytest.fixture(scope="module", params=["auto", "open"], ids=["operator", "visitor"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[App, str, Access]]:
    with running(tmp_path_factory.mktemp("notes"), access=request.param) as (app, url):
        yield app, url, request.param


@pytest.fixture(scope="module", params=LANGUAGES)
def reader(
    request: pytest.FixtureRequest, browser: Browser, served: tuple[App, str, Access]
) -> Iterator[Reader]:
    app, url, access = served
    context = browser.new_context(locale=request.param)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("html.wc-ready")
    yield Reader(app, page, url, access, request.param)
    context.close()


@pytest.mark.parametrize(
    ("state", "text", "ended", "key", "acts"),
    [
        ("complete", HALF, {"reason": "stop"}, "", []),
        ("complete", "", {"reason": "stop"}, "transcript.empty_reply", ["retry"]),
        ("complete", HALF, {"reason": "length"}, "transcript.length", ["continue"]),
        (
            "complete",
            HALF,
            {"reason": "length", "failure": LINK_TOKENS_REACHED},
            "error.link_tokens_reached",
            [],
        ),
        ("complete", HALF, {"reason": "content_filter"}, "transcript.filtered", ["retry"]),
        ("stopped", HALF, {}, "transcript.stopped", ["continue"]),
        ("stopped", "", {}, "transcript.stopped", ["retry"]),
        ("interrupted", HALF, {}, "transcript.interrupted", ["continue", "retry"]),
        ("interrupted", "", {}, "transcript.interrupted", ["retry"]),
        ("blocked", HALF, {"failure": RULE}, "error.blocked", []),
        ("stopped", HALF, {"failure": LINK_ENDED}, "error.link_ended", []),
        ("interrupted", "", {"failure": LINK_ENDED}, "error.link_ended", []),
    ],
)
def test_every_end_says_what_happened_and_offers_what_can_be_done(
    reader: Reader, state: TurnState, text: str, ended: dict[str, Any], key: str, acts: list[str]
) -> None:
    shown = reader.note(state, text, **ended)
    assert shown["acts"] == acts
    if not key:
        assert shown["words"] == ""
    else:
        assert reader.words[key] in shown["words"]
    if ended.get("failure") is LINK_ENDED:
        assert reader.words["transcript.stopped"] not in shown["words"]


def test_every_failure_is_told_by_role(reader: Reader) -> None:
    for code, text in zip(sorted(codes(BackendError)), cycle(["", HALF]), strict=False):
        said = {"said": SAID} if code == "chat_template_broken" else {}
        shown = reader.note("failed", text, failure=refused(code, place=HOST, **said))
        assert shown["acts"] == (["continue", "retry"] if text else ["retry"]), code
        if reader.operates:
            assert HOST in shown["words"], code
            assert SAID in shown["words"], code
            assert reader.words[f"error.{code}.cure_operator"] in shown["words"]
        else:
            assert reader.words[f"error.{code}"] in shown["words"]
            assert reader.words[f"error.{code}.cure"] in shown["words"]
            assert not [word for word in (HOST, "9333", SAID, "acme") if word in shown["html"]], code


def test_a_reply_that_broke_off_goes_on_from_there(reader: Reader) -> None:
    chat, _ = reply(reader.app.store, reader.owner, "failed", HALF, failure=refused("bad_response"))
    page = reader.page
    page.goto(f"{reader.url}?c={chat}")
    page.get_by_role("button", name=reader.words["transcript.continue"]).click()
    expect(page.locator("article.wc-reply")).to_have_attribute("data-state", "complete")
    expect(page.locator("article.wc-reply .wc-body")).to_contain_text(HALF)
    expect(page.locator("article.wc-reply .wc-versions")).to_be_visible()  # nothing was overwritten


def test_what_may_be_asked_again_later_counts_down_and_then_lets_one_ask(reader: Reader) -> None:
    soon = reader.note("failed", failure=refused("rate_limited", retry_after=3600.0))
    assert soon["off"] == 1
    chat, _ = reply(
        reader.app.store, reader.owner, "failed", failure=refused("rate_limited", retry_after=3600.0)
    )
    page = reader.page.context.new_page()
    page.clock.install()
    page.goto(f"{reader.url}?c={chat}")
    retry = page.locator("[data-act=retry]")
    expect(retry).to_be_disabled()
    page.clock.fast_forward(3_600_000)
    expect(page.locator(".wc-error")).to_contain_text(reader.words["transcript.again_now"])
    expect(retry).to_be_enabled()
    expect(page.locator("[role=status]").get_by_text(reader.words["transcript.again_now"])).to_have_count(1)
    page.close()


@pytest.fixture(scope="module")
def words(browser: Browser) -> Iterator[Page]:
    """The words of notes and waits, without the app."""
    with asset_server() as address:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_function("window.ready")
        page.evaluate("async () => Object.assign(window, await import('./conversation/format.js'))")
        yield page
        page.close()


@pytest.mark.parametrize(
    ("status", "passed", "said"),
    [
        ({"state": "queued"}, 0, ["start", ""]),
        ({"state": "queued"}, 3, ["start", "transcript.waiting"]),
        ({"state": "streaming"}, 9, [None, ""]),
        ({"wait": {"reason": "first_token", "since_ms": 500}}, 1, ["first_token", ""]),
        (
            {"wait": {"reason": "first_token", "since_ms": 500}},
            9,
            ["first_token", "transcript.wait.first_token"],
        ),
        ({"wait": {"reason": "review", "since_ms": 4000}}, 0, ["review", "transcript.wait.review"]),
        (
            {"wait": {"reason": "rate_limited", "since_ms": 0, "retry_in_ms": 7000}},
            0.5,
            ["rate_limited", "transcript.wait.rate_limited transcript.seconds 7"],
        ),
        (
            {"wait": {"reason": "unavailable", "since_ms": 0, "retry_in_ms": 7000}},
            6.5,
            ["unavailable", "transcript.wait.unavailable transcript.seconds 1"],
        ),
        (
            {"wait": {"reason": "rate_limited", "since_ms": 0, "retry_in_ms": 7000}},
            8,
            ["rate_limited", "transcript.wait.rate_limited_now"],
        ),
        ({"queue": {"place": 1, "eta_seconds": None}}, 60, ["queue", "transcript.queue.next"]),
    ],
)
def test_a_wait_is_told_by_its_cause_and_counted(
    words: Page, status: dict[str, Any], passed: float, said: list[str | None]
) -> None:
    found = words.evaluate(
        """([status, passed]) => {
          const { cause, words } = waitText({ at: 1000, ...status }, 1000 + 1000 * passed, t, "en");
          return [cause, words];
        }""",
        [status, passed],
    )
    assert found == said


@pytest.mark.parametrize(
    ("seen", "now", "clock", "left"),
    [
        (0, 3, 0, 7),  # watched to its end: by this page's own clock
        (0, 11, 0, 0),
        (None, 0, 4, 6),  # read later: by the clock on the wall
        (None, 0, 400, 0),
        (None, 0, -4000, 10),  # a clock that is behind never makes it longer
    ],
)
def test_clocks_that_differ_make_no_wait_longer(
    words: Page, seen: float | None, now: float, clock: float, left: float
) -> None:
    found = words.evaluate(
        """([seen, now, clock]) => {
          const finished_at = "2026-01-01T00:00:00Z";
          const failure = { code: "rate_limited", params: { retry_after: 10 } };
          const since = seen === null ? null : 1000 * seen;
          const wall = Date.parse(finished_at) + 1000 * clock;
          return waitSeconds({ state: "failed", failure, finished_at }, since, 1000 * now, wall);
        }""",
        [seen, now, clock],
    )
    assert found == left
