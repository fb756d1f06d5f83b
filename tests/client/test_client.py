"""The Python client against a real server, also one that is killed in mid-reply."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.app_process import AppProcess
from tests.clean_environment import ROOT
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.api.wire.conversations import ConversationBody, SettingsBody
from webchat.api.wire.judgements import JudgementBody
from webchat.api.wire.turns import Delta, Done, TurnBody
from webchat.client import AsyncClient, Client, ClientError, Refused, Unreachable
from webchat.client.events import Reading

STRANGE = "a\u2028b\u2029c\x85d\r e 你好"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_no_character_of_a_model_ends_a_line_wherever_the_bytes_are_cut(end: bytes) -> None:
    said = Delta(message_id="m", seq=1, kind="text", text=STRANGE).model_dump_json().encode()
    stream = b"".join(line + end for line in (b"retry: 1000", b"event: delta", b"data: " + said, b""))
    for cut in range(len(stream) + 1):
        reading = Reading("m")
        found = [event for part in (stream[:cut], stream[cut:]) for event in reading.feed(part)]
        assert [one.text for one in found if isinstance(one, Delta)] == [STRANGE]


def test_an_event_that_cannot_be_read_is_an_error_of_the_client() -> None:
    with pytest.raises(ClientError):
        list(Reading("m").feed(b"event: delta\ndata: {\n\n"))


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    answers = [503, 404, 404]

    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(answers.pop(0))

    with Client("http://x", transport=httpx.MockTransport(handle)) as chat:
        chat.delete("c")
        with pytest.raises(Refused):
            chat.delete("never there")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    flags = ("--model", "scripted", "--endpoint")
    async with ScriptedEndpoint() as endpoint:
        started = AppProcess(tmp_path_factory.mktemp("app"), *flags, endpoint.url, preloaded=True)
        await asyncio.to_thread(started.start)
        yield started
        await asyncio.to_thread(started.stop)


def walk(url: str) -> None:
    """Everything once, with the client that waits."""
    with Client(url) as chat:
        first = chat.ask("words=3", settings=SettingsBody(system_prompt="Be brief."))
        assert (first.text.split(), first.state) == (["w0", "w1", "w2"], "complete")
        second = chat.ask("words=2", after=first)
        assert second.conversation_id == first.conversation_id
        thread = chat.open(first.conversation_id)
        assert [message.role for message in thread.messages] == ["user", "assistant"] * 2
        assert thread.conversation.settings.system_prompt == "Be brief."
        assert chat.wait(chat.regenerate(second.id).reply.id).siblings[0] == second.id
        assert chat.me().owner.kind == "local"
        assert [model.name for model in chat.models().models] == ["scripted"]
        assert chat.change(first.conversation_id, ConversationBody(title="Words")).title == "Words"
        assert [hit.title for hit in chat.search("Words").items][:1] == ["Words"]
        judged = chat.judge(second.id, JudgementBody(rating=-1, comment="Too short"))
        assert (judged.rating, chat.judgement(second.id).comment) == (-1, "Too short")
        chat.withdraw(second.id)
        assert chat.judgement(second.id).rating == 0
        content = {"name": "Greeting", "user": "Hi {{ who }}", "variables": [{"name": "who"}]}
        httpx.post(f"{url}/api/templates", json={"content": content}).raise_for_status()
        (template,) = chat.templates("Greeting").items
        assert chat.template(template.id).content.user == "Hi {{ who }}"
        assert chat.render(template.id, {"who": "Ada"}).user == "Hi Ada"
        assert chat.export(first.conversation_id).conversations[0].title == "Words"
        assert b"Words" in b"".join(chat.export_file(first.conversation_id, "markdown"))
        assert b"Words" in b"".join(chat.export_file([first.conversation_id], "sharegpt"))
        with pytest.raises(ValueError, match="no conversations"):
            chat.export([])
        assert first.conversation_id in {one.id for one in chat.all_conversations()}
        chat.delete(first.conversation_id)
        with pytest.raises(Refused) as refused:
            chat.open(first.conversation_id)
        assert (refused.value.status, refused.value.code) == (404, "not_found")
        assert refused.value.message
        assert chat.restore(first.conversation_id).id == first.conversation_id
        assert len(chat.conversations(limit=1).items) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_program_does_what_a_page_does(app: AppProcess) -> None:
    await asyncio.to_thread(walk, app.url)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reply_is_followed_from_any_piece_and_stopped(app: AppProcess) -> None:
    async with AsyncClient(app.url) as chat:
        begun = await chat.send("words=4000 rate=50")
        seen: list[Delta] = []
        async for event in chat.follow(begun.reply.id):
            if isinstance(event, Delta):
                seen.append(event)
                if len(seen) == 3:
                    break
        await chat.stop(begun.reply.id)
        rest = [event async for event in chat.follow(begun.reply.id, seen[-1].seq)]
        assert isinstance(rest[-1], Done)
        assert rest[-1].message.state == "stopped"
        assert rest[-1].message.text.startswith("".join(one.text for one in seen))
        numbers = [event.seq for event in rest if isinstance(event, Delta)]
        assert all(number > seen[-1].seq for number in numbers)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_client_key_is_the_same_turn(app: AppProcess) -> None:
    async with AsyncClient(app.url) as chat:
        body = TurnBody(kind="send", text="words=2", client_key="once")
        begun = await asyncio.gather(*(chat.start(body) for _ in range(3)))
        assert len({one.reply.id for one in begun}) == 1
        with pytest.raises(Refused) as refused:
            await chat.send("words=3", client_key="once")
        assert refused.value.code == "key_taken"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_server_killed_in_mid_reply_leaves_the_client_the_whole_text(app: AppProcess) -> None:
    async with AsyncClient(app.url) as chat:
        begun = await chat.send("words=4000 rate=100", client_key="killed")
        shown: list[Delta] = []
        async for event in chat.follow(begun.reply.id):
            shown += [event] if isinstance(event, Delta) else []
            if len(shown) == 3:
                break
        asked = asyncio.create_task(chat.ask("words=4000 rate=100", client_key="killed"))
        await asyncio.sleep(0)
        app.kill()
        await asyncio.to_thread(app.start)
        reply = await asked
        assert reply.state == "complete"
        assert reply.text.startswith("".join(one.text for one in shown))
        kept = (await chat.message(begun.reply.id)).message
        assert kept.state == "interrupted"
        assert reply.continues == kept.id
        assert reply.text.startswith(kept.text)
        assert len(reply.text) > len(kept.text)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_about_the_api_shows_what_works(app: AppProcess, tmp_path: Path) -> None:
    page = (ROOT / "deploy" / "api.md").read_text(encoding="utf-8")
    ours = page.partition("## From Python")[2].partition("\n## ")[0]
    snippets = re.findall(r"```python\n(.*?)```", ours, re.DOTALL)
    assert snippets
    for snippet in snippets:
        code = snippet.replace("http://127.0.0.1:7860", app.url).replace('key="wk_…"', "key=None")
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert await running.wait() == 0, snippet


def test_who_is_not_there_is_said_after_patience() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, text="<html>away")

    with Client("http://away.test", patience=0, transport=httpx.MockTransport(away)) as chat:
        with pytest.raises(Unreachable, match="503"):
            chat.me()
        with pytest.raises(Unreachable):
            chat.wait("x")


def test_a_refusal_carries_when_to_try_again_and_sends_the_key() -> None:
    def busy(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer wk_x"
        error = {"code": "key_requests", "message": "Too often.", "cure": "Wait.", "params": {"limit": 1}}
        return httpx.Response(429, json={"error": error, "later": 1}, headers={"retry-after": "7"})

    with Client("http://busy.test", "wk_x", transport=httpx.MockTransport(busy)) as chat:
        with pytest.raises(Refused) as refused:
            chat.me()
        told = refused.value
        assert (told.code, told.params, told.retry_after) == ("key_requests", {"limit": 1}, 7.0)
        assert str(told) == "Too often. Wait."


def test_a_stream_that_breaks_anywhere_is_read_once() -> None:
    pieces = [
        f'id: {n}\nevent: delta\ndata: {{"message_id":"m","seq":{n},"kind":"text","text":"{n}"}}\n\n'
        for n in range(1, 6)
    ]
    whole = "retry: 1000\n" + "event: beat\ndata: {}\n\n" + "".join(pieces)
    for cut in range(len(whole)):
        reading, found = Reading("m"), []
        for stream in (whole[:cut], whole):
            reading.begin()
            found += [event for line in stream.split("\n")[:-1] if (event := reading.line(line)) is not None]
        assert [event.text for event in found if isinstance(event, Delta)] == ["1", "2", "3", "4", "5"]


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type[object]) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    waiting, awaited = public(Client), public(AsyncClient)
    assert waiting.pop("close") == awaited.pop("aclose")
    assert waiting == awaited
