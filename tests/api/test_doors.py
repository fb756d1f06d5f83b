"""Every door a text comes in by, in one table: what is blocked, masked and flagged is so at each of them.

A route that takes a text, or a place in the code that asks a model or writes a text into the store, and is
not in the tables here fails the last tests: a new door is put through the pipeline first, and then gets its
row.
"""

from __future__ import annotations

import ast
import asyncio
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from backends.echo import EchoBackend, Step
from backends.types import Request
from tests.api.conftest import MakeSite, Site
from tests.api.test_access import REST
from tests.api.test_queues import agreeing
from tests.clean_environment import ROOT
from webchat.api import routes
from webchat.moderation import Decision, Moderation, OpenGates
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.patterns import Pattern, Patterns
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import PROFILE_MISSING, Stage
from webchat.store import Store
from webchat.store.queue_records import NewQueue
from webchat.store.records import ConversationSettings, FinishedTurn, NewSide, NewTurn
from webchat.store.share_records import NewShare, SharedMessage
from webchat.turns.titles.making import INSTRUCTION

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

# Who asks a model, or writes a text into the store, and by which rows that is covered.
CALLS = {
    ("api/routes.py", "stream"): "sends what the clock says",
    ("doctor/models.py", "stream"): "a few words of its own, at the terminal",
    ("doctor/network.py", "stream"): "a request of httpx",
    ("turns/generating/pipeline.py", "stream"): "prepare",
    ("turns/titles/making.py", "stream"): "prepare",
    ("moderation/kinds/guard.py", "stream"): "a guard reads what is judged; its answer goes nowhere",
    ("moderation/kinds/endpoint.py", "stream"): "a request of httpx",
    ("auth/oidc/requests.py", "stream"): "a request of httpx",
    ("api/v1/chat.py", "stream"): "a field of a body",
    ("api/v1/completions.py", "stream"): "a field of a body",
    ("api/v1/responses.py", "stream"): "a field of a body",
    ("api/v1/messages.py", "stream"): "a field of a body",
    ("bench/measure.py", "stream"): "the operator's own words on the operator's own machine",
    ("imports/importing.py", "import_conversation"): "moderated before (tests/imports/test_moderated.py)",
    ("imports/recognising.py", "stream"): "the bytes of a file",
    ("imports/background.py", "begin_file_import"): "the name of a file, which no model reads",
    ("imports/background.py", "change_file_import"): "numbers, and places in a file",
    ("turns/asking.py", "begin_turn"): "a message",
    ("turns/asking.py", "begin_comparison"): "a message",
    ("turns/asking.py", "begin_call"): "a call: tests/api/v1/test_chat.py",
    ("turns/asking.py", "continue_call"): "the same, of what it adds to an earlier one",
    ("turns/asking.py", "open_call"): "the same, of a long path",
    ("turns/asking.py", "add_to_call"): "the same, of a long path",
    ("turns/asking.py", "show_call"): "the same, of a long path",
    ("turns/asking.py", "write_batch"): "no text: the end of a call that broke off",
    ("api/judgements/comparisons.py", "vote_on"): "a comment on a vote",
    ("turns/inspecting/inspector.py", "keep_inspections"): "what `prepare` let through to a model",
    ("turns/generating/pipeline.py", "keep_media"): "data, shown only where the gate releases its name",
    ("turns/service.py", "write_batch"): "what the gate released",
    ("turns/titles/making.py", "update_conversation"): "a title by the model",
    ("api/conversations.py", "update_conversation"): "a title by hand",
    ("api/judgements/judgements.py", "judge"): "a better answer",
    ("commands/replay/choosing.py", "make_replay_set"): "an operator's own",
    ("console/replay/sets.py", "make_replay_set"): "an operator's own",
    ("commands/replay/choosing.py", "start_replay"): "an operator's own, and moderated with each turn",
    ("console/replay/sets.py", "start_replay"): "an operator's own, and moderated with each turn",
    ("api/judgements/queues.py", "make_queue"): "an operator's own",
    ("commands/replay/choosing.py", "judge_replays"): "an operator's own, and moderated with each turn",
    ("console/replay/sets.py", "judge_replays"): "an operator's own, and moderated with each turn",
    (
        "feedback/replay/running.py",
        "open_replay",
    ): "from another row, and moderated with each turn",
    ("console/feedback/reviewing.py", "make_queue"): "an operator's own",
    ("api/judgements/queues.py", "give_review"): "a reviewer's better answer",
    ("api/messages.py", "edit_reply"): "a reply edited by hand",
    ("api/templates/prompt_templates.py", "create_template"): "a new template",
    ("api/templates/prompt_templates.py", "change_template"): "a changed template",
    ("api/templates/model_templates.py", "change_chat_template"): "an operator's own",
    ("api/people/people.py", "rename_person"): "a person's own name, which no model reads",
    ("api/people/guests.py", "keep_answers"): "an answer to a link's question",
    ("api/sharing/shares.py", "change_share"): "a new title of a share",
    ("sharing/links.py", "change_link"): "an operator's own",
    ("commands/link.py", "change_link"): "an operator's own",
    ("api/people/links.py", "change_link"): "an operator's own",
    ("auth/providers.py", "enter_person"): "a name from a provider, which no model reads",
    ("auth/proxy/proxied.py", "enter_person"): "a name from a proxy, which no model reads",
    ("auth/passwords/accounts.py", "add_person"): "a person's name, which no model reads",
    ("console/testers.py", "note_tester_chat"): "an operator's own note, which no model reads",
    ("sharing/shares.py", "create_share"): "what came in by another row, or its placeholders",
    ("api/sharing/shares.py", "copy_share"): "a share that somebody continues",
    ("commands/user.py", "add_person"): "a name from the command line, which no model reads",
    ("client/sync.py", "stream"): "a program's own request to a server, of httpx",
    ("feedback/replay/running.py", "judge"): "no verb: the model that judges a replay",
    ("feedback/replay/report.py", "judge"): "no verb: the model that judges a replay",
    ("feedback/replay/comparing.py", "judge"): "no verb: the model that judges a replay",
    ("commands/replay/choosing.py", "judge"): "no verb: the model that judges a replay",
    ("commands/replay/printing.py", "judge"): "no verb: the model that judges a replay",
    ("console/replay/sets.py", "judge"): "no verb: the model that judges a replay",
    ("client/sync.py", "judge"): "a program's own request to a server",
    ("client/aio.py", "judge"): "a program's own request to a server",
    ("client/aio.py", "stream"): "a program's own request to a server, of httpx",
    ("engine.py", "keep_placeholders"): "encrypted, and of texts that came in by another row",
    ("moderation/stored.py", "add_decisions"): "what was found, with no text",
    ("moderation/stored.py", "rewrite_stored"): "what rules made of a text (tests/test_moderate_command.py)",
    ("engine.py", "add_decisions"): "what was found, with the text only where the operator wants it",
}

