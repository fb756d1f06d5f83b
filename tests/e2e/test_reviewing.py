"""Reviewers judge what is in a queue: by keys on a desktop, by buttons on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import PHONE, Chat, NewVisitor
from tests.e2e.conftest import running
from tests.e2e.test_visitors import store_of
from tests.scripted_endpoint import ScriptedEndpoint
from tests.store.talk import Talk
from tests.store.test_comparisons import _ended
from tests.store.test_judgements import of_a_link
from webchat.sentences import locale
from webchat.store.judgement_records import Vote
from webchat.store.queue_records import NewQueue, QueueFilter

EN = locale("en")
AGREES: dict[str, Any] = {"consent": "May train.", "consent_version": 1, "training": True}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    endpoint: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AppProcess]:
    async with running(tmp_path_factory.mktemp("reviews"), endpoint) as app:
        yield app


def queued(app: AppProcess, *talks: tuple[str, str], compared: bool = False) -> str:
    """A queue of what a tester was told, open alone; its id."""
    with store_of(app) as store:
        operator = store.local_owner().id
        for queue in store.queues(operator).items:
            store.close_queue(operator, queue.id)
        tester: Talk = of_a_link(store, f"testers {len(store.list_links())}", **AGREES)
        for asked, answer in talks:
            tester.say(asked, answer)
        if compared:
            store.vote_on(tester.owner, _ended(tester)[0], Vote("left"))
        link = store.owner(tester.owner).link_id
        kind = "comparisons" if compared else "replies"
        new = NewQueue("Parcels", kind, QueueFilter(link_id=link))  # type: ignore[arg-type]
        return store.make_queue(operator, new).id


async def open_reviews(page: Page) -> None:
    await page.click("#wc-menu-button")
    await page.get_by_role("menuitem", name=EN["review.menu"]).click()
    await expect(page.locator(".wc-review-choices, .wc-review-empty").first).to_be_visible()


async def test_a_reviewer_judges_by_keys_and_writes_a_better_reply(app: AppProcess, chat: Chat) -> None:
    queued(app, ("Where is my parcel?", "No idea."), ("Thanks!", "You are **welcome**."), ("Hm", "Hm."))
    page = chat.page
    await page.reload()
    await chat.ready()
    await open_reviews(page)
    reply = page.locator(".wc-review-reply")
    await expect(reply).to_contain_text("Hm.")
    await page.keyboard.press("s")
    await expect(reply.locator("strong")).to_have_text("welcome")
    await page.keyboard.press("b")
    await expect(reply).to_contain_text("No idea.")
    await page.keyboard.press("z")
    await expect(reply.locator("strong")).to_have_text("welcome")
    await page.keyboard.press("a")
    await expect(reply).to_contain_text("No idea.")
    await expect(page.locator(".wc-review-note")).to_have_text("Saved: Accepted.")
    await expect(page.locator(".wc-review-progress")).to_contain_text("1 of 3 reviews · 1 by you")
    await page.keyboard.press("e")
    box = page.locator(".wc-review-better")
    await expect(box).to_be_focused()
    await box.press("Control+Enter")
    await expect(page.locator(".wc-review-note")).to_have_text(EN["review.unchanged"])
    await box.fill("It arrives tomorrow.")
    await box.press("Control+Enter")
    await expect(page.locator(".wc-review-empty")).to_have_text(EN["review.nothing"])
    with store_of(app) as store:
        said = {(one.rating, one.better) for one in store.usable()}
    assert said == {(1, ""), (0, "It arrives tomorrow.")}


async def test_a_reviewer_votes_on_a_phone(app: AppProcess, visitor: NewVisitor) -> None:
    queued(app, compared=True)
    context = await visitor(**PHONE)
    chat = await Chat(await context.new_page(), app.url).open()
    page = chat.page
    await page.click("#wc-sidebar-toggle")
    await open_reviews(page)
    await page.locator(".wc-compare-tabs button", has_text="B").click()
    await expect(page.locator(".wc-compare-side").last).to_be_in_viewport()
    await page.click('[data-do="right"]')
    await expect(page.locator(".wc-review-empty")).to_have_text(EN["review.done"])
    with store_of(app) as store:
        operator = store.local_owner().id
        assert [one.preferred for one in store.votes() if one.owner_id == operator] == ["right"]


async def test_without_a_queue_the_menu_has_no_reviews(app: AppProcess, chat: Chat) -> None:
    queued(app)
    with store_of(app) as store:
        operator = store.local_owner().id
        store.close_queue(operator, store.queues(operator).items[0].id)
    await chat.page.reload()
    await chat.ready()
    await chat.page.click("#wc-menu-button")
    await expect(chat.page.get_by_role("menuitem", name=EN["app.shortcuts"])).to_be_visible()
    assert await chat.page.get_by_role("menuitem", name=EN["review.menu"]).count() == 0
