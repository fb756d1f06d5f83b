"""What names people, devices and links never runs and loads nothing: on the chat page and at the gate, with
the page's policy and without it.

Names and e-mail addresses come from providers, devices from what a browser says of itself, names of links
from operators; all of them are made of the pack.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.ui.payloads import PAYLOADS
from tests.ui.site import site
from tests.ui.test_payloads import opened
from webchat.auth.answers import Gate
from webchat.auth.settings import Ways
from webchat.sentences import locale
from webchat.store.records import Owner

EN = locale("en")
NOW = "2026-01-02T03:04:05Z"
EVERYTHING = " ".join(PAYLOADS)

FIRED = """(place) => {
  for (const element of document.querySelectorAll(`${place} *`))
    for (const kind of ["toggle", "focus", "pointerenter", "error"]) element.dispatchEvent(new Event(kind));
}"""

MARKUP = "script, iframe, object, embed, svg script, [onerror], [onload], [onfocus], [srcdoc], img[src=x]"
"""What only a payload would bring."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with site(tmp_path_factory.mktemp("site")) as url:
        yield url


def watched(page: Page, address: str) -> list[str]:
    """The addresses of others, and of what payloads ask for, that the page asks from here on."""
    asked: list[str] = []

    def note(url: str) -> None:
        own = url.startswith((address, "data:image/", "blob:"))
        if not own or url.rstrip("/").endswith(("/x", "/1")):
            asked.append(url)

    page.on("request", lambda request: note(request.url))
    return asked


def someone(kind: str, name: str, number: int) -> dict[str, Any]:
    return {"id": f"owner-{number}", "kind": kind, "name": name, "since": NOW}


def me(answer: dict[str, Any]) -> dict[str, Any]:
    kinds = ("guest", "member", "visitor")
    earlier = [someone(kinds[n % 3], payload, n) for n, payload in enumerate(PAYLOADS)]
    chats = {"since": NOW, "chats": 2}
    movable = [{"giver": f"g{n}", "kind": "guest", "name": name, **chats} for n, name in enumerate(PAYLOADS)]
    person = {"name": EVERYTHING, "email": EVERYTHING, "password": True}
    return {**answer, "person": person, "earlier": earlier, "movable_chats": movable, "sign_in": True}


def devices() -> dict[str, Any]:
    times = {"created_at": NOW, "used_at": NOW}
    return {
        "sessions": [
            {"id": f"s{n}", "device": device, "current": n == 0, **times} for n, device in enumerate(PAYLOADS)
        ]
    }


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
def test_no_name_of_a_person_a_device_or_a_link_runs(browser: Browser, address: str, policy: bool) -> None:
    def answered(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=me(answer.json()))

    with opened(browser, policy=policy) as page:
        asked = watched(page, address)
        page.route("**/api/me", answered)
        page.route("**/api/me/sessions", lambda route: route.fulfill(json=devices()))
        page.goto(address, wait_until="commit")
        page.wait_for_selector("html.wc-ready")
        expect(page.locator(".wc-side-who")).to_contain_text("pwned")
        expect(page.locator(".wc-movechats-card")).to_have_count(len(PAYLOADS))
        page.get_by_role("button", name=EN["sidebar.menu"]).click()
        expect(page.get_by_role("menuitem").filter(has_text="pwned").first).to_be_visible()
        assert page.locator(f":is(#wc-app, .wc-menu) :is({MARKUP})").count() == 0
        page.evaluate(FIRED, "#wc-app")
        page.get_by_role("menuitem", name=EN["account.title"], exact=True).click()
        sheet = page.locator(".wc-account")
        expect(sheet.locator(".wc-account-device")).to_have_count(len(PAYLOADS))
        expect(sheet.locator(".wc-account-value")).to_have_text(EVERYTHING)
        assert sheet.locator(MARKUP).count() == 0
        page.evaluate(FIRED, ".wc-account")
        sheet.locator(".wc-account-device").nth(1).get_by_role("button").click()
        expect(page.locator(".wc-toast").first).to_be_visible()
        page.wait_for_timeout(100)
        assert page.evaluate("window.pwned") is None
        assert len(page.frames) == 1
        assert asked == []


@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
@pytest.mark.parametrize("reason", ["older", "signed_out"])
def test_no_name_at_the_gate_runs(browser: Browser, address: str, policy: bool, reason: Any) -> None:
    gate = Gate()
    people = [Owner(f"o{n}", "guest", payload, None, datetime.now(UTC)) for n, payload in enumerate(PAYLOADS)]
    providers = tuple((f"p{n}", payload) for n, payload in enumerate(PAYLOADS))
    made = gate.answer(401, Ways(link=True, password=True, providers=providers), reason, people)
    headers = {"content-type": "text/html", "content-security-policy": "; ".join(gate.policy)}
    with opened(browser, policy=policy) as page:
        page.route(address, lambda route: route.fulfill(body=bytes(made.body), headers=headers))
        asked = watched(page, address)
        page.goto(address)
        places = "#choice button" if reason == "older" else "#providers a"
        expect(page.locator(places).filter(has_text="pwned").first).to_be_visible()
        page.evaluate(FIRED, "main")
        page.locator("#language").click()
        page.evaluate(FIRED, "main")
        assert page.locator(f"main :is({MARKUP})").count() == 0
        page.wait_for_timeout(100)
        assert page.evaluate("window.pwned") is None
        assert asked == []
