"""What is blocked, masked and flagged is so at every door a text comes in by (`doors`).

A route that takes a text and is in no table fails the last test: a new door is put through the pipeline
first, and then gets its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from backends.echo import EchoBackend, Step
from backends.types import Request
from tests.api.conftest import MakeSite, Site
from tests.api.doors import (
    BLOCKED,
    EVERY,
    FLAGGED,
    MASKED,
    QUESTION,
    ROWS,
    Enter,
    Row,
    World,
    copied_share,
    first_system_prompt,
    imported_template,
    moderation,
    new_template,
    review_of_anothers_reply,
    send,
    title_by_model,
)
from tests.api.test_access import REST
from webchat.api import routes
from webchat.moderation import Decision, OpenGates
from webchat.moderation.verdicts import PROFILE_MISSING, Stage
from webchat.turns.titles.making import INSTRUCTION

NOT_DOORS = {
    ("POST", "/api/imports"): "takes the name of a file, which no model and nobody else reads",
    ("PUT", "/api/imports/{id}/data"): "a file, moderated as it is stored (tests/imports/test_moderated.py)",
    ("POST", "/api/imports/{id}/start"): "takes no text",
    ("POST", "/api/conversations/{id}/restore"): "takes no text",
    ("POST", "/api/messages/{id}/restore"): "takes no text",
    ("POST", "/api/messages/{id}/activate"): "takes no text",
    (
        "POST",
        "/api/messages/{id}/stop",
    ): "takes no text; what was held passes the gate (tests/turns/test_gate.py)",
    ("PUT", "/api/messages/{id}/rating"): "takes a number",
    ("POST", "/api/comparisons/{id}/continue"): "takes no text",
    ("POST", "/api/judgements/review"): "an operator's own",
    ("POST", "/api/queues"): "an operator's own",
    ("POST", "/api/queues/{id}/next"): "takes no text",
    ("PUT", "/api/me/training"): "takes no text",
    ("POST", "/api/me/keys"): "takes the name of a key, which no model and nobody else reads",
    ("POST", "/api/templates/{id}/restore"): "takes no text",
    ("POST", "/api/moderation/try"): "an operator's, and keeps nothing",
    ("POST", "/api/conversations/take-over"): "takes no text",
    ("POST", "/api/models/retry"): "takes no text",
    ("POST", "/api/links"): "an operator's own",
    ("PATCH", "/api/links/{id}"): "an operator's own",
    ("POST", "/api/links/{id}/duplicate"): "an operator's own",
    ("POST", "/api/links/{id}/revoke"): "takes no text",
    ("POST", "/api/consent"): "takes a number",
    ("POST", "/api/handover"): "takes no text",
    ("POST", "/api/handover/redeem"): "takes a code, and keeps nothing of it",
    ("PATCH", "/api/me"): "takes a person's own name, which no model and nobody else reads",
    ("PUT", "/api/me/password"): "takes passwords, and keeps a hash",
    ("POST", "/api/sign-out"): "takes no text",
    ("POST", "/s/{id}"): "takes a password, and keeps nothing of it",
    ("POST", "/sign-in/password"): "takes a name and a password, and keeps nothing of them",
    ("POST", "/t/redeem"): "takes a token, and keeps nothing of it",
    ("POST", "/t/switch"): "takes an id",
    ("POST", "/v1/chat/completions"): "nothing of it is kept: tests/api/v1/test_chat.py",
    ("POST", "/v1/responses"): "the same call in other words",
    ("POST", "/v1/messages"): "the same call in other words",
    ("POST", "/v1/moderations"): "takes texts to look at, and keeps nothing of them",
    ("POST", "/v1/completions"): "the same call of a bare prompt: tests/api/v1/test_completions.py",
    ("POST", "/v1/embeddings"): "refused",
    ("PUT", "/api/chat-templates"): "an operator's own",
    ("PUT", "/api/chat-templates/{model:path}"): "an operator's own",
    ("POST", "/api/chat-templates/preview"): "an operator's own",
    ("POST", "/api/chat-templates/{model:path}/preview"): "an operator's own",
}


@pytest.fixture
def world(make_site: MakeSite, tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def make(
        stages: Sequence[Stage] = EVERY, profile: str = "", guest: str = "", **options: Any
    ) -> Any:
        told: list[Decision] = []
        at: World

        def script(request: Request) -> Iterable[Step]:
            return [at.titles] if request.messages[-1].text.startswith(INSTRUCTION) else list(at.says)

        backend = EchoBackend(script=script)
        options.setdefault("gates", moderation(told, *stages, profile=profile))
        async with make_site(backend, **options) as site:
            asked: dict[str, Any] = {"asks": ["thumbs", "better_answer"], "shares": True}
            asked["questions"] = [QUESTION]
            who = site.guest(moderation_profile=guest, **asked)[0] if guest else site.visitor()
            at = World(site, site.client(who), backend, tmp_path / "chat.db", told)
            yield at

    return make


def titled(row: Row) -> bool:
    return row.enter is title_by_model


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_what_is_blocked_comes_in_by_no_door(world: Any, row: Row) -> None:
    async with world(titles=titled(row)) as at:
        await row.enter(at, f"So, the {BLOCKED} begins")
        assert at.state in ("message_blocked", "blocked")
        for where in ("".join(at.wire), at.stored(), at.sent()):
            assert BLOCKED not in where
            assert "begins" not in where
        assert {(one.context.stage, one.finding.action) for one in at.told} == {(row.stage, "block")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_what_is_masked_is_so_behind_every_door(world: Any, row: Row) -> None:
    async with world(titles=titled(row)) as at:
        await row.enter(at, f"call {MASKED} now")
        assert at.state not in ("message_blocked", "blocked")
        everywhere = "".join([*at.wire, at.stored(), at.sent()])
        assert MASKED not in everywhere
        assert MASKED[4:] not in everywhere
        assert "<phone>" in at.stored()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_what_is_flagged_is_told_of_at_every_door(world: Any, row: Row) -> None:
    async with world(titles=titled(row)) as at:
        await row.enter(at, f"some {FLAGGED} then")
        assert at.state not in ("message_blocked", "blocked")
        if row.kept:
            assert FLAGGED in at.stored()
        assert row.stage in {one.context.stage for one in at.told if one.finding.rule == "talk"}


# A tester has no share to continue and reviews nothing, and whoever may send nothing has no reply to edit.
OF_GUESTS = [row for row in ROWS if row.enter not in (copied_share, review_of_anothers_reply)]
AT_FIRST = [send, first_system_prompt, new_template, imported_template]


@pytest.mark.parametrize("row", OF_GUESTS, ids=lambda row: row.name)
async def test_the_rules_of_a_links_profile_are_at_every_door(world: Any, row: Row) -> None:
    async with world(titles=titled(row), profile="study", guest="study") as at:
        await row.enter(at, f"So, the {BLOCKED} begins")
        assert at.state in ("message_blocked", "blocked")
        assert BLOCKED not in "".join([*at.wire, at.stored(), at.sent()])
        assert {(one.context.stage, one.finding.action) for one in at.told} == {(row.stage, "block")}


async def test_the_rules_of_a_profile_are_for_nobody_else(world: Any) -> None:
    async with world(profile="study") as at:
        at.says = ["Fine."]
        await at.turn(kind="send", text=f"So, the {BLOCKED} begins")
        assert at.state == "complete"


@pytest.mark.parametrize("enter", AT_FIRST, ids=lambda enter: enter.__name__)
@pytest.mark.parametrize("rules", [True, False], ids=["others", "none"])
async def test_without_its_profile_nothing_of_a_link_passes(world: Any, enter: Enter, rules: bool) -> None:
    options = {} if rules else {"gates": OpenGates()}
    async with world(guest="gone", **options) as at:
        answers = []

        async def call(method: str, path: str, body: Any) -> Any:
            answers.append(await at.client.request(method, path, json=body))

        at.call = call
        await enter(at, "Hello harmless")
        (answer,) = answers
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "link_profile_missing")
        assert "harmless" not in at.stored()
        assert not at.backend.requests


async def test_a_reply_is_withheld_where_its_links_profile_went_missing(world: Any) -> None:
    async with world(profile="study", guest="study") as at:
        begun = await at.calm()
        at.site.services.review._gates.profiles.clear()
        body = {"kind": "regenerate", "client_key": "again", "message_id": begun["reply"]["id"]}
        again = (await at.client.post("/api/turns", json=body)).json()
        message = await at.site.ended(at.client, again["reply"]["id"])
        assert (message["state"], message["failure"]["code"]) == ("blocked", "blocked")
        assert message["failure"]["message"] == PROFILE_MISSING.sentence
        assert not at.backend.requests


@pytest.mark.parametrize(
    "text", [f"You know of the {BLOCKED}.", f"You can call {MASKED}.", f"You like {FLAGGED}."]
)
async def test_a_system_prompt_of_the_house_passes_the_stage_prompt(world: Any, text: str) -> None:
    async with world(["prompt"], system_prompt=text) as at:
        at.says = ["Fine."]
        await at.turn(kind="send", text="Hello")
        if BLOCKED in text:
            assert at.state == "blocked"
            assert at.backend.requests == [], "nothing is sent"
        else:
            assert at.state == "complete"
            assert at.backend.requests[0].messages[0].text == text.replace(MASKED, "<phone>")
        assert {one.context.stage for one in at.told} == {"prompt"}


async def test_what_was_stored_under_other_rules_is_masked_on_its_way_to_a_model(world: Any) -> None:
    async with world(["prompt"]) as at:
        at.says = ["Fine."]
        begun = await at.turn(kind="send", text=f"call {MASKED} now")
        assert MASKED in at.stored(), "these rules look only at what is sent"
        await at.turn(kind="regenerate", message_id=begun["reply"]["id"])
        assert MASKED not in at.sent()
        assert at.sent().count("<phone>") == 2


def test_every_route_that_takes_a_text_has_a_row(site: Site) -> None:
    taking = {
        (method, route.path)
        for route in routes(site.services)
        if isinstance(route, Route) and route.path not in REST
        for method in route.methods or ()
        if method in ("POST", "PUT", "PATCH")
    }
    rows = {covered for row in ROWS for covered in row.routes}
    assert taking <= rows | NOT_DOORS.keys(), "give the new door a row"
    assert not rows & NOT_DOORS.keys()