# What of the store's verbs writes no text of a person or a model.
_NO_TEXT = """
set_operates set_password set_disabled renew_hash start_session touch_session end_session end_sessions
keep_login take_login trim_sessions
create_key touch_key revoke_key trim_keys
create_webhook set_webhook_disabled remove_webhook
claim_deliveries delivered not_delivered retry_deliveries trim_deliveries
keep_owner move_chats
consent add_handover take_handover trim_handovers expire_chats
consent add_handover take_handover trim_handovers
end_share add_views
discard_calls erase_call
probe
take_lease renew_lease release_lease end_lease end_lapsed_leases interrupt ask_to_end unfenced
activate call close go_on_with create_link create_owner delete_conversation delete_messages delete_template
delete_conversations remove_person
discard_all discard_conversation discard_messages in_turn interrupt_orphans local_owner
withdraw_judgement set_trains review_judgements undo_reviews review_votes
close_queue next_review take_back_review
cancel_replay retry_replay delete_replay_set begun_replay failed_replay end_replay vote_on_replay
open purge restore_conversation restore_messages restore_template revoke_link
model_servers revoke_operators slices transaction trim_decisions
keep_owner forget_file_import trim_file_imports index_owed index_soon
"""
NO_TEXT = frozenset(_NO_TEXT.split())
_READS = """
usage_since probe
listed_links listed_link link_left link_changes consented answers link_answers handover
list_tester_chats search_tester_chats read_tester_chat tester_media link_names looks log_look
own_keys listed_key listed_keys key_holder living_keys
list_webhooks webhook due_webhooks event_data
people person find_person search_people count_person_chats password_of session sessions living_sessions
chat_template count_chats guests_with_replies movable_chats earlier_call
operators owns_anything chat_template_versions chat_templates conversation conversation_ids
decision_counts decisions export_conversation inspection journal link link_by_hash
list_conversations list_links list_templates list_trash media message newest_texts owner path placeholders
queues queue_verdicts assigned assigned_queue has_reviews listed_votes vote judgement_choices count_judgements
replay_sets replay_set replay_runs replay_run open_replays replays_to_do replay_items replay_votes
replay_judging replay_to_judge
judgements judgement judgement_counts own_judgement thumbs usable usable_comparisons
provenance ratings_by_link search template template_version template_versions thread turn_by_key
guests_with_replies pack_inspection
comparison pair_votes vote_counts votes
branch list_shares share shared_messages shared_media
stored_places flagged_before
closing shared replicas orphans runs_elsewhere running_turns asked_to_end turns_elsewhere
import_known origin file_import list_file_imports unfinished_file_imports import_files
"""
READS = frozenset(_READS.split())


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


def test_every_text_is_looked_at_by_the_rules_of_its_owners_link() -> None:
    """Whoever makes a `Context` says which profile applies; moderation itself and trials have none."""
    without = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for room in ("api", "turns", "sharing", "console")
        for path in (ROOT / "webchat" / room).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Context"
        and "profile" not in [keyword.arg for keyword in call.keywords]
    ]
    assert [place.partition(":")[0] for place in without] == ["webchat/api/moderation.py"], without


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


def written(file: Path, names: frozenset[str]) -> Iterator[str]:
    """The verbs a file names, called or handed on."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node.attr


def test_whoever_asks_a_model_or_writes_a_text_is_in_the_table() -> None:
    verbs = {name for name in dir(Store) if not name.startswith("_")}
    watched = frozenset({"stream"} | (verbs - NO_TEXT - READS))
    house = ROOT / "webchat"
    found = {
        (str(file.relative_to(house)), verb)
        for file in house.rglob("*.py")
        if not file.is_relative_to(house / "store")
        for verb in written(file, watched)
    }
    assert found <= CALLS.keys(), "a new way to a model or into the store: put it through the pipeline"


def test_models_are_asked_only_with_what_was_prepared() -> None:
    """The two who write for people take the request and the gate from one `prepare`."""
    for name in ("turns/generating/pipeline.py", "turns/titles/making.py"):
        text = (ROOT / "webchat" / name).read_text(encoding="utf-8")
        assert "self._gates.prepare(" in text
        assert CALLS[name, "stream"] == "prepare"
