from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from backends.echo import EchoBackend
from backends.types import Event, Finished, Request, Retrying, TextDelta
from tests.api.conftest import BASE, MakeSite, Site, serving
from tests.turns.held import Held, Stepped

WORDS = [f"w{n} " for n in range(60)]


async def _events(
    client: httpx.AsyncClient, message: str, *, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[ServerSentEvent]:
    url = f"/api/messages/{message}/events{query}"
    async with aconnect_sse(client, "GET", url, headers=dict(headers or {})) as source:
        async for event in source.aiter_sse():
            yield event


def _text(events: list[ServerSentEvent]) -> str:
    return "".join(json.loads(event.data)["text"] for event in events if event.event == "delta")


async def test_nothing_is_sent_as_another_owner(site: Site) -> None:
    mine, theirs = site.visitor(), site.visitor()
    ask = {"kind": "send", "text": "Mine alone", "client_key": "k", "owner": mine.id}
    refused = await site.client(theirs).post("/api/turns", json=ask)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "other_owner"
    assert (await site.client(theirs).get("/api/conversations")).json()["items"] == []
    assert (await site.client(mine).post("/api/turns", json=ask)).status_code == 201


async def test_a_turn_is_followed_to_its_end(site: Site) -> None:
    async with serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        begun = await site.send(client, "one two three 你好 🙂")
        assert begun["user"]["text"] == "one two three 你好 🙂"
        assert begun["reply"]["state"] in ("queued", "streaming")
        events = [event async for event in _events(client, begun["reply"]["id"])]
    assert events[0].retry == 1000
    assert events[0].event == "status"
    assert events[-1].event == "done"
    deltas = [event for event in events if event.event == "delta"]
    assert [int(event.id) for event in deltas] == list(range(1, len(deltas) + 1))
    message = json.loads(events[-1].data)["message"]
    assert message["state"] == "complete"
    assert message["text"] == _text(events) == "one two three 你好 🙂"


async def test_events_go_on_exactly_where_a_lost_connection_was(make_site: MakeSite) -> None:
    backend = Stepped(WORDS)
    async with make_site(backend) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        seen: list[ServerSentEvent] = []
        last, written = "0", 0
        for steps in (3, 7, 1, 12):
            backend.go(steps)
            written += steps
            async for event in _events(client, reply, headers={"last-event-id": last}):
                seen.append(event)
                if event.event == "delta":
                    last = event.id
                if _text(seen) == "".join(WORDS[:written]):
                    break
        backend.go(len(WORDS) - written)
        seen += [event async for event in _events(client, reply, query=f"?from={last}")]
        message = json.loads(seen[-1].data)["message"]
        ids = [int(event.id) for event in seen if event.event == "delta"]
        assert ids == list(range(1, message["seq"] + 1))
        assert _text(seen) == message["text"] == "".join(WORDS)


async def test_a_reply_that_has_ended_says_so_at_once(site: Site) -> None:
    async with serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        await site.ended(client, reply)
        events = [event async for event in _events(client, reply, query="?from=99")]
        assert [event.event for event in events] == ["done"]


async def test_a_reader_who_leaves_leaves_the_reply_going(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=100)) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        async for _ in _events(client, reply):
            break
        assert (await site.ended(client, reply))["text"] == "".join(WORDS)


async def test_many_readers_see_the_same(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=200)) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]

        async def read() -> str:
            return _text([event async for event in _events(client, reply)])

        assert set(await asyncio.gather(*(read() for _ in range(20)))) == {"".join(WORDS)}


async def test_silence_is_filled_with_beats(site: Site) -> None:
    from webchat.api.events import BEAT, EventStream

    sent: list[bytes] = []

    async def silent() -> AsyncGenerator[bytes]:
        yield b"first"
        await asyncio.sleep(0.1)
        yield b"last"

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    stream = EventStream(silent(), beat_seconds=0.02)
    await stream({"type": "http", "method": "GET"}, receive, send)
    assert sent.count(BEAT) >= 2
    assert sent[-1] == b""
    assert sent[-2] == b"last"


async def _first_status(client: httpx.AsyncClient, reply: str) -> Any:
    async for event in _events(client, reply):
        assert event.event == "status"
        return json.loads(event.data)


async def test_a_reply_in_line_is_told_its_place(make_site: MakeSite) -> None:
    backend = Held()
    async with make_site(backend) as site, serving(site.door) as base:
        ada, ben = (site.client(site.visitor(name), base_url=base, transport=None) for name in ("Ada", "Ben"))
        first = (await site.send(ada, "1"))["reply"]["id"]
        await backend.writes("1")
        assert (await _first_status(ada, first))["queue"] is None
        second, third = [(await site.send(ben, text))["reply"]["id"] for text in ("2", "3")]
        statuses: list[Any] = []
        deltas: list[str] = []
        async for event in _events(ben, third):
            if event.event == "status":
                statuses.append(json.loads(event.data))
                if statuses[-1]["queue"]:
                    wait = statuses[-1]["wait"]
                    assert wait.pop("since_ms") >= 0
                    assert wait == {"reason": "queue", "retry_in_ms": None, "attempt": 0}
                if statuses[-1]["queue"] == {"place": 2, "eta_seconds": None}:
                    # So it is told to whoever comes now, a second tab or the same one reloaded.
                    assert (await _first_status(ben, third))["queue"] == statuses[-1]["queue"]
                    backend.go["1"].set()
                elif statuses[-1]["queue"]:
                    for text in ("2", "3"):
                        backend.go[text].set()
            elif event.event == "delta":
                deltas.append(json.loads(event.data)["text"])
        assert statuses[-2]["queue"]["place"] == 1
        assert statuses[-2]["queue"]["eta_seconds"] >= 0
        assert all(set(status) == {"message_id", "state", "loading", "queue", "wait"} for status in statuses)
        last = statuses[-1]
        assert (last["message_id"], last["state"], last["queue"]) == (third, "streaming", None)
        assert "".join(deltas) == "begun 3"
        assert (await site.ended(ben, second))["state"] == "complete"


