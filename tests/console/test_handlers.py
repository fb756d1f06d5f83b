"""The console's handlers as functions: what they change, and what they tell whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from tests.api.conftest import MakeSite, Site
from tests.store.talk import Talk
from webchat.console.asking import Caller, handler
from webchat.console.confirming import keep
from webchat.console.link_form import FIELDS, read_form, values_of
from webchat.console.links import COLUMNS, Links
from webchat.console.models import ModelTab
from webchat.console.page import TABS, create_console, opened
from webchat.console.people import BUTTONS, People
from webchat.console.testers import Testers as Conversations
from webchat.sentences import Language
from webchat.sharing import BadTerms
from webchat.store.errors import LastOperator, NotFound
from webchat.store.link_records import LinkTerms, Question
from webchat.store.records import Owner, OwnerKind


def asked(owner: Owner | None, language: str = "en") -> Request:
    state = {"owner": owner, "language": language}
    headers = [(b"host", b"chat.test")]
    return Request({"type": "http", "scheme": "http", "path": "/", "headers": headers, "state": state})


def caller(site: Site, language: Language = "en") -> Caller:
    owner = site.operating()
    return Caller(owner, language, asked(owner))


def form(**given: Any) -> list[Any]:
    """The form of a new link, with some fields filled in."""
    return [given.get(name, value) for name, value in zip(FIELDS, values_of(None), strict=True)]


@pytest.fixture(autouse=True)
def outside_of_gradio(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What notices said."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **_: said.append(text))
    return said


async def test_only_the_timer_of_the_tab_opened_last_runs(make_site: MakeSite) -> None:
    async with make_site() as site:
        who, timed = caller(site), ("links", "models")
        for name in (*TABS, None, ["links"]):
            timers = await opened(timed)(who, name)
            assert [one for one, timer in zip(timed, timers, strict=True) if timer.active] == (
                [name] if name in timed else []
            )
        blocks, _ = create_console(site.services)
        (switching,) = (one for one in blocks.fns.values() if one.fn and one.fn.__name__ == "open_tab")
        # Answers come in the order of the events, as one at a time is handled and none is left out.
        assert (switching.concurrency_limit, switching.trigger_mode) == (1, "multiple")


@pytest.mark.parametrize("kind", ["local", "operator", "member", "visitor", "guest", None])
async def test_a_handler_checks_the_role_of_each_call(kind: OwnerKind | None) -> None:
    called = []

    async def method(caller: Caller, value: str) -> str:
        called.append(caller.owner.kind)
        return value

    owner = None if kind is None else Owner("id", kind, "Ada", None, datetime.now(UTC))
    run = handler("operator", method)
    if kind in ("local", "operator"):
        assert await run(gr.Request(asked(owner)), "x") == "x"
    else:
        with pytest.raises(gr.Error):
            await run(gr.Request(asked(owner)), "x")
    assert called == ([kind] if kind in ("local", "operator") else [])


async def test_people_are_shown_found_and_changed(make_site: MakeSite, outside_of_gradio: list[str]) -> None:
    async with make_site() as site:
        people, who = People(site.services), caller(site)
        ada = site.store.add_person("password", "ada", "Ada", operates=True, password_hash="x")
        bob = site.store.add_person("https://id.example", "1", "Bob", "bob_1%@example.org")
        table, choice, _, note, *_ = await people.show(who, "")
        assert [row[-1] for row in table.value["data"]] == [bob.owner_id, ada.owner_id]
        assert [id for _, id in choice.choices] == [bob.owner_id, ada.owner_id]
        assert not note.visible
        found, *_ = await people.show(who, "B_1%")
        assert [row[-1] for row in found.value["data"]] == [bob.owner_id]
        assert (await people.show(caller(site, "zh-CN"), "%%"))[3].value == "没有找到用户。"

        await people.promote(who, bob.owner_id)
        await people.disable(who, bob.owner_id)
        assert outside_of_gradio[-1] == "bob_1%@example.org is disabled and signed out everywhere."
        changed = site.store.person(bob.owner_id)
        assert changed.operates
        assert changed.disabled_at
        _, *buttons = await people.about(who, bob.owner_id)
        shown = {one.name for one, button in zip(BUTTONS, buttons, strict=True) if button.visible}
        assert shown == {"demote", "enable", "remove"}
        with pytest.raises(LastOperator):
            await people.demote(who, ada.owner_id)
        with pytest.raises(LastOperator):
            await people.disable(who, ada.owner_id)
        await people.enable(who, bob.owner_id)
        await people.demote(who, ada.owner_id)
        assert not site.store.person(ada.owner_id).operates
        for nobody in (None, "", "x" * 65, 5, who.owner.id):
            with pytest.raises(NotFound):
                await people.sign_out(who, nobody)  # type: ignore[arg-type]


async def test_a_person_is_removed_with_their_chats_after_a_question(
    make_site: MakeSite, outside_of_gradio: list[str]
) -> None:
    async with make_site() as site:
        people, who = People(site.services), caller(site)
        ada = site.store.add_person("password", "ada", "Ada", operates=True, password_hash="x")
        bob = site.store.add_person("https://id.example", "1", "Bob", "bob@example.org")
        talk = Talk(site.store, bob.owner_id)
        talk.say("one", "1")
        talk.say("two", "2")
        asked, column, said = await people.remove(who, bob.owner_id)
        assert (asked, column.visible) == (bob.owner_id, True)
        assert "with 2 chats" in said.value
        # Another person was chosen meanwhile: nobody is removed.
        await people.remove_now(who, ada.owner_id, asked)
        assert site.store.person(bob.owner_id)
        assert not (await keep(who))[1].visible
        await people.remove_now(who, bob.owner_id, asked)
        assert outside_of_gradio[-1] == "bob@example.org is removed, with 2 chats."
        with pytest.raises(NotFound):
            site.store.person(bob.owner_id)
        assert not site.store.list_conversations(bob.owner_id).items
        with pytest.raises(LastOperator):
            await people.remove_now(who, ada.owner_id, ada.owner_id)
        for nobody in (None, "", 5, who.owner.id):
            with pytest.raises(NotFound):
                await people.remove(who, nobody)  # type: ignore[arg-type]


async def test_every_row_of_a_table_is_reached_page_by_page(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("people", "links", "testers"):
        monkeypatch.setattr(f"webchat.console.{room}.MOST_SHOWN", 2)
    async with make_site() as site:
        who = caller(site)
        link = None
        for number in range(5):
            site.store.add_person("https://id.example", f"{number}", f"Ada {number % 2}")
            link = site.store.create_link(f"Link {number % 2}", f"{number}", None, LinkTerms(consent="Yes."))
        assert link is not None
        guest = site.store.create_owner("guest", "T", link.id).id
        site.store.consent(guest, 1)
        for number in range(5):
            Talk(site.store, guest).say(f"hello {number % 2}", "x")
        tables: list[tuple[Any, list[Any], list[Any]]] = [
            (People(site.services), [""], ["ada 1"]),
            (Links(site.services), [""], ["LINK 1"]),
            (Conversations(site.services), [link.id, "", ""], [link.id, "hello", ""]),
        ]
        for room, every, some in tables:
            older: Any = room.older_chats if isinstance(room, Conversations) else room.older
            newer: Any = room.newer_chats if isinstance(room, Conversations) else room.newer
            for asked, count in ((every, 5), (some, 5 if isinstance(room, Conversations) else 2)):
                table, *_, place, back, on = await room.first(who, *asked)
                seen = [[row[-1] for row in table.value["data"]]]
                assert not back.visible
                while on.visible:
                    table, *_, place, back, on = await older(who, *asked, place)
                    seen.append([row[-1] for row in table.value["data"]])
                    assert back.visible
                found = [id for page in seen for id in page]
                assert len(found) == len(set(found)) == count
                for page in reversed(seen[:-1]):
                    table, *_, place, back, on = await newer(who, *asked, place)
                    assert [row[-1] for row in table.value["data"]] == page
                assert not back.visible


async def test_a_link_is_made_changed_copied_paused_and_revoked(make_site: MakeSite) -> None:
    async with make_site() as site:
        links, who = Links(site.services), caller(site)
        values = form(
            name="Support", expires="2w", messages=20, consent="We read.", models=["echo"],
            questions="Why?\nHow good? | 1-5 | bad | good\nColour? | red | blue",
            reply_questions="Kind? | 1-5",
        )  # fmt: skip
        url, picture, choice, *_ = await links.save(who, "", *values)
        link = site.store.list_links()[0]
        assert url.value.startswith("http://chat.test/t#wt1_")
        assert "data:image/svg+xml" in picture.value
        assert choice.value == link.id
        assert (link.name, link.terms.messages, link.terms.people) == ("Support", 20, None)
        assert link.terms.questions == (
            Question("q1", "Why?"),
            Question("q2", "How good?", "scale", ("bad", "good")),
            Question("q3", "Colour?", "choice", ("red", "blue")),
            Question("q4", "Kind?", "scale", per_reply=True),
        )

        editing, *rest = await links.change(who, link.id)
        assert editing == link.id
        filled = dict(zip(FIELDS, rest[3:], strict=True))
        assert filled["questions"] == "Why?\nHow good? | 1-5 | bad | good\nColour? | red | blue"
        assert filled["reply_questions"] == "Kind? | 1-5"
        filled |= {"name": "Helpdesk", "questions": "Colour? | red | blue\nNew?", "messages": 0}
        await links.save(who, link.id, *filled.values())
        changed = site.store.link(link.id)
        assert (changed.name, changed.terms.messages) == ("Helpdesk", None)
        assert changed.expires_at == link.expires_at
        await links.save(who, link.id, *{**filled, "expires": "2097-01-31"}.values())
        table, *_ = await links.show(who)
        assert table.value["data"][0][COLUMNS.index("expires")] == "2097-01-31"
        kept = [(one.id, one.text) for one in changed.terms.questions]
        assert kept == [("q3", "Colour?"), ("q5", "New?"), ("q4", "Kind?")]

        await links.pause(who, link.id)
        assert site.store.link(link.id).paused_at
        await links.reopen(who, link.id)
        again, _ = await links.duplicate(who, link.id)
        assert again.value != url.value
        await links.revoke(who, link.id)
        table, *_ = await links.show(who)
        assert [row[:2] for row in table.value["data"]] == [["Helpdesk", "Active"], ["Helpdesk", "Revoked"]]
        with pytest.raises(NotFound):
            await links.revoke(who, "Helpdesk")


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""}, {"name": 5, "models": "echo"}, {"messages": -1}, {"messages": 1.5}, {"language": "fr"},
        {"asks": ["x"]}, {"questions": "a\nb\nc\nd\ne\nf"}, {"questions": "a | one"}, {"template": "../x"},
        {"blind": True}, {"inspect": "yes"}, {"moderation_profile": "gone"}, {"moderation_profile": ["x"]},
    ],
    ids=str,
)  # fmt: skip
async def test_a_form_that_cannot_be_makes_no_link(make_site: MakeSite, given: dict[str, Any]) -> None:
    async with make_site() as site:
        with pytest.raises(BadTerms):
            await Links(site.services).save(caller(site), "", *form(**{"name": "L"} | given))
        assert site.store.list_links() == []


def test_a_form_with_fields_missing_is_refused() -> None:
    with pytest.raises(BadTerms):
        read_form(["x"])


async def test_a_console_that_opens_reads_only_the_tab_that_it_shows(make_site: MakeSite) -> None:
    """What a tab lists is read when it is selected. Looks at testers' judgements are logged, too."""
    async with make_site() as site:
        blocks, _ = create_console(site.services)
        loads = {
            one.fn.__name__
            for one in blocks.fns.values()
            if one.fn and "load" in {event for _, event in one.targets}
        }
        assert loads == {"tab_wanted", "offer", "wanted_chat", "named"}


async def test_a_model_that_the_address_names_is_chosen(make_site: MakeSite) -> None:
    async with make_site() as site:
        tab, who = ModelTab(site.services), caller(site)
        for name, chosen in (("echo", "echo"), ("other", None), ("", None)):
            scope = {"type": "http", "headers": [], "query_string": f"model={name}".encode()}
            found = await tab.named(replace(who, request=Request(scope)))
            assert getattr(found, "value", None) == chosen


async def test_models_are_listed_and_loaded(make_site: MakeSite) -> None:
    async with make_site() as site:
        tab, who = ModelTab(site.services), caller(site)
        table, choice = await tab.show(who)
        assert [row[0] for row in table.value["data"]] == ["echo"]
        assert [name for name, _ in choice.choices] == ["echo"]
        await tab.load(who, "echo")
        assert site.models.info("echo").status == "ready"
        with pytest.raises(gr.Error):
            await tab.load(who, "nothing")
