"""Every door a text comes in by, in one table, and a server to bring texts in by them."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from backends.echo import EchoBackend
from tests.api.conftest import Site
from tests.api.test_queues import agreeing
from webchat.moderation import Decision, Moderation
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.patterns import Pattern, Patterns
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Stage
from webchat.store.queue_records import NewQueue
from webchat.store.records import ConversationSettings, FinishedTurn, NewSide, NewTurn
from webchat.store.share_records import NewShare, SharedMessage

BLOCKED, MASKED, FLAGGED = "secret project", "13800138000", "gossip"
SENTENCE = "We do not talk about this here."
EVERY: tuple[Stage, ...] = ("input", "prompt", "output", "stored")


def moderation(told: list[Decision], *stages: Stage, profile: str = "") -> Moderation:
    """profile: where the rules are, if they are not everybody's."""
    named = stages or EVERY
    rules: list[Moderator] = [
        Phrases("house", {BLOCKED: Rule("house", "block", sentence=SENTENCE, own=True)}, stages=named),
        Patterns("phones", [Pattern(r"1[3-9]\d{9}", Rule("phones", "mask", "<phone>"))], stages=named),
        Phrases("talk", {FLAGGED: Rule("talk", "flag")}, stages=named),
    ]
    return Moderation([] if profile else rules, told.append, profiles={profile: rules} if profile else {})


