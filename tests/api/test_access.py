"""Every route for every kind of caller. A route without a row here fails the first test."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from backends.echo import EchoBackend
from tests.api.conftest import CANARY, SECRET, MakeSite, Site
from webchat.api import routes
from webchat.api.routes import MCP, TABLE
from webchat.auth import Door, DoorSettings, Identities
from webchat.models import ModelSpec
from webchat.settings.fields import OWN_PATHS
from webchat.store.records import ConversationSettings, FinishedTurn, NewSide, NewTurn
from webchat.store.share_records import NewShare, SharedMessage

SHOWN = {"id": "x", "changed_at": "2026-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Row:
    """A route as its owner calls it. guest: the status for one, where others get another. own: the status for
    whoever the ids belong to. foreign: for anybody else who is let in; the same as `own` where the route
    speaks of nothing of theirs. member: for members and operators, where it is theirs alone. operates: for
    the operator and the local owner where it is theirs alone, whoever the ids belong to."""

    method: str
    path: str
    own: int
    foreign: int = 404
    stranger: int = 401
    operates: int | None = None
    person: int | None = None
    foreign_person: int | None = None
    guest: int | None = None
    member: int | None = None
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def theirs(self, kind: str) -> int | None:
        """The status for a kind of caller where it is theirs alone. chief: an operator who signed in."""
        if kind in ("operator", "chief", "local"):
            return self.operates or self.member
        if kind == "member":
            return self.member
        return self.guest if kind == "guest" else None

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path


C, R, T = "/api/conversations/{id}", "/api/messages/{id}", "/api/templates/{id}"
COMPARED = "/api/comparisons/{id}"
CANARY_WORDS = "from the owner"
CALL = {"model": "echo", "messages": [{"role": "user", "content": "Hello there"}]}
REST = ("/api/{rest:path}", "/v1", "/v1/{rest:path}")
"""Where nothing is, by any method."""
NOBODYS = "00000000-0000-7000-8000-000000000000"
"""An id of nothing."""

TEMPLATE = {
    "name": f"Name {CANARY_WORDS}",
    "description": f"About {CANARY_WORDS}",
    "user": f"Hello {CANARY_WORDS}'s template to {{{{ who }}}}",
    "system": f"System {CANARY_WORDS}'s template",
    "variables": [{"name": "who", "default": f"Default {CANARY_WORDS}"}],
}
ROWS = [
    Row("GET", "/api/me", 200, 200),
    Row("GET", "/api/models", 200, 200),
    Row("POST", "/api/models/retry", 200, 200, body={"name": "echo"}),
    Row("GET", "/api/search", 200, 200, query={"q": "Hello"}),
    Row("GET", "/api/conversations", 200, 200),
    Row("GET", "/api/export", 200, 200),
    # Of another's replies it tells that there is nothing.
    Row("GET", "/api/events", 200, 200, query={"wait": "0", "reply": "{reply}:0"}),
    Row("GET", C, 200),
    Row("PATCH", C, 200, body={"title": "New"}),
    Row("GET", C + "/export", 200),
    Row("GET", R, 200),
    Row("GET", R + "/inspect", 200),
    # The echo model sends none: what there is has its own test (test_media.py).
    Row("GET", R + "/media/{name}", 404),
    Row("GET", R + "/events", 200),
    Row("POST", R + "/stop", 202, body={}),
    Row("POST", R + "/activate", 200, body={}),
    Row("POST", R + "/edit", 200, body={"text": "Better"}),
    Row("PUT", R + "/rating", 200, body={"value": 1}),
    Row("GET", R + "/judgement", 200),
    Row("PUT", R + "/judgement", 200, body={"comment": "So"}),
    Row("DELETE", R + "/judgement", 204),
    Row(
        "POST",
        "/api/turns",
        201,
        body={
            "kind": "regenerate",
            "message_id": "{reply}",
            "conversation_id": "{id}",
            "client_key": "again",
        },
    ),
    Row("GET", COMPARED, 200),
    Row("POST", COMPARED + "/vote", 200, body={"preferred": "left"}),
    Row("POST", COMPARED + "/continue", 200, body={"side": "right"}),
    Row("GET", "/api/shares", 200, 200),
    Row("POST", "/api/shares", 201, body={"conversation_id": "{id}"}, guest=403),
    # Whoever has the id of a share has been given it.
    Row("POST", "/api/shares/{id}/copy", 403, 403, body={}),
    Row("PATCH", "/api/shares/{id}", 200, body={"days": 7}),
    Row("DELETE", "/api/shares/{id}", 204),
    # Of everybody who has the address (tests/api/test_shares.py).
    Row("GET", "/s/{id}", 404, 404, 404, url="/s/unknown"),
    Row("POST", "/s/{id}", 404, 404, 404, url="/s/unknown"),
    Row("GET", "/s/{id}/media/{name}", 404, 404, 404, url="/s/unknown/media/aaaaaaaaaaaaaaaa"),
    Row("DELETE", R, 200),
    Row("POST", R + "/restore", 200, body={}),
    Row("DELETE", C, 204),
    Row("POST", C + "/restore", 200, body={}),
    Row("GET", "/api/trash", 200, 200),
    Row("DELETE", R, 200),
    Row("DELETE", "/api/trash/messages/{id}", 204),
    Row("DELETE", C, 204),
    Row("DELETE", "/api/trash/conversations/{id}", 204),
    Row("DELETE", "/api/trash", 204, 204),
    Row("DELETE", "/api/conversations", 200, 200),
    Row("GET", C + "/origin", 404),  # it was not imported
    Row("GET", "/api/imports", 200, 200),
    Row("POST", "/api/imports", 201, 201, guest=403, body={"name": "x.zip", "size": 5}),
    Row("GET", "/api/imports/{id}", 200),
    Row("PUT", "/api/imports/{id}/data", 415, guest=403, body={}),
    Row("POST", "/api/imports/{id}/start", 200, guest=403, body={}),
    Row("DELETE", "/api/imports/{id}", 204),
    # The operator's own: whoever else is let in finds nothing there.
    Row("POST", "/api/conversations/take-over", 404, body={"giver": "{giver}"}),
    Row("GET", "/api/moderation", 404, operates=200),
    Row("POST", "/api/moderation/try", 404, body={"last": 5, "stage": "input"}, operates=200),
    Row("GET", "/api/moderation/decisions", 404, operates=200),
    Row("GET", "/api/moderation/decisions/export", 404, operates=200),
    Row("GET", "/api/moderation/counts", 404, operates=200),
    # The echo model is asked with messages, so its template is nobody's here.
    Row("GET", "/api/chat-templates/{model:path}", 404, url="/api/chat-templates/echo", operates=400),
    Row(
        "PUT",
        "/api/chat-templates/{model:path}",
        404,
        body={"text": None},
        url="/api/chat-templates/echo",
        operates=400,
    ),
    Row(
        "POST",
        "/api/chat-templates/{model:path}/preview",
        404,
        body={"text": "x"},
        url="/api/chat-templates/echo/preview",
        operates=400,
    ),
    Row("GET", "/api/templates", 200, 200),
    Row("POST", "/api/templates", 201, 201, body={"content": {"name": "New", "user": "Hi"}}),
    Row("POST", "/api/templates/render", 200, body={"id": "{template}", "values": {}}),
    Row(
        "POST",
        "/api/templates/import",
        201,
        201,
        body={"text": "webchat_template: 1\nname: New\nuser: Hi\n"},
    ),
    Row("GET", T, 200),
    Row("GET", T + "/versions", 200),
    Row("GET", T + "/versions/{number:int}", 200),
    Row("GET", T + "/export", 200),
    Row("POST", T + "/duplicate", 201, body={}),
    Row("PUT", T, 200, body={"content": {"name": "Other", "user": "Hi"}, "based_on": 1}),
    Row("DELETE", T, 204),
    Row("POST", T + "/restore", 200, body={}),
    Row("GET", "/api/judgements", 404, operates=200),
    Row(
        "POST",
        "/api/judgements/review",
        404,
        operates=200,
        body={"shown": [SHOWN], "state": "accepted"},
    ),
    Row("GET", "/api/replays/{id}/report", 404, operates=404),
    Row("GET", "/api/queues", 404, operates=200),
    Row("POST", "/api/queues", 404, operates=201, body={"name": "First"}),
    Row("DELETE", "/api/queues/{id}", 404, operates=404),
    # Of members, too (test_queues.py).
    Row("GET", "/api/reviews", 404, member=200),
    Row("POST", "/api/queues/{id}/next", 404, member=404, body={}),
    Row("PUT", "/api/reviews/{id}", 404, member=404, body={"verdict": "skip"}),
    Row("DELETE", "/api/reviews/{id}", 404, member=404),
    Row("GET", "/api/judgements/exports/{id}", 404, operates=404),
    Row("GET", "/api/links", 404, operates=200),
    Row("POST", "/api/links", 404, body={"name": "testers"}, operates=201),
    Row("GET", "/api/links/{id}", 404, operates=404),
    Row("PATCH", "/api/links/{id}", 404, operates=404, body={"paused": True}),
    Row("POST", "/api/links/{id}/duplicate", 404, operates=404, body={}),
    Row("POST", "/api/links/{id}/revoke", 404, operates=404),
    Row("GET", "/api/links/{id}/answers", 404, operates=200),
    Row("GET", "/api/testers/{id}/media/{name}", 404, operates=404),
    # Of guests of a tester link. This one asks for no consent.
    Row("GET", "/api/link", 404, guest=200),
    Row("POST", "/api/consent", 404, body={"version": 1}, guest=409),
    Row("POST", "/api/answers", 404, body={"answers": {}}, guest=204),
    Row("POST", "/api/handover", 404, guest=201),
    Row("POST", "/api/handover/redeem", 404, body={"code": "23456-23456"}, stranger=404),
    # Of somebody who signed in; whoever came otherwise finds nothing (as whom: test_roles.py).
    Row("GET", "/api/me/keys", 404, member=200),
    Row("POST", "/api/me/keys", 404, member=201, body={"name": "ci"}),
    Row("DELETE", "/api/me/keys/{id}", 404, member=404),
    Row("PATCH", "/api/me", 404, body={"name": "Ada"}, person=200),
    Row("PUT", "/api/me/password", 404, body={"current": "x", "new": "quite another one"}, person=403),
    Row("PUT", "/api/me/training", 404, body={"trains": True}, person=204),
    Row("GET", "/api/me/sessions", 404, person=200),
    Row("DELETE", "/api/me/sessions/{id}", 404, person=204, foreign_person=404),
    Row("DELETE", "/api/me/sessions", 404, person=204),
    Row("POST", "/api/sign-out", 409, 409, person=204),
    Row("GET", "/sign-in/start/{key}", 404, 404, 404, url="/sign-in/start/oidc"),
    Row("GET", "/sign-in/callback", 404, 404, 404),
    Row("POST", "/sign-in/password", 404, 404, 404, body={"name": "ada", "password": "x"}),
    Row("POST", "/t/redeem", 404, 404, 404, body={"token": "wt1_wrong"}),
    Row("POST", "/t/switch", 404, 404, 404, body={"id": "nobody"}),
    Row("GET", "/api/openapi.json", 404, operates=200),
    Row("GET", "/healthz", 200, 200, 200),
    Row("GET", "/readyz", 200, 200, 200),
    Row("GET", "/healthz/stream", 200, 200, 200),
    Row("GET", "/metrics", 404, operates=200),
    Row("GET", "/api/{rest:path}", 404, 404, 401, url="/api/no/such/thing"),
    Row("POST", "/v1/chat/completions", 200, 200, body=CALL),
    Row("POST", "/v1/responses", 200, 200, body={"model": "echo", "input": "Hello there"}),
    Row("POST", "/v1/messages", 200, 200, body={**CALL, "max_tokens": 10}),
    Row("POST", "/v1/moderations", 200, 200, body={"input": "Hello there"}, guest=403),
    Row("POST", "/v1/completions", 200, 200, body={"model": "echo", "prompt": "Hello there"}),
    Row("POST", "/v1/embeddings", 404, 404, body={"input": "x"}),
    Row("GET", "/v1/models", 200, 200),
    Row("GET", "/v1/models/{id:path}", 200, 200, url="/v1/models/echo"),
    Row("GET", "/v1", 404, 404),
    Row("GET", "/v1/{rest:path}", 404, 404, url="/v1/no/such/thing"),
]


def test_every_route_has_a_row(site: Site) -> None:
    made = {
        (method, route.path)
        for route in routes(site.services)
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD" and not (route.path in REST and method != "GET")
    }
    assert made == {row.key for row in ROWS}


async def _call(site: Site, client: Any, row: Row, ids: dict[str, str]) -> Any:
    of = (
        "reply"
        if row.path.startswith((R, "/api/trash/messages"))
        else "template"
        if row.path.startswith(T)
        else "session"
        if row.path.startswith("/api/me/sessions")
        else "comparison"
        if row.path.startswith(COMPARED)
        else "share"
        if row.path.startswith("/api/shares/")
        else "import"
        if row.path.startswith("/api/imports/")
        else "id"
    )
    url = (row.url or row.path).replace("{number:int}", "1").replace("{id}", ids.get(of, NOBODYS))
    body = row.body
    if isinstance(body, dict):
        body = {k: v.format(**ids) if isinstance(v, str) else v for k, v in body.items()}
    query = {name: value.format(**ids) for name, value in row.query.items()}
    return await client.request(row.method, url, json=body, params=query)


async def _ids(site: Site, client: Any) -> dict[str, str]:
    settings = {"system_prompt": f"Prompt {CANARY_WORDS}"}
    begun = await site.send(client, f"Hello {CANARY_WORDS}", settings=settings)
    await site.ended(client, begun["reply"]["id"])
    title = {"title": f"Title {CANARY_WORDS}"}
    await client.patch(f"/api/conversations/{begun['conversation']['id']}", json=title)
    template = (await client.post("/api/templates", json={"content": TEMPLATE})).json()
    return {
        "id": begun["conversation"]["id"],
        "reply": begun["reply"]["id"],
        "user": begun["user"]["id"],
        "template": template["id"],
        "share": share(site, begun["conversation"]["id"]),
        "comparison": comparison(site, begun["conversation"]["id"], begun["reply"]["id"]),
        "giver": site.visitor("Eve").id,
        "session": NOBODYS,
        "import": site.store.begin_file_import(
            _owner_of(site, begun["conversation"]["id"]), f"File {CANARY_WORDS}", 9
        ).id,
    }


def _owner_of(site: Site, conversation: str) -> str:
    with site.store.transaction(write=False) as connection:
        query = "SELECT owner_id FROM conversations WHERE id = ?"
        return str(connection.exec_driver_sql(query, (conversation,)).scalar())


def comparison(site: Site, conversation: str, reply: str) -> str:
    """Two replies to one message of this conversation, on a branch that is not shown."""
    owner = _owner_of(site, conversation)
    side = NewSide("echo", "echo", ConversationSettings(model="echo"))
    new = NewTurn(conversation, None, f"Which, {CANARY_WORDS}?", secrets.token_hex(8), "echo")
    begun = site.store.begin_comparison(owner, new, side, side)
    for one in begun.sides or ():
        site.store.write_batch((), [FinishedTurn(one.reply.id, "complete")])
    site.store.activate(owner, reply)
    return begun.reply.compared.id if begun.reply.compared else ""


def share(site: Site, conversation: str) -> str:
    """A share of this conversation."""
    owner = _owner_of(site, conversation)
    said = SharedMessage("user", f"Shared {CANARY_WORDS}", "complete", datetime.now(UTC))
    new = NewShare(secrets.token_urlsafe(24), conversation, "Shared", (said,))
    return site.store.create_share(owner, new).id


def local_client(site: Site) -> httpx.AsyncClient:
    """The local owner, of a start without links over the same database."""
    settings = DoorSettings(access="local", secret=SECRET)
    identities = Identities(site.store, settings)
    services = replace(site.services, identities=identities)
    door = Door(Starlette(routes=routes(services)), identities=identities, settings=settings)
    return site.client(None, base_url="http://localhost", transport=httpx.ASGITransport(door))


@pytest.mark.parametrize("kind", ["visitor", "guest", "operator", "local"])
async def test_owners_reach_what_is_theirs(site: Site, kind: str) -> None:
    clients = {
        "visitor": lambda: site.client(site.visitor()),
        "guest": lambda: site.client(site.guest(shares=True)[0]),
        "operator": lambda: site.client(site.operating()),
        "local": lambda: local_client(site),
    }
    client = clients[kind]()
    ids = await _ids(site, client)
    for row in ROWS:
        answer = await _call(site, client, row, ids)
        theirs = None if row.key == ("POST", "/api/shares") else row.theirs(kind)  # this link lets them
        assert answer.status_code == (theirs or row.own), (row.key, answer.text)
        for secret in (CANARY, SECRET, site.start.token):
            assert secret not in answer.text, row.key


async def test_guests_of_one_link_cannot_tell_each_others_from_nothing(site: Site) -> None:
    """All others: tests/api/test_roles.py."""
    owner, link = site.guest(shares=True)
    ids = await _ids(site, site.client(owner))
    client = site.client(site.store.create_owner("guest", "testers", link.id))
    nothing = dict.fromkeys(ids, NOBODYS)
    for row in ROWS:
        # Their link lets both share.
        theirs = None if row.key == ("POST", "/api/shares") else row.theirs("guest")
        foreign = await _call(site, client, row, ids)
        assert foreign.status_code == (theirs or row.foreign), (row.key, foreign.text)
        assert CANARY_WORDS not in foreign.text, row.key
        if theirs is None and row.foreign == 404:
            missing = await _call(site, client, row, nothing)
            assert missing.status_code == 404
            assert missing.text == foreign.text
    left = (await site.client(owner).get(f"/api/conversations/{ids['id']}")).json()
    assert left["conversation"]["title"] == f"Title {CANARY_WORDS}"
    assert len(left["messages"]) == 2


async def test_strangers_get_nothing(site: Site) -> None:
    ids = await _ids(site, site.client(site.visitor()))
    client = site.client(None)
    for row in ROWS:
        answer = await _call(site, client, row, ids)
        assert answer.status_code == row.stranger, (row.key, answer.text)
        assert CANARY_WORDS not in answer.text


async def test_the_local_owner_is_let_in_without_questions(make_site: MakeSite) -> None:
    async with make_site(access="local") as site:
        client = site.client(None, base_url="http://localhost:7860")
        me = (await client.get("/api/me")).json()
        assert me["owner"]["kind"] == "local"
        assert (await site.send(client))["conversation"]["id"]


async def test_a_cookie_never_makes_anybody_the_local_owner(site: Site) -> None:
    client = site.client(site.store.local_owner())
    assert (await client.get("/api/me")).status_code == 401


def test_no_secret_is_in_what_is_logged_of_services(site: Site) -> None:
    assert SECRET not in repr(site.services)
    assert site.start.token not in repr(site.services)


HOUSE = '  You are Zebedee, the house\'s own. Say "nothing" of\nthis.  '
PLACE = "/srv/models/hidden-place"


@pytest.mark.parametrize(("kind", "system_role"), [("visitor", False), ("guest", True)])
async def test_guests_read_no_prompt_and_no_place_of_the_operators_by_any_route(
    make_site: MakeSite, kind: str, system_role: bool
) -> None:
    backend = EchoBackend(script=["Fine."])
    backend.capabilities = replace(backend.capabilities, system_role=system_role)
    spec = ModelSpec(name="echo", kind="echo", source=PLACE, system_prompt=HOUSE)
    async with make_site(backend, spec=spec) as site:
        owner = site.visitor() if kind == "visitor" else site.guest()[0]
        client = site.client(owner)
        begun = await site.send(client, "Hello")
        await site.ended(client, begun["reply"]["id"])
        reply = begun["reply"]["id"]
        assert "Zebedee" in repr(site.store.provenance(owner.id, reply).prompt), "it was not sent"
        template = (await client.post("/api/templates", json={"content": TEMPLATE})).json()["id"]
        ids = {"id": begun["conversation"]["id"], "reply": reply, "user": begun["user"]["id"]}
        ids |= {"template": template, "giver": site.visitor("Eve").id, "session": NOBODYS}
        ids["share"] = share(site, ids["id"])
        ids["comparison"] = comparison(site, ids["id"], reply)
        for row in ROWS:
            answer = await _call(site, client, row, ids)
            for part in ("Zebedee", 'nothing\\" of', "hidden-place"):
                assert part not in answer.text, row.key
        # The operator reads both.
        operator = site.client(site.operating())
        theirs = (await site.send(operator, "Hello"))["reply"]["id"]
        await site.ended(operator, theirs)
        for path in ("/api/models", f"/api/messages/{theirs}", f"/api/messages/{theirs}/inspect"):
            assert "Zebedee" in (await operator.get(path)).text
        assert PLACE in (await operator.get("/api/models")).text


async def test_a_prompt_of_ones_own_is_ones_own(make_site: MakeSite) -> None:
    async with make_site(system_prompt=HOUSE) as site:
        client = site.client(site.guest()[0])
        begun = await site.send(client, "Hello", settings={"system_prompt": "Be my poet."})
        await site.ended(client, begun["reply"]["id"])
        sent = (await client.get(f"/api/messages/{begun['reply']['id']}/inspect")).json()
        assert sent["messages"][0]["content"] == "Be my poet."
        assert sent["tokens"]


def test_no_proxy_serves_the_app_under_a_path_of_its_own() -> None:
    assert {row.path.split("/")[1] for _, rows in TABLE for row in rows} | {"operator", MCP[1:]} <= OWN_PATHS
