"""For each route what is hardest for it: requests as large as they may be, and what may lie in the store
before them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from backends.types import Media
from tests.api.conftest import MOST_BODY, Site
from tests.store.talk import Talk
from webchat.api.routes import LONG, Row
from webchat.auth import MOST_ADDRESS, SMALL_BODY
from webchat.prompts.content import TemplateContent
from webchat.store.decision_records import LoggedDecision
from webchat.store.link_records import LinkTerms
from webchat.store.records import Message

Go = Callable[[], Awaitable[httpx.Response]]
"""The request; may be made again."""


@dataclass
class World:
    """A server with rules and masking, and somebody who may do everything."""

    site: Site
    client: httpx.AsyncClient
    owner: str
    keys: Any = field(default_factory=itertools.count)

    @property
    def talk(self) -> Talk:
        return Talk(self.site.store, self.owner)

    async def ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, url, **options)

    async def turn(self, **body: Any) -> httpx.Response:
        """A turn to its end."""
        sent = {"client_key": f"k{next(self.keys)}", "kind": "send", **body}
        answer = await self.client.post("/api/turns", json=sent)
        if answer.status_code == 201:
            await self.site.ended(self.client, answer.json()["reply"]["id"])
        return answer


Make = Callable[[World, int], Awaitable[Go]]


@dataclass(frozen=True)
class Input:
    """most: the size of the largest there may be. make: what there is of a size."""

    name: str
    most: int
    make: Make


UNITS = ("1 ", "ghp_", "@a.", "[PHONE_1] ", "13912345678 ", "a.b ", "<think>")
"""Hard for rules, masking and their kin; see tests/test_growth.py."""

FEW = UNITS[:2]
TEXT = 100_000
SOURCE = 20_000


def unit(text: str, size: int) -> str:
    return (text * (size // len(text) + 1))[:size]


def sends(method: str, path: str, name: str, most: int, body: Callable[[int], Any]) -> Input:
    """A request whose body has a size. path: with the ids of `made` in it."""

    async def make(world: World, size: int) -> Go:
        sent, url = json.dumps(body(size)), await made(world, path)
        headers = {"content-type": "application/json"}
        return lambda: world.ask(method, url, content=sent, headers=headers)

    return Input(name, most, make)


def texts(
    method: str, path: str, body: Callable[[str], Any], most: int = TEXT, units: Sequence[str] = FEW
) -> tuple[Input, ...]:
    return tuple(
        sends(method, path, f"text {one!r}", most, lambda size, one=one: body(unit(one, size)))  # type: ignore[misc]
        for one in units
    )


def turns(body: Callable[[str], Mapping[str, Any]], units: Sequence[str]) -> tuple[Input, ...]:
    def making(one: str) -> Make:
        async def make(world: World, size: int) -> Go:
            said = body(unit(one, size))
            return lambda: world.turn(**said)

        return make

    return tuple(Input(f"{next(iter(body('')))} {one!r}", TEXT, making(one)) for one in units)


def reads(path: str, name: str, most: int, lay: Callable[[World, int], None]) -> Input:
    """A request for what was laid into the store before."""

    async def make(world: World, size: int) -> Go:
        lay(world, size)
        world.site.store.index_owed()  # or it goes on beside what is measured
        url = await made(world, path)
        return lambda: world.ask("GET", url)

    return Input(name, most, make)


async def made(world: World, path: str) -> str:
    """The address with ids of what was laid there last, or of something small."""
    if "CONVERSATION" in path or "MESSAGE" in path or "REPLY" in path:
        listed = world.site.store.list_conversations(world.owner).items
        if not listed:
            world.talk.say("Hello", "Hi")
            listed = world.site.store.list_conversations(world.owner).items
        found = world.site.store.thread(world.owner, listed[0].id).items
        path = path.replace("CONVERSATION", listed[0].id).replace("REPLY", found[-1].id)
        path = path.replace("MESSAGE", found[0].id)
    if "TEMPLATE" in path:
        if not (known := world.site.store.list_templates(world.owner)):
            template(world, 10)
            known = world.site.store.list_templates(world.owner)
        path = path.replace("TEMPLATE", known[0].id)
    return path


def content(size: int) -> dict[str, Any]:
    """A template of about so many characters, as its choices."""
    choices = [f"{number:0499}" for number in range(min(200, size // 500 or 1))]
    named = {"type": "choice", "choices": choices}
    return {"name": "T", "system": "s", "user": "u", "variables": [
        {"name": f"v{number}", **named} for number in range(max(1, min(50, size // 100_000)))
    ]}  # fmt: skip


def template(world: World, size: int) -> None:
    world.site.store.create_template(world.owner, stored(content(size)))


def stored(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """As the library stores it, with every field."""
    return TemplateContent.model_validate(content).json_value()


def templates(world: World, count: int) -> None:
    for _ in range(count):
        template(world, 1_000_000)


def versions(world: World, count: int) -> None:
    made = world.site.store.create_template(world.owner, stored(content(10)))
    for number in range(1, count + 1):
        body = stored({**content(500_000), "description": str(number)})
        world.site.store.change_template(world.owner, made.id, body, based_on=number)


def talked(world: World, count: int, each: int = 50_000) -> None:
    """A conversation of so many long messages."""
    last: Message | None = None
    for number in range(count // 2):
        last = world.talk.say(f"{number} " + unit("word ", each), unit("ok ", each), last).reply


def chats(world: World, count: int) -> None:
    for number in range(count):
        begun = world.talk.say(f"chat {number}", "hi")
        settings = begun.conversation.settings
        prompted = type(settings)(settings.model, "x" * TEXT, settings.sampling)
        world.site.store.update_conversation(world.owner, begun.conversation.id, settings=prompted)


def discarded(world: World, count: int) -> None:
    for _ in range(count):
        begun = world.talk.say(unit("gone ", 20_000), "ok")
        world.site.store.delete_messages(world.owner, begun.reply.id)


def drawn(world: World, size: int) -> None:
    """A reply with a picture of so many bytes."""
    begun = world.talk.begin("Draw")
    world.site.store.keep_media(begun.reply.id, Media(DRAWN, "image/png", b"x" * size))
    world.talk.finish(begun.reply.id, f"![picture](data:image/png;size={size};id={DRAWN},)")


async def sharing(world: World, count: int, **wish: Any) -> Go:
    """Sharing a conversation of so many long messages."""
    talked(world, count)
    world.site.store.index_owed()
    conversation = world.site.store.list_conversations(world.owner).items[0].id
    body = {"conversation_id": conversation, "allow_copy": True, **wish}
    return lambda: world.ask("POST", "/api/shares", json=body)


async def copying(world: World, count: int) -> Go:
    share = (await (await sharing(world, count))()).json()["id"]
    return lambda: world.ask("POST", f"/api/shares/{share}/copy", json={})


async def reading(world: World, count: int) -> Go:
    path = (await (await sharing(world, count))()).json()["path"]
    return lambda: world.ask("GET", f"/{path}")


def decided(world: World, count: int) -> None:
    one = LoggedDecision(
        datetime.now(UTC), "m", "r", "input", "flag", None, None, None, None, 0, 9, "d", "x" * 20_000
    )
    world.site.store.add_decisions([one] * count)


def searched(query: str) -> Input:
    async def make(world: World, size: int) -> Go:
        for _ in range(size):
            world.talk.say(unit("天地玄黄 宇宙洪荒 日月盈昃 ", 50_000), "ok")
        world.site.store.index_owed()
        return lambda: world.ask("GET", "/api/search", params={"q": query})

    return Input(f"q={query[:12]}", 40, make)


def rendered(source: str, name: str) -> Input:
    def body(size: int) -> Any:
        filled = {"name": "T", "user": unit(source, SOURCE - SOURCE % len(source))}
        blanks = [{"name": "a", "type": "long_text"}]
        return {"content": {**filled, "variables": blanks}, "values": {"a": "x" * size}}

    return sends("POST", "/api/templates/render", name, TEXT, body)


def linked(world: World, count: int) -> None:
    terms = LinkTerms(opening=unit("word ", 20_000), instructions=unit("word ", 20_000))
    for number in range(count):
        world.site.store.create_link("testers", f"hash {number} {next(world.keys)}", None, terms)


C, M, T = "/api/conversations/CONVERSATION", "/api/messages/REPLY", "/api/templates/TEMPLATE"
DRAWN = "a" * 16
CHAT = "/api/chat-templates/echo"


def file_of(text: str) -> Any:
    return {"text": f"webchat_template: 1\nname: In\nuser: {json.dumps(text)}\n"}


HOSTILE: dict[tuple[str, str], tuple[Input, ...]] = {
    ("GET", "/api/me"): (),
    ("GET", "/api/models"): (),
    ("POST", "/api/models/retry"): (),
    ("GET", "/api/search"): (
        searched("玄天 " * 60),
        searched(" ".join("天地玄黄宇宙洪荒日月盈昃")),
        searched("天地玄黄 宇宙洪荒"),
    ),
    ("GET", "/api/conversations"): (
        reads("/api/conversations?limit=200", "long prompts", 40, chats),
    ),
    ("POST", "/api/conversations/take-over"): (),
    ("GET", "/api/conversations/{id}"): (reads(f"{C}?limit=200", "long messages", 80, talked),),
    ("PATCH", "/api/conversations/{id}"): (
        *texts("PATCH", C, lambda text: {"settings": {"system_prompt": text}}),
        *texts("PATCH", C, lambda text: {"title": text}, 300),
    ),
    ("DELETE", "/api/conversations/{id}"): (),
    ("POST", "/api/conversations/{id}/restore"): (),
    ("GET", "/api/conversations/{id}/export"): (
        reads(f"{C}/export", "json", 80, talked),
        reads(f"{C}/export?format=markdown", "markdown", 80, talked),
        reads(f"{C}/export?format=html", "html", 80, talked),
        reads(f"{C}/export?format=openai", "openai", 80, talked),
    ),
    ("GET", "/api/export"): (reads("/api/export", "json", 80, talked),),
    # How large files go is measured in tests/imports.
    ("GET", "/api/imports"): (),
    ("POST", "/api/imports"): (),
    ("GET", "/api/imports/{id}"): (),
    ("PUT", "/api/imports/{id}/data"): (),
    ("POST", "/api/imports/{id}/start"): (),
    ("DELETE", "/api/imports/{id}"): (),
    ("GET", "/api/conversations/{id}/origin"): (),
    ("GET", "/api/trash"): (reads("/api/trash?limit=200", "long messages", 40, discarded),),
    ("DELETE", "/api/trash"): (),
    ("DELETE", "/api/conversations"): (),
    ("DELETE", "/api/trash/conversations/{id}"): (),
    ("DELETE", "/api/trash/messages/{id}"): (),
    ("POST", "/api/turns"): (
        *turns(lambda text: {"text": text}, UNITS),
        *turns(lambda text: {"settings": {"system_prompt": text}, "text": "Hello"}, FEW),
    ),
    ("GET", "/api/events"): (),
    ("GET", "/api/messages/{id}"): (reads(M, "a long message", 8, lambda w, n: talked(w, 2, n * 50_000)),),
    ("GET", "/api/messages/{id}/inspect"): (),
    ("GET", "/api/messages/{id}/media/{name}"): (reads(f"{M}/media/{DRAWN}", "a large one", 4 << 20, drawn),),
    ("DELETE", "/api/messages/{id}"): (),
    ("POST", "/api/messages/{id}/restore"): (),
    ("POST", "/api/messages/{id}/activate"): (),
    ("POST", "/api/messages/{id}/edit"): texts("POST", f"{M}/edit", lambda text: {"text": text}),
    ("PUT", "/api/messages/{id}/rating"): (),
    ("GET", "/api/comparisons/{id}"): (),
    ("POST", "/api/comparisons/{id}/vote"): texts(
        "POST", "/api/comparisons/NOTHING/vote", lambda text: {"preferred": "left", "comment": text}, 4000
    ),
    ("POST", "/api/comparisons/{id}/continue"): (),
    ("GET", "/api/messages/{id}/judgement"): (),
    ("PUT", "/api/messages/{id}/judgement"): texts(
        "PUT", f"{M}/judgement", lambda text: {"better": text}, 100_000
    ),
    ("DELETE", "/api/messages/{id}/judgement"): (),
    ("GET", "/api/judgements"): (),
    ("GET", "/api/judgements/exports/{id}"): (),
    ("POST", "/api/judgements/review"): texts(
        "POST",
        "/api/judgements/review",
        lambda text: {
            "shown": [{"id": "x", "changed_at": "2026-01-01T00:00:00Z"}], "state": "edited", "better": text
        },
        100_000,
    ),
    ("GET", "/api/replays/{id}/report"): (),
    ("GET", "/api/queues"): (),
    ("POST", "/api/queues"): (),
    ("DELETE", "/api/queues/{id}"): (),
    ("POST", "/api/queues/{id}/next"): (),
    ("GET", "/api/reviews"): (),
    ("DELETE", "/api/reviews/{id}"): (),
    ("PUT", "/api/reviews/{id}"): texts(
        "PUT", "/api/reviews/NOTHING", lambda text: {"verdict": "edit", "better": text}, 100_000
    ),
    ("PUT", "/api/me/training"): (),
    ("GET", "/api/me/keys"): (),
    ("POST", "/api/me/keys"): (),
    ("DELETE", "/api/me/keys/{id}"): (),
    ("POST", "/api/messages/{id}/stop"): (),
    ("GET", "/api/messages/{id}/events"): (
        reads(f"{M}/events?from=0", "a long message", 8, lambda w, n: talked(w, 2, n * 50_000)),
    ),
    ("GET", "/api/moderation"): (),
    ("GET", "/api/openapi.json"): (),
    ("POST", "/api/moderation/try"): (
        *texts("POST", "/api/moderation/try", lambda text: {"text": text, "stage": "input"}, TEXT, UNITS),
        *texts(
            "POST", "/api/moderation/try", lambda text: {"text": "a", "rules": text}, 50_000, ("[[", "a=1\n")
        ),
    ),
    ("GET", "/api/moderation/decisions"): (
        reads("/api/moderation/decisions?limit=200", "with contents", 200, decided),
    ),
    ("GET", "/api/moderation/decisions/export"): (
        reads("/api/moderation/decisions/export", "with contents", 400, decided),
    ),
    ("GET", "/api/moderation/counts"): (reads("/api/moderation/counts", "many", 400, decided),),
    ("GET", "/api/templates"): (reads("/api/templates", "large ones", 24, templates),),
    ("POST", "/api/templates"): (
        *texts("POST", "/api/templates", lambda text: {"content": {"name": "T", "user": text}}, SOURCE),
        sends("POST", "/api/templates", "choices", 1_900_000, lambda size: {"content": content(size)}),
        sends(
            "POST", "/api/templates", "tags", SOURCE,
            lambda size: {"content": {"name": "T", "user": unit("{% if 1 %}{% endif %}", size - size % 21)}},
        ),
    ),
    ("POST", "/api/templates/render"): (
        rendered("{{a}}", "one value, often"),
        rendered("{% if a %}{{a}}{% endif %}", "one value, often, in the process"),
    ),
    ("POST", "/api/templates/import"): (
        *texts("POST", "/api/templates/import", file_of, SOURCE),
        *texts(
            "POST", "/api/templates/import", lambda text: {"text": text}, 500_000, ("- [a]\n", "a: ", "{")
        ),
    ),
    ("GET", "/api/templates/{id}"): (reads(T, "a large one", 1_900_000, template),),
    ("PUT", "/api/templates/{id}"): texts(
        "PUT", T, lambda text: {"content": {"name": "T", "user": text}, "based_on": 1}, SOURCE
    ),
    ("DELETE", "/api/templates/{id}"): (),
    ("POST", "/api/templates/{id}/restore"): (),
    ("GET", "/api/templates/{id}/versions"): (reads(f"{T}/versions", "large ones", 24, versions),),
    ("GET", "/api/templates/{id}/versions/{number:int}"): (
        reads(f"{T}/versions/1", "a large one", 1_900_000, template),
    ),
    ("POST", "/api/templates/{id}/duplicate"): (),
    ("GET", "/api/templates/{id}/export"): (reads(f"{T}/export", "a large one", 1_000_000, template),),
    ("GET", "/api/chat-templates/{model:path}"): (),
    ("PUT", "/api/chat-templates/{model:path}"): texts("PUT", CHAT, lambda text: {"text": text}, 500_000),
    ("POST", "/api/chat-templates/{model:path}/preview"): texts(
        "POST", f"{CHAT}/preview", lambda text: {"text": text}, 500_000
    ),
    ("GET", "/api/links"): (reads("/api/links?limit=200", "long instructions", 200, linked),),
    ("POST", "/api/links"): texts(
        "POST", "/api/links", lambda text: {"name": "x", "terms": {"opening": text}}, 20_000
    ),
    ("GET", "/api/links/{id}"): (),
    ("PATCH", "/api/links/{id}"): texts(
        "PATCH", "/api/links/x", lambda text: {"terms": {"opening": text}}, 20_000
    ),
    ("POST", "/api/links/{id}/duplicate"): (),
    ("POST", "/api/links/{id}/revoke"): (),
    ("GET", "/api/links/{id}/answers"): (),
    ("GET", "/api/testers/{id}/media/{name}"): (),
    ("GET", "/api/link"): (),
    ("POST", "/api/consent"): (),
    ("POST", "/api/answers"): (),
    ("POST", "/api/handover"): (),
    ("POST", "/api/handover/redeem"): (),
    ("GET", "/api/shares"): (),
    ("POST", "/api/shares"): (
        Input("long messages", 80, sharing),
        Input("masked", 40, lambda world, count: sharing(world, count, masked=True)),
    ),
    ("PATCH", "/api/shares/{id}"): (),
    ("DELETE", "/api/shares/{id}"): (),
    ("POST", "/api/shares/{id}/copy"): (Input("long messages", 80, copying),),
    ("GET", "/s/{id}"): (Input("long messages", 40, reading),),
    ("POST", "/s/{id}"): (),
    ("GET", "/s/{id}/media/{name}"): (),
    ("POST", "/api/sign-out"): (),
    ("PATCH", "/api/me"): (),
    ("PUT", "/api/me/password"): (),
    ("GET", "/api/me/sessions"): (),
    ("DELETE", "/api/me/sessions"): (),
    ("DELETE", "/api/me/sessions/{id}"): (),
    ("POST", "/sign-in/password"): (),
    ("GET", "/sign-in/start/{key}"): (),
    ("GET", "/sign-in/callback"): (),
    ("POST", "/t/redeem"): (),
    ("POST", "/t/switch"): (),
    ("GET", "/healthz"): (),
    ("GET", "/readyz"): (),
    ("GET", "/metrics"): (),
    ("GET", "/healthz/stream"): (),
}  # fmt: skip
"""Nothing where a route takes nothing long and reads nothing that grows: `anywhere` is enough."""


def anywhere(row: Row) -> Sequence[Input]:
    """What may be sent to any route: nonsense as large as its body may be, and a long address."""
    found = []
    path = row.path
    for name in ("{id}", "{number:int}", "{model:path}"):
        path = path.replace(name, "1")

    def asking(query: str) -> Make:
        async def make(world: World, size: int) -> Go:
            return lambda: world.ask(row.method, f"{path}?{unit(query, size)}")

        return make

    if not path.endswith("/events"):  # that goes on
        found.append(Input("a long query", MOST_ADDRESS - 200, asking("q=%20&")))
    if row.method in ("POST", "PUT", "PATCH"):
        most = MOST_BODY if row.body is LONG else SMALL_BODY
        for name, text in (("brackets", "["), ("keys", '{"a":1,'), ("a string", '"'), ("numbers", "1")):

            async def make(world: World, size: int, text: str = text) -> Go:
                headers = {"content-type": "application/json"}
                sent = unit(text, size)
                return lambda: world.ask(row.method, path, content=sent, headers=headers)

            found.append(Input(name, most, make))
    return found