@dataclass
class World:
    """A server with rules, somebody at it, and everything that left it."""

    site: Site
    client: httpx.AsyncClient
    backend: EchoBackend
    database: Path
    told: list[Decision]
    says: list[str] = field(default_factory=list)
    wire: list[str] = field(default_factory=list)
    state: str = ""
    titles: str = "Fine"

    async def call(self, method: str, path: str, body: Any) -> Any:
        """A request; a refusal is remembered as the state."""
        answer = await self.client.request(method, path, json=body)
        self.wire.append(answer.text)
        if answer.status_code >= 400:
            self.state = answer.json()["error"]["code"]
            assert SENTENCE in answer.text, "the public sentence is told"
            return None
        return answer.json() if answer.content else None

    async def turn(self, **body: Any) -> Any:
        """A turn to its end, with all that its event route carried."""
        begun = await self.call("POST", "/api/turns", {"client_key": uuid.uuid4().hex, **body})
        if begun is None:
            return None
        path = f"/api/messages/{begun['reply']['id']}/events?from=0"
        self.wire.append((await self.client.get(path)).text)
        message = await self.site.ended(self.client, begun["reply"]["id"])
        self.state = message["state"]
        if self.state == "blocked":
            assert message["failure"]["message"] == SENTENCE
        return begun

    async def calm(self) -> Any:
        """A turn in which nothing is found; what came out of it counts for nothing."""
        self.says = ["All ", "is calm."]
        begun = await self.turn(kind="send", text="Hello there")
        assert self.state == "complete"
        self.wire.clear()
        self.told.clear()
        self.backend.requests.clear()
        self.state = ""
        return begun

    def stored(self) -> str:
        """Every value in the database, as text."""
        with closing(sqlite3.connect(self.database)) as opened:
            names = [
                name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            rows = [row for name in names for row in opened.execute(f'SELECT * FROM "{name}"')]
        return "\n".join(value for row in rows for value in row if isinstance(value, str))

    def sent(self) -> str:
        """Everything a model was sent."""
        return "\n".join(m.text for request in self.backend.requests for m in request.messages)


Enter = Callable[[World, str], Awaitable[object]]


@dataclass(frozen=True)
class Row:
    """A door. routes: those it is. stage: at which what comes by it is looked at. enter: brings a text in by
    it. kept: whether the whole text is in the database afterwards, when it is let in."""

    name: str
    routes: tuple[tuple[str, str], ...]
    stage: Stage
    enter: Enter
    kept: bool = True


TURNS = (("POST", "/api/turns"),)
QUESTION = {"id": "wish", "text": "What is missing?"}
TEMPLATE = {"name": "Greeter", "user": "Hello {{ who }}", "variables": [{"name": "who", "type": "text"}]}


async def send(at: World, text: str) -> None:
    await at.turn(kind="send", text=text)


async def send_from_template(at: World, text: str) -> None:
    made = (await at.client.post("/api/templates", json={"content": TEMPLATE})).json()
    rendered = await at.client.post("/api/templates/render", json={"id": made["id"], "values": {"who": text}})
    use = {"id": made["id"], "version": 1, "name": "Greeter"}
    await at.turn(kind="send", text=rendered.json()["user"], template=use)


async def edit_message(at: World, text: str) -> None:
    begun = await at.calm()
    await at.turn(kind="edit", message_id=begun["user"]["id"], text=text)


async def edit_reply(at: World, text: str) -> None:
    begun = await at.calm()
    await at.call("POST", f"/api/messages/{begun['reply']['id']}/edit", {"text": text})


async def judgement(at: World, text: str) -> None:
    begun = await at.calm()
    await at.call("PUT", f"/api/messages/{begun['reply']['id']}/judgement", {"better": text})


async def comment(at: World, text: str) -> None:
    begun = await at.calm()
    await at.call("PUT", f"/api/messages/{begun['reply']['id']}/judgement", {"comment": text})


async def comment_on_vote(at: World, text: str) -> None:
    store, owner = at.site.store, (await at.client.get("/api/me")).json()["owner"]["id"]
    side = NewSide("tall", "tall", ConversationSettings())
    begun = store.begin_comparison(owner, NewTurn(None, None, "Hello", "key", ""), side, side)
    assert begun.sides is not None
    assert begun.reply.compared is not None
    store.write_batch([], [FinishedTurn(one.reply.id, "complete") for one in begun.sides])
    vote = {"preferred": "left", "comment": text}
    await at.call("POST", f"/api/comparisons/{begun.reply.compared.id}/vote", vote)


async def review_of_anothers_reply(at: World, text: str) -> None:
    agreeing(at.site, "Hello")
    queue = at.site.store.make_queue(at.site.operating().id, NewQueue("First"))
    at.client = at.site.client(at.site.operating())
    task = (await at.client.post(f"/api/queues/{queue.id}/next", json={})).json()["task"]
    await at.call("PUT", f"/api/reviews/{task['id']}", {"verdict": "edit", "better": text})


async def title_by_hand(at: World, text: str) -> None:
    begun = await at.calm()
    await at.call("PATCH", f"/api/conversations/{begun['conversation']['id']}", {"title": text})


async def system_prompt(at: World, text: str) -> None:
    begun = await at.calm()
    body = {"settings": {"system_prompt": text}}
    await at.call("PATCH", f"/api/conversations/{begun['conversation']['id']}", body)


async def first_system_prompt(at: World, text: str) -> None:
    await at.turn(kind="send", text="Hello", settings={"system_prompt": text})


async def persona_values(at: World, text: str) -> None:
    content = {"name": "P", "system": "You greet {{ who }}.", "variables": [{"name": "who", "type": "text"}]}
    made = (await at.client.post("/api/templates", json={"content": content})).json()
    use = {"id": made["id"], "version": 1, "name": "P", "values": {"who": text}}
    settings = {"system_prompt": f"You greet {text}.", "persona": use}
    await at.turn(kind="send", text="Hello", settings=settings)


async def new_template(at: World, text: str) -> None:
    await at.call("POST", "/api/templates", {"content": {"name": "New", "system": text}})


async def changed_template(at: World, text: str) -> None:
    made = (await at.client.post("/api/templates", json={"content": TEMPLATE})).json()
    body = {"content": {"name": "Other", "description": text, "user": "Hi"}, "based_on": 1}
    await at.call("PUT", f"/api/templates/{made['id']}", body)


async def imported_template(at: World, text: str) -> None:
    await at.call(
        "POST", "/api/templates/import", {"text": f'webchat_template: 1\nname: In\nuser: "{text}"\n'}
    )


async def copied_template(at: World, text: str) -> None:
    made = (await at.client.post("/api/templates", json={"content": TEMPLATE})).json()
    await at.call("POST", f"/api/templates/{made['id']}/duplicate", {"name": text})


async def copied_share(at: World, text: str) -> None:
    other = at.site.visitor("Eve")
    begun = await at.site.send(at.site.client(other), "Hello")
    await at.site.ended(at.site.client(other), begun["reply"]["id"])
    at.told.clear()
    at.backend.requests.clear()
    said = SharedMessage("user", text, "complete", datetime.now(UTC))
    new = NewShare("s" * 32, begun["conversation"]["id"], "Fine", (said,), allow_copy=True)
    at.site.store.create_share(other.id, new)
    await at.call("POST", f"/api/shares/{new.id}/copy", {})
    with at.site.store.transaction(write=True) as connection:  # it is the other's
        connection.exec_driver_sql("DELETE FROM share_messages")


async def title_of_a_share(at: World, text: str) -> None:
    begun = await at.calm()
    body = {"conversation_id": begun["conversation"]["id"], "title": text}
    await at.call("POST", "/api/shares", body)


async def new_title_of_a_share(at: World, text: str) -> None:
    begun = await at.calm()
    made = await at.call("POST", "/api/shares", {"conversation_id": begun["conversation"]["id"]})
    at.wire.clear()
    await at.call("PATCH", f"/api/shares/{made['id']}", {"title": text})


async def answer(at: World, text: str) -> None:
    if (await at.client.get("/api/link")).status_code != 200:
        at.client = at.site.client(at.site.guest("asked", questions=[QUESTION])[0])
    await at.call("POST", "/api/answers", {"answers": {QUESTION["id"]: text}})


async def reply(at: World, text: str) -> None:
    at.says = list(text)
    await at.turn(kind="send", text="Hello")


async def regenerate(at: World, text: str) -> None:
    begun = await at.calm()
    at.says = list(text)
    await at.turn(kind="regenerate", message_id=begun["reply"]["id"])


async def reply_to_an_edit(at: World, text: str) -> None:
    begun = await at.calm()
    at.says = list(text)
    await at.turn(kind="edit", message_id=begun["user"]["id"], text="Hello again")


async def go_on(at: World, text: str) -> None:
    """The text begins in the old part of the reply and ends in the new one."""
    half = text.index(next(word for word in (BLOCKED, MASKED, FLAGGED) if word in text)) + 4
    at.says = [text[:half]]
    begun = await at.turn(kind="send", text="Hello")
    assert at.state == "complete"
    at.wire.clear()
    at.told.clear()
    at.says = list(text[half:])
    await at.turn(kind="continue", message_id=begun["reply"]["id"])


async def title_by_model(at: World, text: str) -> None:
    at.titles = text
    at.says = ["Fine."]
    begun = await at.turn(kind="send", text="Hello")
    path = f"/api/conversations/{begun['conversation']['id']}"
    for _ in range(60):
        found = (await at.client.get(path)).json()["conversation"]
        if found["title_by"] == "model":
            break
        await asyncio.sleep(0.01)
    at.wire.append(str(found))
    at.state = "complete" if found["title_by"] == "model" else "blocked"


ROWS = (
    Row("a message", TURNS, "input", send),
    Row(
        "a message from a template", (*TURNS, ("POST", "/api/templates/render")), "input", send_from_template
    ),
    Row("a message edited", TURNS, "input", edit_message),
    Row("a reply edited by hand", (("POST", "/api/messages/{id}/edit"),), "input", edit_reply),
    Row("a better answer", (("PUT", "/api/messages/{id}/judgement"),), "input", judgement),
    Row("a comment on a reply", (("PUT", "/api/messages/{id}/judgement"),), "input", comment),
    Row("a comment on a vote", (("POST", "/api/comparisons/{id}/vote"),), "input", comment_on_vote),
    Row("a reviewer's better answer", (("PUT", "/api/reviews/{id}"),), "input", review_of_anothers_reply),
    Row("a title by hand", (("PATCH", "/api/conversations/{id}"),), "input", title_by_hand),
    Row("a system prompt", (("PATCH", "/api/conversations/{id}"),), "input", system_prompt),
    Row("the system prompt of a new conversation", TURNS, "input", first_system_prompt),
    Row("what a persona's blanks are filled in with", TURNS, "input", persona_values),
    Row("a new template", (("POST", "/api/templates"),), "input", new_template),
    Row("a changed template", (("PUT", "/api/templates/{id}"),), "input", changed_template),
    Row("a template from a file", (("POST", "/api/templates/import"),), "input", imported_template),
    Row(
        "the name of a copied template",
        (("POST", "/api/templates/{id}/duplicate"),),
        "input",
        copied_template,
    ),
    Row("a share that somebody continues", (("POST", "/api/shares/{id}/copy"),), "input", copied_share),
    Row("the title of a share", (("POST", "/api/shares"),), "input", title_of_a_share),
    Row("a new title of a share", (("PATCH", "/api/shares/{id}"),), "input", new_title_of_a_share),
    Row("an answer to a link's question", (("POST", "/api/answers"),), "input", answer),
    Row("a reply", TURNS, "output", reply),
    Row("a reply made anew", TURNS, "output", regenerate),
    Row("a reply to an edited message", TURNS, "output", reply_to_an_edit),
    Row("a reply that goes on", TURNS, "output", go_on, kept=False),
    Row("a title by the model", TURNS, "output", title_by_model),
)
