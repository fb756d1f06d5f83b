"""An endpoint may do anything: the backend answers with events or with an error of ours, and soon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from backends.base import Completion, collect
from backends.errors import BackendError, BadRequest, BadResponse, RateLimited, Timeout, Unavailable
from backends.openai_compat import OpenAICompatBackend, Timeouts
from backends.options import EndpointOptions
from backends.types import Event, Finished, Message, Request, TextDelta, Usage
from tests.backends.hostile_server import (
    DONE,
    USAGE,
    Answer,
    HostileServer,
    says,
    sse,
    status,
)

KEY = "sk-very-secret-key-123456"
HELLO = Request((Message("user", "Hello"),))


def connect(server: HostileServer, **options: Any) -> OpenAICompatBackend:
    settings: dict[str, Any] = {"api_key": KEY, "backoff": 0.01, "timeouts": Timeouts(2.0, 2.0, 2.0)}
    return OpenAICompatBackend(EndpointOptions(server.url, "m", **(settings | options)))


async def ask(*answers: Answer, **options: Any) -> Completion:
    async with HostileServer(*answers) as server:
        backend = connect(server, **options)
        try:
            return await collect(backend.stream(HELLO))
        finally:
            await backend.aclose()


async def read_into(events: list[Event], stream: AsyncIterator[Event]) -> None:
    async for event in stream:
        events.append(event)  # an error must leave what came before it


async def ask_in_vain(*answers: Answer, **options: Any) -> tuple[list[Event], BackendError]:
    """The events before the error, and the error, which holds no key and no markup."""
    events: list[Event] = []
    async with HostileServer(*answers) as server:
        backend = connect(server, **options)
        with pytest.raises(BackendError) as caught:
            await read_into(events, backend.stream(HELLO))
        await backend.aclose()
    said = f"{caught.value} {dict(caught.value.params)}"
    assert KEY not in said
    assert "<" not in said
    assert len(said) < 600
    assert not any(isinstance(event, Finished) for event in events)
    return events, caught.value


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_no_done_after_a_finish_reason_is_a_whole_reply() -> None:
    reply = await ask(sse(says("Hi"), says(" you", finish="stop"), USAGE))
    assert (reply.text, reply.usage, reply.finished.reason) == ("Hi you", Usage(5, 2), "stop")


async def test_done_without_a_finish_reason_is_a_whole_reply_and_says_so() -> None:
    reply = await ask(sse(says("Hi"), DONE))
    assert (reply.text, reply.finished.reason) == ("Hi", "stop")
    assert reply.finished.details == {"finish_reason": None}


async def test_an_end_without_done_and_finish_reason_is_a_reply_that_broke_off() -> None:
    events, error = await ask_in_vain(sse(says("Hi")))
    assert text_of(events) == "Hi"
    assert isinstance(error, BadResponse)


async def test_nothing_at_all_is_no_reply() -> None:
    for answer in (sse(), sse(DONE), sse(": nothing\n\n")):
        events, error = await ask_in_vain(answer)
        assert events == []
        assert isinstance(error, BadResponse)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"error": {"message": "engine <b>died</b>", "type": "server_error", "code": 500}}, Unavailable),
        ({"error": {"message": "slow down", "code": 429}}, RateLimited),
        ({"error": "engine died"}, BadResponse),
        ({"error": {"message": "x", "code": ["odd"]}}, BadResponse),
        ({"object": "error", "message": "engine died", "code": 400}, BadRequest),
    ],
)
async def test_an_error_object_inside_a_200_is_raised(error: dict[str, Any], expected: type) -> None:
    events, caught = await ask_in_vain(sse(says("Hi"), error, says("no more", finish="stop"), DONE))
    assert text_of(events) == "Hi"
    assert isinstance(caught, expected)


async def test_an_error_field_of_an_event_is_raised() -> None:
    events, _ = await ask_in_vain(sse(says("Hi"), 'error: {"code": 500, "message": "slot lost"}\n\n'))
    assert text_of(events) == "Hi"


@pytest.mark.parametrize("code", [200, 404, 500, 502, 403])
async def test_a_web_page_is_an_error_without_its_markup(code: int) -> None:
    page = (
        b"<!DOCTYPE html><html><head><title>Oops</title></head><body><script>alert(1)</script></body></html>"
    )
    _, error = await ask_in_vain(status(code, page, content_type="text/html"))
    assert "alert" not in str(error)


async def test_a_line_of_10_mb_is_refused_before_it_is_whole() -> None:
    line = b"data: " + b"x" * 10_000_000 + b"\n\n"
    events, error = await ask_in_vain(sse(says("Hi"), line, says(" you", finish="stop"), DONE))
    assert text_of(events) == "Hi"
    assert isinstance(error, BadResponse)


async def test_a_long_line_within_the_limit_is_read() -> None:
    reply = await ask(sse(says("y" * 1_000_000), says(finish="stop"), DONE))
    assert len(reply.text) == 1_000_000


async def test_bytes_that_are_not_utf8_spoil_only_themselves() -> None:
    broken = b'data: {"choices": [{"delta": {"content": "a\xff\xfeb"}}]}\n\n'
    reply = await ask(sse(broken, says("c", finish="stop"), DONE))
    assert reply.text == "a\ufffd\ufffdbc"


async def test_a_surrogate_pair_in_two_chunks_is_one_character() -> None:
    halves = [
        rb'data: {"choices": [{"delta": {"content": "%s"}}]}' % half for half in (rb"\ud83d", rb"\ude00!")
    ]
    lone = rb'data: {"choices": [{"delta": {"content": "\udc00x\u0000"}}]}'
    reply = await ask(sse(*(half + b"\n\n" for half in (*halves, lone)), says(finish="stop"), DONE))
    assert reply.text == "😀!\ufffdx"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_every_line_ending_in_any_splitting_is_read(newline: str, size: int) -> None:
    lines = [
        "\ufeff: a comment",
        "event: message",
        "id: 7",
        'data: {"choices": [{"delta":',
        'data: {"content": "你好😀"}}]}',
        "",
        "retry: 5",
        "nonsense",
        'data:{"choices": [{"delta": {"content": "!"}, "finish_reason": "length"}]}',
        "",
        "",
        ": bye",
        "data: [DONE]",
        "",
        "",
    ]
    body = newline.join(lines).encode()
    reply = await ask(sse(*(body[i : i + size] for i in range(0, len(body), size))))
    assert (reply.text, reply.finished.reason) == ("你好😀!", "length")


async def test_events_without_blank_lines_and_an_unfinished_last_one_are_read() -> None:
    first, last = (json.dumps(chunk) for chunk in (says("a"), says("b", finish="stop")))
    assert (await ask(sse(f"data: {first}\ndata: {last}\ndata: [DONE]\n"))).text == "ab"
    assert (await ask(sse(f"data: {first}\n\ndata: {last}"))).text == "ab"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": 5, "reasoning": {}, "tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None, 3]}}]},
        {"choices": {"delta": {}}},
        {"usage": {"prompt_tokens": "many"}},
        {"unheard": {"of": ["things"]}, "execute": "alert(1)"},
    ],
)
async def test_odd_chunks_are_passed_over(odd: dict[str, Any]) -> None:
    reply = await ask(sse(odd, says("Hi"), odd, says(finish="stop"), odd, DONE))
    assert (reply.text, reply.finished.reason) == ("Hi", "stop")


@pytest.mark.parametrize("junk", ["[1, 2]", "5", "null", '"text"'])
async def test_json_that_is_no_object_is_passed_over(junk: str) -> None:
    assert (await ask(sse(says("Hi"), f"data: {junk}\n\n", says(finish="stop"), DONE))).text == "Hi"


@pytest.mark.parametrize("junk", ["{broken", "[" * 100_000, "9" * 10_000])
async def test_data_that_is_not_json_is_an_error(junk: str) -> None:
    events, error = await ask_in_vain(sse(says("Hi"), f"data: {junk}\n\n"))
    assert text_of(events) == "Hi"
    assert isinstance(error, BadResponse)


async def test_a_slow_drip_of_bytes_is_read() -> None:
    body = b"".join(b"data: %s\n\n" % json.dumps(says(piece)).encode() for piece in "ab") + DONE.encode()
    reply = await ask(sse(*(body[i : i + 3] for i in range(0, len(body), 3)), pause=0.001))
    assert reply.text == "ab"


async def test_a_drip_of_comments_is_no_first_token() -> None:
    answer = sse(*[": still here\n\n"] * 200, pause=0.02)
    events, error = await ask_in_vain(answer, timeouts=Timeouts(2.0, 0.2, 2.0))
    assert events == []
    assert isinstance(error, Timeout)


async def test_a_drip_of_comments_is_no_next_token() -> None:
    answer = sse(says("Hi"), *[": still here\n\n"] * 200, pause=0.02)
    events, error = await ask_in_vain(answer, timeouts=Timeouts(2.0, 2.0, 0.2))
    assert text_of(events) == "Hi"
    assert isinstance(error, Timeout)


async def test_silence_before_the_head_and_in_the_middle_times_out() -> None:
    for pieces in ((), sse().pieces, sse(says("Hi")).pieces):
        _, error = await ask_in_vain(Answer(pieces, "hang"), timeouts=Timeouts(2.0, 0.2, 0.2))
        assert isinstance(error, Timeout)
        assert error.params["seconds"] == 0.2


async def test_silence_after_the_end_of_a_reply_is_no_failure() -> None:
    for answer in (
        sse(says("Hi", finish="stop"), USAGE, DONE, end="hang"),
        sse(says("Hi"), DONE, end="hang"),
    ):
        reply = await ask(answer)
        assert reply.text == "Hi"


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_reset_in_the_middle_keeps_what_came(chunked: bool) -> None:
    answer = sse(says("Hi"), b'data: {"choices": [{"delta": {"con', end="reset", pause=0.02, chunked=chunked)
    events, error = await ask_in_vain(answer)
    assert text_of(events) == "Hi"
    assert isinstance(error, Unavailable | BadResponse)


async def test_a_chunked_body_that_just_stops_keeps_what_came() -> None:
    events, error = await ask_in_vain(sse(says("Hi"), end="close", chunked=True))
    assert text_of(events) == "Hi"
    assert isinstance(error, Unavailable)


async def test_a_reset_before_the_first_token_is_tried_again() -> None:
    reply = await ask(sse(end="reset"), Answer([], "reset"), sse(says("Hi", finish="stop")))
    assert reply.text == "Hi"


async def test_nothing_is_tried_again_after_the_first_token() -> None:
    async with HostileServer(
        sse(says("Hi"), end="reset", pause=0.02), sse(says("again", finish="stop"))
    ) as server:
        backend = connect(server)
        with pytest.raises(Unavailable):
            await collect(backend.stream(HELLO))
        await backend.aclose()
        assert len(server.requests) == 1


@pytest.mark.parametrize("wait", [0.0, 0.05])
async def test_a_pooled_connection_closed_without_notice_costs_nothing(wait: float) -> None:
    """The server ends each stream properly, as if the connection could be used again, and closes it."""
    answer = sse(says("Hi", finish="stop"), DONE, end="keep", chunked=True, close_after=0.001)
    async with HostileServer(answer) as server:
        backend = connect(server, retries=0)
        for _ in range(20):
            assert (await collect(backend.stream(HELLO))).text == "Hi"
            await asyncio.sleep(wait)
        await backend.aclose()


async def test_a_pooled_connection_that_dies_on_the_next_request_is_replaced_at_once() -> None:
    good = sse(says("Hi", finish="stop"), DONE, end="keep", chunked=True)
    async with HostileServer(good, Answer([], "close"), good) as server:
        backend = connect(server, retries=0)
        for _ in range(2):
            assert (await collect(backend.stream(HELLO))).text == "Hi"
        await backend.aclose()
        assert [asked.connection for asked in server.requests][:2] == [1, 1]
        assert server.requests[2].connection == 2


async def test_connections_are_used_again() -> None:
    async with HostileServer(sse(says("Hi", finish="stop"), DONE, end="keep", chunked=True)) as server:
        backend = connect(server)
        for _ in range(5):
            await collect(backend.stream(HELLO))
        await backend.aclose()
        assert server.connections == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain", ""])
async def test_a_plain_completion_is_as_good_as_a_stream(content_type: str) -> None:
    message = {"role": "assistant", "content": "<think>hm</think>Hi", "reasoning_content": None}
    whole = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]} | {
        "usage": USAGE["usage"]
    }
    reply = await ask(status(200, json.dumps(whole, indent=1).encode(), content_type=content_type))
    assert (reply.text, reply.reasoning, reply.usage) == ("Hi", "hm", Usage(5, 2))


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "application/octet-stream"])
async def test_events_under_a_wrong_content_type_are_read(content_type: str) -> None:
    assert (await ask(sse(says("Hi", finish="stop"), DONE, content_type=content_type))).text == "Hi"


@pytest.mark.parametrize("body", [b"{", b'{"choices": [', b'{"a": 1}', b"[]", b"{" + b"x" * 9_000_000])
async def test_broken_or_foreign_json_is_an_error(body: bytes) -> None:
    events, error = await ask_in_vain(status(200, body))
    assert events == []
    assert isinstance(error, BadResponse)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_takes_no_key_along(code: int) -> None:
    async with HostileServer(sse(says("stolen", finish="stop"))) as elsewhere:
        redirect = status(code, headers=[f"Location: {elsewhere.url}/chat/completions"])
        _, error = await ask_in_vain(redirect)
        assert isinstance(error, BadResponse)
        assert elsewhere.connections == 0


async def test_no_cookie_is_sent_back() -> None:
    answer = status(200, json.dumps(says("Hi", finish="stop")).encode(), headers=["Set-Cookie: a=b"])
    async with HostileServer(answer) as server:
        backend = connect(server)
        for _ in range(2):
            await collect(backend.stream(HELLO))
        await backend.aclose()
        assert [asked.headers.get("cookie") for asked in server.requests] == [None, None]


async def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    said = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY} <img src=x>"}}).encode()
    for answer in (status(401, said), status(400, said), sse(said.decode().join(("data: ", "\n\n")))):
        await ask_in_vain(answer)


async def test_closing_the_stream_closes_the_connection() -> None:
    async with HostileServer(sse(says("Hi"), end="hang")) as server:
        backend = connect(server)
        async with aclosing(backend.stream(HELLO)) as stream:
            await anext(stream)
        await asyncio.wait_for(server.requests[0].closed.wait(), 60)
        await backend.aclose()


@pytest.mark.parametrize("pieces", [[], [b"HTTP/1.1 200 OK\r\n\r\n"], [*sse(says("Hi")).pieces]])
async def test_cancelling_closes_the_connection(pieces: list[bytes]) -> None:
    async with HostileServer(Answer(pieces, "hang")) as server:
        backend = connect(server)
        task = asyncio.create_task(collect(backend.stream(HELLO)))
        await server.asked.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.requests[0].closed.wait(), 60)
        await backend.aclose()


async def test_closing_the_backend_wakes_a_stream_that_waits() -> None:
    for pieces in ([], [*sse(says("Hi")).pieces]):
        async with HostileServer(Answer(pieces, "hang")) as server:
            backend = connect(server)
            task = asyncio.create_task(collect(backend.stream(HELLO)))
            await server.asked.wait()
            await asyncio.sleep(0.02)
            await backend.aclose()
            with pytest.raises(Unavailable):
                await asyncio.wait_for(task, 60)
