"""No text runs as a script on the page of a share, and none fetches anything: by the sanitizer alone, and
under the policy that the server sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, Route

from backends.types import Role, ToolCall
from tests.browser import PATIENCE, launched
from tests.ui.payloads import PAYLOADS
from webchat.auth.headers import Hardening
from webchat.sharing import share_page
from webchat.sharing.share_page import Frame
from webchat.store.share_records import Share, SharedMessage

NOW = datetime.now(UTC)
ADDRESS = "http://share.test/s/" + "a" * 32
AT_ONCE = 40
ROLES: tuple[Role, ...] = ("user", "assistant", "tool")
WAKE = """() => {
  const kinds = ["toggle", "focus", "pointerenter", "error", "load"];
  const all = document.querySelectorAll("*");
  for (const one of all) for (const kind of kinds) one.dispatchEvent(new Event(kind));
  const wrong = "script, style, iframe, object, embed, base, svg, form, [srcdoc], [ping], [style]";
  return [...document.body.querySelectorAll(wrong)].map((one) => one.outerHTML);
}"""


def written(payloads: list[str]) -> str:
    """A page with each payload as everything that somebody else writes, and the first as its title."""
    frame = Frame("en")
    share = Share(
        "a" * 32, "o", "c", payloads[0], NOW, None, None, 1, 1, 0, True, True, False, None
    )  # fmt: skip
    messages = [
        SharedMessage(
            role,
            text,
            "complete",
            NOW,
            reasoning=text if role != "tool" else "",
            model=text,
            tool_calls=(ToolCall("id", text, text),) if role == "assistant" else (),
        )
        for text in payloads
        for role in ROLES
    ]
    said = (share_page.message(frame, share.id, n, one) for n, one in enumerate(messages))
    return share_page.beginning(frame, share, messages[0]) + "".join(said) + share_page.ending(frame, share)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        yield page


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "sanitizer-alone"])
def test_nothing_runs_and_nothing_is_fetched(page: Page, policy: bool) -> None:
    asked: list[str] = []
    body = ""
    headers = {"content-type": "text/html; charset=utf-8"}
    if policy:
        headers["content-security-policy"] = Hardening().share_policy("nonce").decode()

    def answer(route: Route) -> None:
        if route.request.url == ADDRESS:
            route.fulfill(body=body, headers=headers)
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", answer)
    assert len(PAYLOADS) >= 300
    for start in range(0, len(PAYLOADS), AT_ONCE):
        some = list(PAYLOADS[start : start + AT_ONCE])
        body = written(some)
        page.goto(ADDRESS)
        assert page.evaluate(WAKE) == [], some
        assert page.evaluate("window.pwned") is None, some
    assert asked == []
    page.unroute("**/*")
