"""Over real HTTP: however a reply is sent and wherever it is cut, what came is kept, and a failure told."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from base64 import b64decode
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from backends.errors import BackendError, BadResponse
from backends.media import name_of
from backends.openai_compat import OpenAICompatBackend
from backends.openai_compat.limits import EVENT_BYTES
from backends.options import EndpointOptions
from backends.types import Event, Finished, Message, Request, TextDelta
from tests.backends.hostile_server import DONE, Answer, End, HostileServer, says, sse, status
from tests.backends.streams import STOP, TEXT, Stream, chunk, deltas

HELLO = Request((Message("user", "Hello"),))
CHUNKS = (*deltas(), STOP)
BODY = Stream("", (*CHUNKS, "[DONE]")).body


async def ask(answer: Answer) -> tuple[str, Finished | BackendError]:
    """The text of the reply, and how it ended."""
    events: list[Event] = []
    async with HostileServer(answer) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m", retries=0))
        try:
            async with aclosing(backend.stream(HELLO)) as stream:
                async for event in stream:
                    events.append(event)
            end: Finished | BackendError = events[-1]  # type: ignore[assignment]
        except BackendError as error:
            end = error
        finally:
            await backend.aclose()
    return "".join(event.text for event in events if isinstance(event, TextDelta)), end


def answer(body: bytes, *headers: str, first: str = "HTTP/1.1 200 OK", end: End = "close") -> Answer:
    return Answer(["\r\n".join([first, *headers]).encode() + b"\r\n\r\n", body], end)


def chunked(body: bytes, size: int) -> bytes:
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def in_lines(*more: str) -> bytes:
    return "\n".join([*map(json.dumps, CHUNKS), *more]).encode()


@pytest.mark.parametrize(
    "sent",
    [
        answer(BODY, f"Content-Length: {len(BODY)}", end="keep"),
        answer(BODY, first="HTTP/1.0 200 OK"),
        answer(BODY, "Content-Type: text/event-stream", first="HTTP/1.1 201 Created"),
        answer(BODY, first="HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        answer(gzip.compress(BODY), "Content-Encoding: gzip"),
        answer(zlib.compress(BODY), "Content-Encoding: deflate"),
        answer(chunked(gzip.compress(BODY), 9), "Content-Encoding: gzip", "Transfer-Encoding: chunked"),
        answer(chunked(BODY, 1), "Transfer-Encoding: chunked", end="keep"),
        answer(b"\xef\xbb\xbf" + BODY),
        answer(b" \r\n\n" + BODY),
        answer(BODY.replace(b"data: ", b"event: message\nid: 3\nretry: 10\ndata:")),
        answer(BODY.replace(b"data: ", b"Data: ")),
        answer(BODY.replace(b"data: ", b": PROCESSING\n\ndata: ")),
        answer(BODY.replace(b"\n\n", b"\n")),
        answer(BODY, end="reset"),
        answer(in_lines()),
        answer(in_lines("[DONE]")),
        answer(in_lines("data: [DONE]", "")),
        answer(json.dumps([*CHUNKS]).encode()),
        answer(json.dumps([*CHUNKS], indent=2).encode()),
        answer("".join(map(json.dumps, CHUNKS)).encode()),
        answer(json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode() + b"\n"),
    ],
)
async def test_a_reply_is_the_same_however_it_is_sent(sent: Answer) -> None:
    text, end = await ask(sent)
    assert text == TEXT
    assert isinstance(end, Finished)
    assert end.reason == "stop"


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("frame", ["none", "length", "chunks"])
async def test_of_a_connection_that_is_cut_anywhere_all_that_came_is_kept(frame: str, end: End) -> None:
    size = 50
    whole = chunked(BODY, size) if frame == "chunks" else BODY
    headers = {
        "none": [],
        "length": [f"Content-Length: {len(BODY)}"],
        "chunks": ["Transfer-Encoding: chunked"],
    }
    for at in range(0, len(whole), 29):
        came = whole[:at] if frame != "chunks" else BODY[: at // len(chunked(BODY[:size], size)[:-5]) * size]
        said = [one for one in CHUNKS if f"{json.dumps(one)}\n\n".encode() in came]
        words = "".join(one["choices"][0]["delta"].get("content", "") for one in said)
        sent = answer(whole[:at], *headers[frame], end=end)
        text, ended = await ask(Answer(sent.pieces, end, pause=0.01 if end == "reset" else 0))
        assert text.startswith(words)
        assert TEXT.startswith(text)
        assert isinstance(ended, Finished) <= (text == TEXT)
        assert isinstance(ended, Finished) >= (STOP in said)


PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 400_000
NAMED = f"![picture](data:image/png;size=3300000;id={name_of(b64decode(PICTURE[22:]))},)"


@pytest.mark.parametrize(
    "drawn",
    [
        chunk(images=[{"type": "image_url", "image_url": {"url": PICTURE}}]),
        chunk(content=[{"type": "image_url", "image_url": {"url": PICTURE}}]),
        chunk(content=f"\n\n![picture]({PICTURE})\n\n"),
    ],
)
@pytest.mark.parametrize("frame", [lambda body: body, lambda body: chunked(body, 700)])
async def test_a_picture_of_megabytes_is_named_in_its_place(
    drawn: dict[str, Any], frame: Callable[[bytes], bytes]
) -> None:
    body = frame(Stream("", (*deltas(["See "]), drawn, *deltas(["there"]), STOP)).body)
    headers = ["Transfer-Encoding: chunked"] if body.startswith(b"2bc") else []
    text, end = await ask(answer(body, *headers))
    assert text == f"See \n\n{NAMED}\n\nthere"
    assert isinstance(end, Finished)


async def test_pictures_of_megabytes_in_one_reply_that_comes_whole_are_named() -> None:
    images = [{"image_url": {"url": f"{PICTURE}{'A' * 400 * n}"}} for n in range(3)]
    message = {"content": "See", "images": images}
    text, end = await ask(answer(json.dumps({"choices": [{"message": message}]}).encode()))
    assert [int(size) for size in re.findall(r"size=(\d+);id=", text)] == [3_300_000, 3_300_300, 3_300_600]
    assert isinstance(end, Finished)


async def test_an_event_that_is_too_long_leaves_what_came_and_says_what_to_do() -> None:
    text, end = await ask(sse(says("Hi"), says("ö " * EVENT_BYTES), says(finish="stop"), DONE))
    assert text == "Hi"
    assert isinstance(end, BadResponse)
    assert "1 MiB" in end.message
    assert "smaller chunks" in end.cure


@pytest.mark.parametrize(
    ("body", "came"),
    [
        (b'{"base_resp": {"status_code": 1008, "status_msg": "it broke"}}', ""),
        (b'data: {"choices": null, "base_resp": {"status_msg": "it broke"}}\n\n', ""),
        (b'{"code": 50001, "msg": "it broke"}', ""),
        (b'{"success": false, "errorMsg": "it broke"}', ""),
        (b'{"errors": ["it broke"]}', ""),
        (b'"it broke"', ""),
        (b"upstream: it broke\n", ""),
        (b": wait\n\nit broke", ""),
        (b"data: it broke\n\n", ""),
        (sse(says("Hi")).pieces[1] + b"event: error\ndata: it broke\n\n", "Hi"),
        (sse(says("Hi")).pieces[1] + b'event: error\ndata: {"code": 1, "msg": "it broke"}\n\n', "Hi"),
        (sse(says("Hi")).pieces[1] + b'event: error\ndata: {"message": "it broke"}\n\n', "Hi"),
    ],
)
async def test_what_a_server_says_in_place_of_a_reply_is_told(body: bytes, came: str) -> None:
    text, end = await ask(answer(body))
    assert text == came
    assert isinstance(end, BadResponse)
    assert "it broke" in end.message


async def test_broken_json_in_the_middle_is_no_ping() -> None:
    text, end = await ask(sse(says("Hi"), 'data: {"choices": [{"del\n\n', says(" you", finish="stop"), DONE))
    assert text == "Hi"
    assert isinstance(end, BadResponse)


async def test_no_content_is_told_as_nothing() -> None:
    _, end = await ask(status(204))
    assert isinstance(end, BadResponse)
