"""Of every failure each reader gets a sentence and a cure of theirs; what is the operator's stays there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from backends.echo import EchoBackend
from backends.errors import BackendError, BadProxy, Loading, RateLimited, Unavailable
from tests.api.conftest import MakeSite, Site
from webchat.api.errors import answer_to
from webchat.api.wire.messages import Provenance as ProvenanceAnswer
from webchat.auth.failures import PUBLIC, failure_for
from webchat.models import ModelSpec
from webchat.sentences import LANGUAGES, locale
from webchat.store.errors import NewerDatabase, StoreError, StoreUnavailable
from webchat.store.link_records import Link
from webchat.store.records import ConversationSettings, Failure, Owner, OwnerKind, Provenance
from webchat.turns.errors import failure_of

HOST, PATH, KEY, WORDS = (
    "gpu-box.internal:9333",
    "/srv/models/secret.gguf",
    "OPENAI_API_KEY",
    "quota of acme-co",
)
CANARIES = (HOST, "9333", PATH, "secret.gguf", KEY, WORDS)

READERS: tuple[OwnerKind, ...] = ("local", "operator", "member", "visitor", "guest")


def leaked(text: str) -> list[str]:
    """The canaries in a text. Within an id or a time, digits are no port."""
    return [one for one in CANARIES if re.search(rf"(?<![0-9a-f-]){re.escape(one)}(?![0-9a-f-])", text)]


def reader(kind: OwnerKind) -> Owner:
    now = datetime.now(UTC)
    link = Link("link", "testers", now, None, None, None, 1) if kind == "guest" else None
    return Owner("id", kind, "Ada", None if link is None else link.id, now, link)


def kinds(tree: type[Any]) -> Iterator[type[Any]]:
    """A class of errors and all below it."""
    if "code" in tree.__dict__:
        yield tree
    for child in tree.__subclasses__():
        yield from kinds(child)


def full(code: str) -> Failure:
    """A failure that says everything an operator may read, in each of its parts."""
    params: dict[str, str | int | float] = {
        **dict.fromkeys(("place", "model", "others", "what"), HOST),
        "folder": PATH, "variable": KEY, "said": WORDS, "id": PATH, "seconds": 3, "retry_after": 6.2,
    }  # fmt: skip
    return Failure(code, f"{HOST} refused: {WORDS} ({PATH})", f"Check {KEY}.", params)


CODES = sorted(
    {kind.code for tree in (BackendError, StoreError) for kind in kinds(tree)} | {"internal_error"}
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", READERS)
def test_every_code_has_a_sentence_and_a_cure_for_every_reader(kind: OwnerKind, language: str) -> None:
    for code in CODES:
        shown = failure_for(full(code), reader(kind), language)
        assert shown.message.strip(), code
        assert shown.cure.strip(), code
        assert "{" not in shown.message + shown.cure
        if reader(kind).operates:
            assert shown == full(code)
            if code not in PUBLIC:
                assert locale(language)[f"error.{code}.cure_operator"].strip(), code
        elif code not in PUBLIC:
            assert not leaked(repr(shown)), code
            if language == "zh-CN":
                assert not shown.message.isascii()
                assert not shown.cure.isascii()


def test_a_code_nobody_knows_is_told_as_a_problem_of_the_model() -> None:
    """A backend of somebody else's may raise what it likes."""
    shown = failure_for(full("their_own"), reader("guest"))
    assert (shown.code, shown.message) == ("backend_error", "The model reported a problem.")
    assert failure_for(full("their_own"), None) == shown


def test_who_waits_is_told_how_long() -> None:
    error = RateLimited(f"{HOST} limits", retry_after=6.2)
    assert failure_for(failure_of(error), reader("guest")).cure == "Try again in 7 seconds."
    assert failure_for(failure_of(error), reader("guest"), "zh-CN").cure == "请在 7 秒后重试。"


def failing(kind: type[BackendError]) -> EchoBackend:
    words, cure = f"{HOST} refused: {WORDS} ({PATH})", f"Check {KEY}."
    if issubclass(kind, RateLimited):
        error: BackendError = RateLimited(words, cure=cure, retry_after=6.2)
    elif issubclass(kind, Loading):
        error = Loading(words, cure=cure, seconds=6.2)
    elif issubclass(kind, BadProxy):
        error = BadProxy(KEY, words)
    elif "said" in kind.__init__.__code__.co_varnames:
        error = kind(f"{words} {cure}")
    else:
        error = kind(words, cure=cure, params={"place": HOST, "folder": PATH, "said": WORDS})
    return EchoBackend(script=["Half a ", error])


async def calls_of(site: Site, owner: Owner) -> str:
    """Everything programs are told of failed replies, whichever API they speak, whole and streamed."""
    client, wire = site.client(owner), []
    hello = [{"role": "user", "content": "Hi"}]
    for path, body in (
        ("/v1/chat/completions", {"messages": hello}),
        ("/v1/messages", {"model": "echo", "max_tokens": 9, "messages": hello}),
        ("/v1/responses", {"input": "Hi"}),
    ):
        for stream in (False, True):
            answer = await client.post(path, json={**body, "stream": stream})
            assert (answer.status_code == 200) is stream, answer.text
            assert "error" in answer.text
            wire.append(answer.text)
    return "\n".join(wire)


async def reply_of(site: Site, client: httpx.AsyncClient) -> tuple[dict[str, Any], list[str]]:
    """A reply that fails: what began, and what the page is told of it while it runs and afterwards."""
    begun = await site.send(client)
    events = await client.get(f"/api/messages/{begun['reply']['id']}/events?from=0")  # live, to its end
    ended = await site.ended(client, begun["reply"]["id"])
    return begun, [json.dumps(begun), events.text, json.dumps(ended)]