async def test_a_reply_in_line_is_stopped_at_once(make_site: MakeSite) -> None:
    backend = Held()
    async with make_site(backend) as site:
        client = site.client(site.visitor())
        await site.send(client, "1")
        second = (await site.send(client, "2"))["reply"]["id"]
        assert (await client.post(f"/api/messages/{second}/stop")).status_code == 202
        message = await site.ended(client, second)
        assert (message["state"], message["text"]) == ("stopped", "")
        assert backend.order == ["1"]


async def test_stop_ends_the_reply_and_keeps_its_text(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=30)) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        async for event in _events(client, reply):
            if event.event == "delta":
                break
        assert (await client.post(f"/api/messages/{reply}/stop")).status_code == 202
        message = await site.ended(client, reply)
        assert message["state"] == "stopped"
        assert 0 < len(message["text"]) < len("".join(WORDS))


async def test_a_double_click_makes_one_reply(site: Site) -> None:
    client = site.client(site.visitor())
    body = {"kind": "send", "client_key": "same", "text": "Hello"}
    answers = await asyncio.gather(*(client.post("/api/turns", json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.json()["reply"]["id"] for answer in answers}) == 1
    listed = (await client.get("/api/conversations")).json()["items"]
    assert len(listed) == 1


async def test_deleting_stops_the_model(make_site: MakeSite) -> None:
    backend = EchoBackend(script=WORDS, rate=5)
    async with make_site(backend) as site:
        client = site.client(site.visitor())
        first = await site.send(client)
        second = await site.send(client)
        await _until(lambda: backend.live == 2)
        gone = await client.delete(f"/api/conversations/{first['conversation']['id']}")
        assert gone.status_code == 204
        gone = await client.delete(f"/api/messages/{second['user']['id']}")
        assert gone.status_code == 200
        await _until(lambda: backend.live == 0)


async def test_a_reply_that_ends_meanwhile_keeps_no_deleted_one_going(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = EchoBackend(script=WORDS, rate=5)
    async with make_site(backend) as site:
        client = site.client(site.visitor())
        begun = await site.send(client)
        # As if another reply, deleted too, had ended between the list of those that run and the look at it.
        running = site.turns.running
        monkeypatch.setattr(site.turns, "running", lambda owner: ("ended", *running(owner)))
        await _until(lambda: backend.live == 1)
        assert (await client.delete(f"/api/messages/{begun['user']['id']}")).status_code == 200
        await _until(lambda: backend.live == 0)


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not reached():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_refusals_are_sentences_with_a_code(site: Site) -> None:
    client = site.client(site.visitor())

    async def code(**body: Any) -> tuple[int, str]:
        answer = await client.post("/api/turns", json={"kind": "send", "client_key": "k", **body})
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "cure", "params"}
        assert error["message"]
        return answer.status_code, error["code"]

    assert await code(text="   ") == (400, "empty_message")
    assert await code(text="x" * 200_000) == (413, "message_too_long")
    assert await code(text="x", model="no such") == (400, "unknown_model")
    assert await code(text="x", conversation_id="0" * 20) == (404, "not_found")
    assert await code(text="x", surplus=1) == (422, "invalid")
    assert await code(text=5) == (422, "invalid")
    assert await code(text="x", settings={"sampling": {"temperature": 3}}) == (422, "invalid")
    assert await code(text="x", settings={"sampling": {"top_p": 0}}) == (422, "invalid")
    assert await code(text="x", settings={"sampling": {"max_tokens": True}}) == (422, "invalid")
    assert (await client.post("/api/turns", content=b"{}")).status_code == 415
    deep = b'{"settings":' + b"[" * 200_000
    answer = await client.post("/api/turns", content=deep, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert str(client.base_url).rstrip("/") == BASE


async def test_a_refusal_that_is_tried_again_is_told_with_the_time_until_then(make_site: MakeSite) -> None:
    goes_on = asyncio.Event()

    class Limited(EchoBackend):
        async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
            yield Retrying("rate_limited", 2, 3000.0)
            await goes_on.wait()
            yield TextDelta("Hi")
            yield Finished("stop")

    async with make_site(Limited()) as site, serving(site.door) as base:
        client = site.client(site.visitor("Ada"), base_url=base, transport=None)
        reply = (await site.send(client, "x"))["reply"]["id"]
        async for event in _events(client, reply):
            wait = json.loads(event.data)["wait"] if event.event == "status" else None
            if wait and wait["retry_in_ms"]:
                assert (wait["reason"], wait["attempt"]) == ("rate_limited", 2)
                assert 0 < wait["retry_in_ms"] <= 3_000_000
                goes_on.set()
        assert goes_on.is_set()
