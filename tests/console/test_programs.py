"""The tabs of keys and webhooks: what they list, make once, and end, and whom programs are then."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from tests.api.conftest import MakeSite
from tests.api.test_keys import client, code
from tests.console.test_handlers import caller, outside_of_gradio
from tests.store.talk import Talk
from webchat.console.programs.keys import COUNTS, Keys
from webchat.console.programs.webhooks import BUTTONS, Webhooks
from webchat.sharing import BadTerms
from webchat.store.errors import NotFound
from webchat.store.key_records import SCOPES
from webchat.store.webhook_records import EVENTS
from webchat.webhooks import BadWebhook, Sender

__all__ = ["outside_of_gradio"]

SCOPE_LIST = list(SCOPES)
NO_LIMITS = (0,) * len(COUNTS)


def rows(table: Any) -> list[list[str]]:
    return list(table.value["data"]) if table.visible else []


async def test_a_key_is_made_for_a_person_listed_and_revoked(
    make_site: MakeSite, outside_of_gradio: list[str]
) -> None:
    async with make_site() as site:
        keys, who = Keys(site.services), caller(site)
        assert (await keys.show(who, ""))[3].value.startswith("No API keys yet.")
        ada = site.store.add_person("password", "ada", "Ada", password_hash="x")
        offered = dict((await keys.find(who, ""))[0].choices)
        assert offered["Me"] == who.owner.id
        assert offered["Ada (ada)"] == ada.owner_id
        (found,) = (await keys.find(who, "ADA"))[0].choices
        assert found == ("Ada (ada)", ada.owner_id)

        token, choice, name = await keys.make(
            who, " nightly ", ada.owner_id, "7d", ["read"], ["echo"], False, 2, 0, 1
        )
        assert (choice.choices[0][1], name) == (choice.value, "")
        asked = client(site, token.value)
        assert (await asked.get("/api/me")).json()["owner"]["id"] == ada.owner_id
        own, *_ = await keys.make(who, "mine", who.owner.id, "never", SCOPE_LIST, [], True, *NO_LIMITS)
        assert (await client(site, own.value).get("/api/me")).json()["owner"]["id"] == who.owner.id

        listed = rows((await keys.show(who, ""))[0])
        assert [row[0] for row in listed] == ["mine", "nightly"]
        assert token.value not in str(listed)
        (row,) = rows((await keys.show(who, token.value))[0])
        assert row[:5] == ["nightly", "Ada", "read", "echo", "2 requests a minute, 1 at once"]
        said, button = await keys.about(who, row[-1])
        assert "keeps no chats" in said.value
        assert button.visible

        about, column, words = await keys.revoke(who, row[-1])
        assert (about, column.visible) == (row[-1], True)
        assert "“nightly” (Ada)?" in words.value
        # Another key was chosen meanwhile: none is revoked.
        await keys.revoke_now(who, listed[0][-1], about)
        assert (await asked.get("/api/me")).status_code == 200
        await keys.revoke_now(who, row[-1], about)
        assert outside_of_gradio[-1] == "The key “nightly” (Ada) is revoked."
        assert code(await asked.get("/api/me")) == (401, "key_revoked")
        assert rows((await keys.show(who, "nightly"))[0])[0][6] == "Revoked"
        assert not (await keys.about(who, row[-1]))[1].visible


async def test_a_key_that_cannot_be_is_not_made(make_site: MakeSite) -> None:
    async with make_site() as site:
        keys, who = Keys(site.services), caller(site)
        me = who.owner.id
        for name, whose, expires, scopes, models, stored, counts in (
            ("", me, "7d", SCOPE_LIST, [], True, NO_LIMITS),
            ("x", me, "soon", SCOPE_LIST, [], True, NO_LIMITS),
            ("x", me, "7d", [], [], True, NO_LIMITS),
            ("x", me, "7d", ["people"], [], True, NO_LIMITS),
            ("x", me, "7d", SCOPE_LIST, "echo", True, NO_LIMITS),
            ("x", me, "7d", SCOPE_LIST, [], "yes", NO_LIMITS),
            ("x", me, "7d", SCOPE_LIST, [], True, (-1, 0, 0)),
            ("x", me, "7d", SCOPE_LIST, [], True, ("many", 0, 0)),
        ):
            with pytest.raises(BadTerms):
                await keys.make(who, name, whose, expires, scopes, models, stored, *counts)
        guest, visitor = site.guest()[0], site.visitor()
        for whose in ("nobody", guest.id, visitor.id):
            with pytest.raises(NotFound):
                await keys.make(who, "x", whose, "7d", SCOPE_LIST, [], True, *NO_LIMITS)
        for nobody in (None, "", 5):
            with pytest.raises(gr.Error):
                await keys.make(who, "x", nobody, "7d", SCOPE_LIST, [], True, *NO_LIMITS)
        for nothing in (None, "", "x" * 65, 5):
            with pytest.raises(NotFound):
                await keys.revoke(who, nothing)  # type: ignore[arg-type]
        assert site.store.listed_keys().items == ()


async def test_a_webhook_is_added_tested_disabled_and_removed(
    make_site: MakeSite, outside_of_gradio: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[tuple[str, str]]()

    async def send(_self: Sender, _session: Any, webhook: Any, delivery: Any, _data: Any) -> None:
        told.append((webhook.url, delivery.event))

    async with make_site() as site:
        webhooks, who = Webhooks(site.services), caller(site)
        assert (await webhooks.show(who))[3].value.startswith("No webhooks yet.")
        for url in ("", "example.org", "http://example.org/", "https://10.0.0.1/", "https://a:b@example.org"):
            with pytest.raises(BadWebhook):
                await webhooks.add(who, url, [], False)
        with pytest.raises(BadWebhook):
            await webhooks.add(who, "https://example.org/", ["reply"], False)
        assert site.store.list_webhooks() == []

        secret, choice, url = await webhooks.add(
            who, " https://127.0.0.1.nip.io/hook ", ["vote.saved"], False
        )
        assert secret.value.startswith("whsec_")
        assert (choice.choices[0][1], url) == (choice.value, "")
        id = choice.value
        assert rows((await webhooks.show(who))[0])[0][:6] == [
            "https://127.0.0.1.nip.io/hook", "A comparison is voted on", "Never", "0", "0", "Active",
        ]  # fmt: skip
        monkeypatch.setattr(Sender, "send", send)
        await webhooks.test(who, id)
        assert told == [("https://127.0.0.1.nip.io/hook", "test")]
        assert outside_of_gradio[-1].endswith("received the test.")

        await webhooks.disable(who, id)
        _, *buttons = await webhooks.about(who, id)
        shown = {one.name for one, button in zip(BUTTONS, buttons, strict=True) if button.visible}
        assert shown == {"test", "enable", "remove"}
        assert rows((await webhooks.show(who))[0])[0][5] == "Disabled"
        await webhooks.enable(who, id)

        other = (await webhooks.add(who, "https://example.org/", [], True))[1].value
        assert site.store.webhook(other).events == EVENTS
        about, column, _ = await webhooks.remove(who, id)
        assert (about, column.visible) == (id, True)
        await webhooks.remove_now(who, other, about)
        assert len(site.store.list_webhooks()) == 2
        await webhooks.remove_now(who, id, about)
        assert [one.webhook.id for one in site.store.list_webhooks()] == [other]
        for nothing in (None, "", 5, id):
            with pytest.raises(NotFound):
                await webhooks.test(who, nothing)  # type: ignore[arg-type]


async def test_failures_of_webhooks_are_told_in_the_readers_language(make_site: MakeSite) -> None:
    async with make_site() as site:
        webhooks, who, reader = Webhooks(site.services), caller(site), caller(site, "zh-CN")
        hook = site.store.create_webhook("https://localhost/", "whsec_eA==", EVENTS)
        Talk(site.store, who.owner.id).say("Hello", "Hi")
        (one,) = site.store.claim_deliveries(hook.id, 10)
        site.store.not_delivered(one, "status 500", None)
        said, *_ = await webhooks.about(who, hook.id)
        assert "answered with status 500" in said.value
        assert "状态码 500" in (await webhooks.about(reader, hook.id))[0].value
        assert rows((await webhooks.show(who))[0])[0][3:6] == ["0", "1", "Failing"]
        # As earlier versions noted it.
        site.store.not_delivered(one, "answered with status 503", None)
        assert "answered with status 503" in (await webhooks.about(reader, hook.id))[0].value
        with pytest.raises(gr.Error, match="内网"):
            await webhooks.test(reader, hook.id)
        await webhooks.retry(who, hook.id)
        assert site.store.list_webhooks()[0].waiting == 1
