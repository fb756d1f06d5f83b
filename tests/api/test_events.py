"""One stream carries all that a browser shows."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from backends.echo import EchoBackend
from tests.api.conftest import MakeSite, Site, serving
from tests.turns.held import Gated
from webchat.api.errors import ApiError
from webchat.api.events import MOST_STREAMS, PIECE_BYTES, OpenStreams, many_replies
from webchat.api.turns import MOST_REPLIES
from webchat.store.records import Message, Owner
from webchat.turns import Done, Follower, Party

WORDS = [f"w{n} " for n in range(40)]
WHOLE = "".join(WORDS)


async def _events(client: httpx.AsyncClient, **replies: int) -> AsyncIterator[ServerSentEvent]:
    params = [("reply", f"{message}:{seq}") for message, seq in replies.items()]
    async with aconnect_sse(client, "GET", "/api/events", params=params) as source:
        assert source.response.status_code == 200
        async for event in source.aiter_sse():
            yield event


async def _until_done(
    client: httpx.AsyncClient, replies: dict[str, int], backend: Gated | None = None
) -> tuple[Any, dict[str, list[tuple[str, Any]]]]:
    """`hello`, and what is told of each reply until all have ended."""
    hello: Any = None
    told: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    left = set(replies)
    async for event in _events(client, **replies):
        data = json.loads(event.data)
        if event.event == "hello":
            assert hello is None
            hello = data
            if backend is not None:
                backend.open.set()
        elif event.event in ("status", "delta", "gone"):
            told[data["message_id"]].append((event.event, data))
        elif event.event == "done":
            told[data["message"]["id"]].append((event.event, data["message"]))
        left -= {id for id in left if told[id] and told[id][-1][0] in ("done", "gone")}
        if not left:
            break
    return hello, told


def _text(told: list[tuple[str, Any]]) -> str:
    return "".join(data["text"] for kind, data in told if kind == "delta")


async def test_many_replies_on_one_connection(make_site: MakeSite) -> None:
    backend = Gated(script=WORDS, rate=200)
    async with make_site(backend) as site, serving(site.door) as base:
        ada = site.visitor()
        client = site.client(ada, base_url=base, transport=None)
        replies = [(await site.send(client))["reply"]["id"] for _ in range(5)]
        hello, told = await _until_done(client, dict.fromkeys(replies, 0), backend)
        assert hello == {"owner": ada.id, "running": replies}
        for reply in replies:
            kinds = [kind for kind, _ in told[reply]]
            seqs = [data["seq"] for kind, data in told[reply] if kind == "delta"]
            assert seqs == list(range(1, len(seqs) + 1))
            assert kinds[-1] == "done"
            assert kinds.count("done") == 1
            assert told[reply][-1][1]["text"] == _text(told[reply]) == WHOLE


async def test_each_reply_goes_on_from_its_own_place(make_site: MakeSite) -> None:
    """From every piece of one reply, while another is followed from its beginning."""
    backend = Gated(script=WORDS, rate=50)
    async with make_site(backend) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        one, other = [(await site.send(client))["reply"]["id"] for _ in range(2)]
        pieces: list[Any] = []
        later: list[asyncio.Task[Any]] = []
        async for event in _events(client, **{one: 0}):
            if event.event == "hello":
                backend.open.set()
            elif event.event == "delta":
                pieces.append(json.loads(event.data))
                places = {one: pieces[-1]["seq"], other: 0}
                later.append(asyncio.create_task(_until_done(client, places)))
            elif event.event == "done":
                break
        assert len(pieces) > 3
        for seen, (_, told) in enumerate(await asyncio.gather(*later), start=1):
            assert [data for kind, data in told[one] if kind == "delta"] in (pieces[seen:], [])
            assert told[one][-1][1]["text"] == WHOLE
            assert _text(told[other]) in (WHOLE, "")  # nothing of one that has ended: `done` is whole
            assert told[other][-1][1]["text"] == WHOLE


async def test_a_dropped_line_loses_and_doubles_nothing(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=100)) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        replies = [(await site.send(client))["reply"]["id"] for _ in range(3)]
        seen = dict.fromkeys(replies, 0)
        texts = dict.fromkeys(replies, "")
        for drop in (1, 4, 2, 9):
            async for event in _events(client, **seen):
                if event.event == "delta":
                    data = json.loads(event.data)
                    assert data["seq"] == seen[data["message_id"]] + 1
                    seen[data["message_id"]] = data["seq"]
                    texts[data["message_id"]] += data["text"]
                    drop -= 1
                if event.event == "done" or drop == 0:
                    break
        _, told = await _until_done(client, seen)
        for reply in replies:
            assert told[reply][-1][1]["text"].startswith(texts[reply] + _text(told[reply]))


async def test_owners_are_apart(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=100)) as site, serving(site.door) as base:
        ada, ben = (site.client(site.visitor(name), base_url=base, transport=None) for name in ("Ada", "Ben"))
        reply = (await site.send(ada))["reply"]["id"]
        hello, told = await _until_done(ben, {reply: 0})
        assert hello["running"] == []
        assert told == {reply: [("gone", {"message_id": reply})]}
        first: list[ServerSentEvent] = []
        async for event in _events(ben):
            first.append(event)
            if event.event == "hello":
                other = await site.send(ada)
                own = await site.send(ben)
            elif event.event == "ended":
                break
        news = [json.loads(event.data)["conversation_id"] for event in first[1:]]
        assert set(news) == {own["conversation"]["id"]}
        assert (await site.ended(ada, other["reply"]["id"]))["state"] == "complete"


async def test_what_happens_elsewhere_is_told(site: Site) -> None:
    async with serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        kinds: list[str] = []
        begun: Any = None
        events = _events(client)

        async def told(kind: str) -> Any:
            async for event in events:
                kinds.append(event.event)
                if event.event == kind:
                    return json.loads(event.data)
            raise AssertionError(kinds)

        await told("hello")
        begun = await site.send(client)
        place = {"conversation_id": begun["conversation"]["id"], "message_id": begun["reply"]["id"]}
        assert await told("begun") == {**place, "state": None}
        assert await told("ended") == {**place, "state": "complete"}
        thread, message = f"/api/conversations/{place['conversation_id']}", place["message_id"]
        for method, url, body in (
            ("PATCH", thread, {"title": "Other"}),
            ("POST", f"/api/messages/{message}/edit", {"text": "Better"}),
            ("POST", f"/api/messages/{message}/activate", {}),
            ("PUT", f"/api/messages/{message}/rating", {"value": 1}),
            ("DELETE", f"/api/messages/{message}", None),
            ("POST", f"/api/messages/{message}/restore", {}),
            ("DELETE", thread, None),
            ("POST", f"{thread}/restore", {}),
        ):
            assert (await client.request(method, url, json=body)).is_success
            assert await told("changed") == {"conversation_id": place["conversation_id"]}
        # What only this page's next message is made with is no news to others.
        await client.patch(thread, json={"settings": {"model": "echo"}})
        await client.patch(thread, json={"pinned": True})
        assert await told("changed") == {"conversation_id": place["conversation_id"]}
        assert kinds == ["hello", "begun", "ended", *["changed"] * 9]


@pytest.mark.parametrize(
    "query",
    [
        "reply=x",
        "reply=x:",
        "reply=x:-1",
        "reply=x:1.5",
        "reply=x:99999999999",
        "reply=x:4294967296",
        "reply=a/b:1",
        "reply=:1",
        "reply=%00:1",
        "wait=maybe",
        "&".join(f"reply=m{number}:0" for number in range(MOST_REPLIES + 1)),
    ],
)
async def test_what_makes_no_sense_is_refused(site: Site, query: str) -> None:
    answer = await site.client(site.visitor()).get(f"/api/events?wait=0&{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


async def test_a_reply_named_twice_is_told_once_from_the_earlier_place(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=200)) as site, serving(site.door) as base:
        client = site.client(site.visitor(), base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        answer = await client.get(f"/api/events?reply={reply}:9&reply={reply}:0&wait=0")
        assert answer.text.count("event: status") <= 1
        _, told = await _until_done(client, {reply: 0})
        assert _text(told[reply]) in (WHOLE, "")


async def test_a_guest_whose_link_is_revoked_hears_no_more(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=10)) as site, serving(site.door) as base:
        guest, _ = site.guest()
        client = site.client(guest, base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        async with asyncio.timeout(60):
            async for event in _events(client, **{reply: 0}):
                if event.event == "delta":
                    site.store.revoke_link("testers")
        assert (await client.get("/api/events")).status_code == 401


async def test_nobody_is_left_behind_by_readers_who_go(make_site: MakeSite) -> None:
    async with make_site(EchoBackend(script=WORDS, rate=50)) as site, serving(site.door) as base:
        ada = site.visitor()
        client = site.client(ada, base_url=base, transport=None)
        reply = (await site.send(client))["reply"]["id"]
        for _ in range(3):
            async for event in _events(client, **{reply: 0}):
                if event.event == "delta":
                    break
        followers = site.turns._followers
        async with asyncio.timeout(60):
            while followers:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await site.ended(client, reply))["text"] == WHOLE


async def test_one_stream_too_many_ends_the_owners_oldest(site: Site) -> None:
    owners = site.visitor("Ada"), site.visitor("Ben")
    async with serving(site.door) as base, AsyncExitStack() as stack, asyncio.timeout(60):
        ada, ben = (site.client(owner, base_url=base, transport=None) for owner in owners)
        lines = []
        for client in (ada, ben, *[ada] * MOST_STREAMS):
            stream = await stack.enter_async_context(client.stream("GET", "/api/events"))
            lines.append(stream.aiter_lines())
            assert "retry" in await anext(lines[-1])
        oldest, *others = lines
        assert len([line async for line in oldest]) > 1  # it has ended
        for owner in owners:
            site.turns.changed(owner.id, "c1")
        for line in others:
            while "changed" not in await anext(line):
                pass


async def test_streams_that_are_not_read_do_not_pile_up() -> None:
    streams = OpenStreams(most=2)
    closed: list[int] = []

    async def endless() -> AsyncGenerator[bytes]:
        while True:
            yield b"x"

    async def nothing(*_: object) -> Any:
        await asyncio.Event().wait()

    tasks = []
    for n in range(4):
        streams.check(Party("ada"))
        stream = streams.open(Party("ada"), endless(), partial(closed.append, n))
        tasks.append(asyncio.create_task(stream({"type": "http", "method": "GET"}, nothing, nothing)))
        await asyncio.sleep(0)
    with pytest.raises(ApiError):
        streams.check(Party("ada"))
    streams.check(Party("ben"))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(closed) == [0, 1, 2, 3]
    streams.check(Party("ada"))


async def test_long_replies_are_encoded_as_they_are_taken() -> None:
    text = "x" * PIECE_BYTES
    follower = Follower()
    for n in range(20):
        message = Message(f"m{n}", "c", None, "assistant", None, text, "", "complete", datetime.now(UTC))
        follower.tell(message.id, Done(message))
    reader = Owner("ada", "visitor", "Ada", None, datetime.now(UTC))
    pieces = [piece async for piece in many_replies(follower, [], reader, wait=False)]
    assert b"".join(pieces).count(b"event: done") == 20
    assert max(map(len, pieces)) < 3 * PIECE_BYTES