async def wire_of(site: Site, owner: Owner) -> str:
    """Everything a person's page and files say of one failed reply."""
    client = site.client(owner)
    begun, wire = await reply_of(site, client)
    reply, chat = begun["reply"]["id"], begun["conversation"]["id"]
    paths = [
        f"/api/messages/{reply}/events?from=0", f"/api/messages/{reply}/inspect",
        f"/api/conversations/{chat}", f"/api/conversations/{chat}?limit=1",
        f"/api/conversations/{chat}/export?format=json",
        f"/api/conversations/{chat}/export?format=markdown&language=en",
        f"/api/conversations/{chat}/export?format=markdown&language=zh-CN",
        f"/api/events?reply={reply}:0&wait=0", "/api/trash", "/api/conversations",
        "/api/export", "/api/models", "/api/me", "/api/search?q=Half",
    ]  # fmt: skip
    for path in paths:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        wire.append(answer.text)
    for done in (
        await client.put(f"/api/messages/{reply}/rating", json={"value": 1}),
        await client.post(f"/api/messages/{reply}/activate", json={}),
        await client.post(f"/api/messages/{reply}/edit", json={"text": "Another"}),
        await client.delete(f"/api/messages/{reply}"),
        await client.post(f"/api/messages/{reply}/restore", json={}),
    ):
        assert done.status_code == 200
        wire.append(done.text)
    return "\n".join(wire)


@pytest.mark.parametrize("kind", list(kinds(BackendError)), ids=lambda kind: kind.code)
async def test_guests_read_nothing_of_the_operators_whatever_fails(
    make_site: MakeSite, kind: type[BackendError]
) -> None:
    async with make_site(failing(kind), spec=ModelSpec(name="echo", kind="echo", source=PATH)) as site:
        guest = site.guest()[0]
        begun, wire = await reply_of(site, site.client(guest))
        assert not leaked("\n".join(wire))
        assert HOST in repr(site.store.message(guest.id, begun["reply"]["id"]).failure)
        assert not leaked(await calls_of(site, guest))


async def test_guests_read_nothing_of_the_operators_by_any_route(make_site: MakeSite) -> None:
    spec = ModelSpec(name="echo", kind="echo", source=PATH)
    async with make_site(failing(Unavailable), spec=spec) as site:
        for owner in (site.visitor(), site.guest()[0]):
            assert not leaked(await wire_of(site, owner))
        assert not leaked(await calls_of(site, site.visitor()))
        wire = await wire_of(site, site.operating())
        assert all(canary in wire for canary in CANARIES)
        assert HOST in await calls_of(site, site.operating())
        assert '"audience":"operator"' in wire.replace(" ", "")


async def test_why_a_model_cannot_be_loaded_is_the_operators(make_site: MakeSite) -> None:
    wrong = [Unavailable(f"{PATH} cannot be read", cure=f"Check {KEY}.") for _ in range(3)]
    async with make_site(EchoBackend(start_errors=wrong)) as site:
        client = site.client(site.visitor())
        await site.ended(client, (await site.send(client))["reply"]["id"])
        (model,) = (await client.get("/api/models")).json()["models"]
        assert model["failure"]["code"] == "unavailable"
        assert PATH not in json.dumps(model)
        (model,) = (await site.client(site.operating()).get("/api/models")).json()["models"]
        assert PATH in model["failure"]["message"]


async def test_an_answer_that_is_an_error_is_cut_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise StoreUnavailable(f"The disk is full: {PATH} cannot grow.", cure=f"Check {KEY}.")

    monkeypatch.setattr(site.store, "list_conversations", full_disk)
    guest = await site.client(site.guest()[0]).get("/api/conversations")
    assert guest.status_code == 503
    assert not leaked(guest.text)
    assert guest.json()["error"]["message"] == locale("en")["error.store_unavailable"]
    operator = (await site.client(site.operating()).get("/api/conversations")).json()["error"]
    assert PATH in operator["message"]
    assert operator["audience"] == "operator"


async def test_the_door_tells_strangers_nothing_of_the_database(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = site.visitor()

    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailable(f"PostgreSQL at {HOST} cannot be reached.", cure=f"Check {KEY}.")

    monkeypatch.setattr(site.store, "owner", gone)
    answer = await site.client(owner).get("/api/me")
    assert answer.status_code == 503
    assert not leaked(answer.text)


def test_a_version_is_no_secret_but_the_words_about_it_are_the_operators() -> None:
    error = NewerDatabase(f"{PATH} is newer", cure="Update", params={"revision": "0009"})
    assert PATH not in repr(failure_for(failure_of(error), None))


def test_paths_of_models_are_shown_to_operators_alone() -> None:
    made = Provenance(model_id=PATH, adapter="./adapters/secret-adapter")
    settings = ConversationSettings()
    whole, cut = (ProvenanceAnswer.read_by(reader(kind), made, settings) for kind in ("operator", "guest"))
    assert (whole.model_id, whole.adapter) == (PATH, "./adapters/secret-adapter")
    assert (cut.model_id, cut.adapter) == ("secret.gguf", "secret-adapter")
    hub = ProvenanceAnswer.read_by(reader("guest"), Provenance(model_id="Qwen/Qwen3-0.6B"), settings)
    assert hub.model_id == "Qwen/Qwen3-0.6B"


def test_an_answer_of_ours_that_does_not_fit_is_no_fault_of_the_clients(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ValidationError) as raised:
        ProvenanceAnswer.model_validate({"backend": {"words": "of a person"}})
    answer = answer_to(raised.value, reader("visitor"))
    assert answer.status_code == 500
    assert json.loads(bytes(answer.body))["error"]["code"] == "internal"
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "of a person" not in record.getMessage()
