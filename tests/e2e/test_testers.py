"""Operators read in the console what a link's testers agreed to show."""

from __future__ import annotations

from base64 import b64decode

from playwright.async_api import expect

from backends.types import Media
from tests.app_process import AppProcess
from tests.e2e.chat import NewVisitor, until
from tests.e2e.test_visitors import store_of
from tests.store.talk import Talk
from webchat.store.link_records import LinkTerms

HOSTILE = (
    '<img src=x onerror="window.__pwn = 1"><script>window.__pwn = 2</script>'
    "<svg onload='window.__pwn = 3'> &lt;b&gt; ![p](https://elsewhere.example/p.png)"
)
PICTURE = Media(
    "a" * 16,
    "image/png",
    b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    ),
)
"""One pixel."""
LINKS = "[l](javascript:window.__pwn=4) <a href='javascript:window.__pwn=5'>m</a> <iframe src='/x'></iframe>"


async def test_an_operator_reads_what_a_tester_wrote_and_saw(app: AppProcess, visitor: NewVisitor) -> None:
    with store_of(app) as store:
        link = store.create_link("Readers", "hash", None, LinkTerms(consent="We read what you write."))
        tester = Talk(store, store.create_owner("guest", link.name, link.id).id)
        store.consent(tester.owner, 1)
        tester.say(
            f"a heron? {HOSTILE}", f"**Yes**, a `heron`.\n\n```\none\n\ntwo\n```\n\n{HOSTILE}\n\n{LINKS}"
        )
        begun = tester.begin("draw it")
        store.keep_media(begun.reply.id, PICTURE)
        tester.finish(begun.reply.id, f"![a heron](data:image/png;size=70;id={PICTURE.name},)")
        Talk(store, store.create_owner("guest", link.name, link.id).id).say("nobody's business", "no")
    context = await visitor(bypass_csp=True)
    page = await context.new_page()
    elsewhere = list[str]()
    page.on("request", lambda request: elsewhere.append(request.url))
    await page.goto(f"{app.url}/operator/")
    await page.get_by_role("tab", name="Conversations").click()
    table = page.locator("#wc-testers-table")
    await expect(table.get_by_text("a heron?").last).to_be_visible()
    await expect(table.get_by_text("nobody's business")).to_have_count(0)

    await table.get_by_text("a heron?").last.click()
    messages = page.locator("#wc-testers-messages")
    await expect(messages.get_by_text(HOSTILE).first).to_be_visible()
    await expect(messages.locator("strong", has_text="Yes")).to_be_visible()
    assert (await messages.locator("pre code").inner_text()).strip() == "one\n\ntwo"
    assert (
        await messages.locator("img, script, iframe, [onerror], [onload], [href^='javascript']").count() == 0
    )
    await table.get_by_text("draw it").last.click()
    picture = messages.locator(".wc-media img")
    await expect(picture).to_be_visible()
    await until(page, "() => document.querySelector('#wc-testers-messages img')?.naturalWidth === 1")
    await table.get_by_text("a heron?").last.click()
    await expect(messages.get_by_text(HOSTILE).first).to_be_visible()
    await page.locator("#wc-testers-note textarea").fill("look again")
    await page.locator("#wc-testers-tags input, #wc-testers-tags textarea").fill("birds, wrong")
    await page.locator("#wc-testers-save").click()
    await expect(table.get_by_text("birds, wrong").last).to_be_visible()
    await page.locator("#wc-testers-log button").first.click()
    await expect(page.locator("#wc-testers-log").get_by_text("Read a conversation").last).to_be_visible()

    assert await page.evaluate("window.__pwn") is None
    assert all(url.startswith((app.url, "data:", "blob:")) for url in elsewhere)
    with store_of(app) as store:
        actions = [look.action for look in store.looks(link_id=link.id).items]
        assert actions == ["note", "read", "read", "list"]
