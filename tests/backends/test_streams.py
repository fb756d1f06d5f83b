"""A reply is what its stream says up to its end, once, however its chunks are made and cut."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends.base import collect
from backends.errors import BackendError, BadResponse, Loading, Timeout, Unavailable
from backends.openai_compat import OpenAICompatBackend, Timeouts
from backends.openai_compat.replies.body import BodyReader
from backends.openai_compat.replies.repeats import RepeatCutter
from backends.openai_compat.replies.reply import Reply
from backends.options import EndpointOptions
from backends.types import Event, Finished, Message, ReasoningDelta, Request, Retrying, TextDelta
from tests.backends.hostile_server import DONE, USAGE, Answer, HostileServer, says, sse, status
from tests.backends.odd_streams import STREAMS
from tests.backends.streams import Stream

HELLO = Request((Message("user", "Hello"),))


def read(pieces: Sequence[bytes]) -> list[Event]:
    """The events of a body that comes in these pieces. Raises how it failed."""
    reply = Reply(None)
    reader = BodyReader(reply, "host")
    events: list[Event] = []
    for more, failure in [*map(reader.feed, pieces), reader.close()]:
        events += more
        if failure is not None:
            raise failure
    return [*events, *reply.rest(), *reply.end()]


def check(stream: Stream, pieces: Sequence[bytes]) -> None:
    try:
        events = read(pieces)
    except BadResponse:
        assert stream.reason is None
        return
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == stream.text
    assert "".join(e.text for e in events if isinstance(e, ReasoningDelta)) == stream.reasoning
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == stream.reason


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    return [body[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize("size", [1, 5, 64, 100_000])
def test_a_stream_is_its_reply_in_every_chunking(size: int) -> None:
    for stream in STREAMS:
        check(stream, [stream.body[at : at + size] for at in range(0, len(stream.body), size)])


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 100_000), max_size=20))
def test_a_stream_is_its_reply_cut_anywhere(stream: Stream, places: list[int]) -> None:
    check(stream, cut(stream.body, places))


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_a_stream_is_its_reply_with_other_line_ends(newline: str) -> None:
    for stream in STREAMS:
        check(stream, [stream.body.replace(b"\n", newline.encode())])


def test_a_reply_that_broke_off_keeps_what_came() -> None:
    reply = Reply(None)
    for event in BodyReader(reply, "host").feed(b'data: {"choices": [{"delta": {"content": "w0 w1"}}]}\n\n')[
        0
    ]:
        assert event == TextDelta("w0 w1")
    with pytest.raises(BadResponse, match="cut off"):
        reply.end()


@example(["a", " aa"])
@example(["a ", "aaa"])
@given(st.lists(st.text(st.sampled_from("ab哈 \n"), max_size=6), max_size=12))
def test_text_whose_pieces_do_not_each_begin_with_the_one_before_is_never_taken_for_repeats(
    pieces: list[str],
) -> None:
    said = [piece for piece in pieces if piece]
    if len(said) < 2 or said[1].startswith((said[0], said[0].lstrip() or said[0])) or len("".join(said)) > 15:
        return  # could be
    cutter = RepeatCutter()
    assert "".join(map(cutter.feed, pieces)) + cutter.flush() == "".join(pieces)


@given(st.text(min_size=1, max_size=60), st.lists(st.integers(0, 60), min_size=3, max_size=10))
def test_text_that_grows_is_shown_once(text: str, places: list[int]) -> None:
    ends = sorted({place % len(text) + 1 for place in places} | {len(text)})
    if len(ends) < 4 or not text[: ends[0]].isalnum():
        return
    cutter = RepeatCutter()
    assert "".join(cutter.feed(text[:end]) for end in ends) + cutter.flush() == text


def test_text_of_one_read_is_one_event() -> None:
    body = b"".join(b"data: %s\n\n" % json.dumps(says(f"{n} ")).encode() for n in range(50))
    (event,) = BodyReader(Reply(None), "host").feed(body)[0]
    assert event == TextDelta("".join(f"{n} " for n in range(50)))


# The same over a network, and how long it is waited for


async def ask(
    *answers: Answer, models: Answer | None = None, **options: Any
) -> tuple[list[Event], HostileServer]:
    events: list[Event] = []
    async with HostileServer(*answers, models=models) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m", **({"backoff": 0.01} | options)))
        try:
            async for event in backend.stream(HELLO):
                events.append(event)
        finally:
            await backend.aclose()
    return events, server


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("early", [says(finish="stop"), says("w0 ", finish="stop"), USAGE])
async def test_words_that_come_late_behind_an_end_are_read(early: dict[str, Any]) -> None:
    late = sse(early, *(says(f"w{n} ") for n in range(1, 4)), says(finish="stop"), DONE, pause=0.3)
    events, _ = await ask(late, timeouts=Timeouts(next_token=1.0, first_token=1.0))
    assert text_of(events).endswith("w1 w2 w3 ")


async def test_a_server_that_took_an_end_back_has_as_long_as_between_any_tokens() -> None:
    """Longer than what the rest of a stream may take behind an end."""
    body = sse(says("a ", finish="stop"), says("b ", finish="stop"), end="hang")
    events, _ = await ask(body, timeouts=Timeouts(next_token=0.3))
    assert isinstance(events[-1], Finished)
    with pytest.raises(Timeout):
        await ask(sse(says("a", finish="stop"), says("b"), end="hang"), timeouts=Timeouts(next_token=0.3))


SLOWLY = [
    pytest.param(sign, marks=pytest.mark.slow)
    for sign in ("data: \n\n", ":\n", "event: ping\n\n", says(), says(""))
]


@pytest.mark.parametrize("alive", [": ping\n\n", says(role="assistant"), "\n", *SLOWLY])
async def test_signs_of_life_are_waited_for_up_to_a_bound(alive: str | dict[str, Any]) -> None:
    """Three times as long as the limit before the first token and between two; not for ever."""
    limits = Timeouts(first_token=0.8, next_token=0.8)
    signs = [alive] * 12
    events, _ = await ask(
        sse(*signs, says("Hi "), *signs, says("you", finish="stop"), DONE, pause=0.2), timeouts=limits
    )
    assert text_of(events) == "Hi you"


@pytest.mark.parametrize("begun", [[], [says("Hi")]])
async def test_signs_of_life_alone_are_no_reply(begun: list[dict[str, Any]]) -> None:
    drip = sse(*begun, *[": ping\n\n"] * 500, pause=0.02)
    with pytest.raises(Timeout) as caught:
        await ask(drip, timeouts=Timeouts(first_token=0.4, next_token=0.4))
    assert caught.value.params["seconds"] == pytest.approx(4.0)


LOADING = [
    b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}',
    b'{"error":"Model mistral-7b is currently loading","estimated_time":0.02}',
    b'{"detail":"The model is not ready yet"}',
    b"Service is starting up",
    "模型正在加载，请稍候".encode(),
    b'{"message": "container is warming up"}',
]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        *((body, []) for body in LOADING),
        *((LOADING[0], [f"Retry-After: {seconds}"]) for seconds in (0, 30)),
        *(
            pytest.param(body, [f"Retry-After: {seconds}"], marks=pytest.mark.slow)
            for body in LOADING[1:]
            for seconds in (0, 30)
        ),
    ],
)
async def test_a_model_that_loads_is_waited_for_and_told_of(body: bytes, headers: list[str]) -> None:
    refused = status(503, body, headers=headers)
    events, server = await ask(*[refused] * 6, sse(says("Hi", finish="stop"), DONE))
    assert text_of(events) == "Hi"
    waits = [event for event in events if isinstance(event, Retrying)]
    assert [(one.code, one.attempt) for one in waits] == [("loading", n) for n in range(1, 7)]
    assert len(server.requests) == 7


async def test_a_model_that_loads_for_longer_than_a_first_token_may_take_is_an_error_that_says_so() -> None:
    with pytest.raises(Loading):
        await ask(status(503, LOADING[0]), timeouts=Timeouts(first_token=0.3), backoff=0.05)


async def test_an_endpoint_that_loads_before_it_lists_is_waited_for_with_its_progress() -> None:
    seen: list[str] = []
    listing = status(200, b'{"data": [{"id": "m", "max_model_len": 99}]}')
    async with HostileServer(sse(DONE), models=status(503, LOADING[0])) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, backoff=0.01))

        def progress(one: Any) -> None:
            seen.append(one.phase)
            if len(seen) == 4:
                server.models = listing

        await backend.start(progress)
        await backend.aclose()
    assert seen == ["connecting", "loading", "loading", "loading"]
    assert backend.capabilities.context_length == 99


@pytest.mark.parametrize(
    "body", [b"overloaded", b"no healthy upstream", b"<html>Service Unavailable</html>", b""]
)
async def test_another_503_is_no_loading(body: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        await ask(status(503, body))
    assert not isinstance(caught.value, Loading)


async def test_a_backend_that_is_closed_while_a_model_loads_ends_soon() -> None:
    async with HostileServer(status(503, LOADING[0])) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m", backoff=0.01))
        task = asyncio.create_task(collect(backend.stream(HELLO)))
        await server.asked.wait()
        await backend.aclose()
        with pytest.raises(BackendError):
            await asyncio.wait_for(task, 60)


# What the library under it could get wrong


async def test_a_body_is_never_asked_for_packed() -> None:
    _, server = await ask(sse(says("Hi", finish="stop"), DONE))
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused() -> None:
    bomb = gzip.compress(b"data: " + b"x" * 50_000_000)
    with pytest.raises(BadResponse):
        await ask(status(200, bomb, headers=["Content-Encoding: gzip"]))


async def test_a_packed_body_is_read() -> None:
    body = gzip.compress(f"data: {json.dumps(says('Hi', finish='stop'))}\n\n{DONE}".encode())
    events, _ = await ask(status(200, body, headers=["Content-Encoding: gzip"]))
    assert text_of(events) == "Hi"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000_000 + b"\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02F",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"\r\n" * 100_000,
    ],
)
async def test_a_head_that_is_none_is_an_error_of_ours(head: bytes) -> None:
    with pytest.raises(BackendError):
        await ask(Answer([head]), timeouts=Timeouts(first_token=5.0), retries=0)


async def test_a_long_request_is_sent_whole() -> None:
    request = Request((Message("user", "x" * 3_000_000),))
    async with HostileServer(sse(says("Hi", finish="stop"), DONE)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        await collect(backend.stream(request))
        await backend.aclose()
    assert server.requests[0].body["messages"][0]["content"] == "x" * 3_000_000


async def test_a_slow_reader_loses_nothing_and_is_not_hurried() -> None:
    words = [says(f"{n} ") for n in range(5)]
    async with HostileServer(sse(*words, says(finish="stop"), DONE, pause=0.01)) as server:
        backend = OpenAICompatBackend(
            EndpointOptions(server.url, "m", timeouts=Timeouts(first_token=2.0, next_token=0.4))
        )
        said = []
        async for event in backend.stream(HELLO):
            said.append(event)
            await asyncio.sleep(0.5)
        await backend.aclose()
    assert text_of(said) == "0 1 2 3 4 "
