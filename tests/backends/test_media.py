"""Pictures and sound in a reply are named in its text, in every chunking, and their base64 is not in it."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode, encodebytes
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.media import KEPT_BYTES, KEPT_IN_REPLY, KEPT_REPLY_BYTES, name_of
from backends.openai_compat import OpenAICompatBackend
from backends.openai_compat.replies.media import SHORT, DataCutter, Keeper, MediaReader
from backends.openai_compat.replies.reply import Reply
from backends.options import EndpointOptions
from backends.types import Media, Message, Request, TextDelta
from tests.backends.hostile_server import DONE, HostileServer, says, sse

DATA = "A" * 20_000
PNG = "data:image/png;base64,iVBORw0KGgo" + DATA
BYTES = b64decode("iVBORw0KGgo" + DATA + "=")
NAMED = f"data:image/png;size={(len(PNG) - 22) * 3 // 4};id={name_of(BYTES)},"
ZEROS = f"size=15000;id={name_of(bytes(15000))},"


def text_of(*deltas: dict[str, Any]) -> str:
    reply = Reply(None)
    events = []
    for delta in deltas:
        reply.chunk({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        events += reply.take()
    reply.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events += [*reply.take(), *reply.rest()]
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def cut(text: str, *at: int) -> str:
    cutter = DataCutter(Keeper())
    places = [0, *sorted(at), len(text)]
    said = [cutter.feed(text[start:end]) for start, end in pairwise(places)]
    return "".join(said) + cutter.flush()


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ({"content": "Here: ", "images": [{"type": "image_url", "image_url": {"url": PNG}}]}, f"({NAMED})"),
        ({"images": [PNG]}, f"![picture]({NAMED})"),
        ({"image_url": {"url": PNG}}, f"({NAMED})"),
        ({"image": PNG}, f"({NAMED})"),
        ({"content": [{"type": "image_url", "image_url": PNG}]}, f"({NAMED})"),
        ({"content": [{"type": "text", "text": "See"}, {"type": "output_image", "url": PNG}]}, f"({NAMED})"),
        ({"content": [{"type": "image", "data": DATA}]}, f"(data:image/unknown;{ZEROS})"),
        ({"content": [{"type": "image", "b64_json": DATA}]}, f"(data:image/unknown;{ZEROS})"),
        (
            {"images": [{"url": "https://pictures.example/1.png"}]},
            "![picture](https://pictures.example/1.png)",
        ),
        ({"images": [{"url": "javascript:alert(1)"}]}, "(data:image/unknown;size=14,)"),
        ({"images": {"type": "image_url", "image_url": {"url": PNG}}}, f"({NAMED})"),
        ({"audio": {"id": "a", "data": DATA, "transcript": "Good morning"}}, "Good morning"),
        ({"audio": {"data": DATA}}, f"![audio](data:audio/unknown;{ZEROS})"),
        (
            {"content": [{"type": "input_audio", "input_audio": {"data": DATA}}]},
            f"(data:audio/unknown;{ZEROS})",
        ),
        ({"content": f"Done:\n\n![picture]({PNG})\n\nMore?"}, f"Done:\n\n![picture]({NAMED})\n\nMore?"),
        ({"content": f"<img src='{PNG}'>"}, f"<img src='{NAMED}'>"),
    ],
)
def test_what_came_is_named_and_its_bytes_are_not_told(delta: dict[str, Any], said: str) -> None:
    text = text_of(delta)
    assert said in text
    assert "AAAA" not in text


@pytest.mark.parametrize(
    "delta",
    [{"images": None}, {"images": [None, 3, {}, ""]}, {"audio": None}, {"audio": {"data": 3}}, {"image": []}],
)
def test_what_holds_nothing_says_nothing(delta: dict[str, Any]) -> None:
    assert text_of({"content": "ok"}, delta) == "ok"
    assert MediaReader(Keeper()).read(delta) == ""


def test_a_picture_that_comes_again_with_the_end_is_named_once() -> None:
    picture = {"images": [{"image_url": {"url": PNG}}]}
    assert text_of(picture, {"content": "Done."}, picture).count("![picture]") == 1


def test_sound_in_pieces_is_named_once_with_its_whole_size() -> None:
    text = text_of(*({"audio": {"data": "AAAA" * 100, "transcript": f"w{n} "}} for n in range(20)))
    whole = f"size=6000;id={name_of(bytes(6000))},"
    assert text == "".join(f"w{n} " for n in range(20)) + f"\n\n![audio](data:audio/unknown;{whole})\n\n"


@pytest.mark.parametrize(
    "text",
    [
        "data: the plural of datum",
        "url(data:image/gif;base64,R0lGOD) in CSS",
        "data:image/png;base64,",
        "data:,x",
        "dat",
    ],
)
def test_prose_and_short_code_stay_as_they_are(text: str) -> None:
    for at in range(len(text)):
        assert cut(text, at) == text


def test_words_are_not_held_back() -> None:
    cutter = DataCutter(Keeper())
    assert [cutter.feed(word) for word in ("bread", " and", " dat", "a", " sad")] == [
        *("bread", " and", " dat", "a", " sad")
    ]


PIECES = [
    "data:image/png;base64,",
    "data:",
    "image/svg+xml;charset=utf-8;base64,",
    "A" * SHORT,
    "B" * 5,
    ")",
    " ",
    "d",
    "da",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.lists(st.integers(0, 6000), max_size=8)
)
def test_a_text_is_the_same_in_every_chunking(text: str, places: list[int]) -> None:
    assert cut(text, *(at for at in places if at < len(text))) == cut(text)


def test_a_long_picture_in_small_pieces_costs_no_more_than_its_length() -> None:
    cutter = DataCutter(Keeper())
    cutter.feed("![x](data:image/png;base64,")
    for _ in range(100):
        assert cutter.feed("A" * 20) == "" or cutter.feed("") == ""
    assert len(cutter._held) <= SHORT + 100
    assert cutter.feed(") end").endswith(",) end")


HERE = "data:image/png;base64,"
SMALL = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
OTHER = b"\xff\xd8\xff" + bytes(300)
GIF, WEBP = b"GIF89a" + bytes(40), b"RIFF\x20\0\0\0WEBPVP8 " + bytes(40)
MP3, WAV, OGG = b"ID3\x04" + bytes(90), b"RIFF\x20\0\0\0WAVEfmt " + bytes(90), b"OggS" + bytes(90)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PAGE = b"<!doctype html><script>alert(1)</script>"


def as64(data: bytes) -> str:
    return b64encode(data).decode()


def address(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{as64(data)}"


def pieces(text: str, size: int) -> list[dict[str, Any]]:
    return [says(text[at : at + size]) for at in range(0, len(text), size)]


def image(media_type: str, data: bytes) -> dict[str, Any]:
    return says(images=[{"type": "image_url", "image_url": {"url": address(media_type, data)}}])


MARKDOWN = f"Done:\n\n![a cat]({address('image/png', SMALL)})\n\nMore?"
CODE = f"```html\n<img src='{PNG}'>\n```\n"
TOO_LARGE = b"\x89PNG\r\n\x1a\n" + bytes(KEPT_BYTES)

Kept = list[tuple[str, bytes]]

STREAMS: dict[str, tuple[list[dict[str, Any]], Kept, str]] = {
    "whole": ([image("image/png", SMALL)], [("image/png", SMALL)], "![picture](data:image/png;size=208;id="),
    "several": (
        [image("image/png", SMALL), says("and"), image("image/jpeg", OTHER), image("image/gif", GIF)],
        [("image/png", SMALL), ("image/jpeg", OTHER), ("image/gif", GIF)],
        ",)\n\nand\n\n![picture](data:image/jpeg;size=303;id=",
    ),
    "the same twice": (
        [image("image/webp", WEBP), says("x"), image("image/webp", WEBP)],
        [("image/webp", WEBP)],
        "x",
    ),
    "Markdown, whole": ([says(MARKDOWN)], [("image/png", SMALL)], "![a cat](data:image/png;size=208;id="),
    "Markdown, in pieces": (pieces(MARKDOWN, 7), [("image/png", SMALL)], ",)\n\nMore?"),
    "Markdown, letter by letter": (pieces(MARKDOWN, 1), [("image/png", SMALL)], "Done:\n\n![a cat](data:"),
    "large, in pieces": (pieces(f"See {PNG} there", 4000), [("image/png", BYTES)], ", there"),
    "in a block of code": (pieces(CODE, 50), [], CODE),
    "behind a block of code": (pieces(CODE + MARKDOWN, 50), [("image/png", SMALL)], CODE + "Done:"),
    "broken base64": ([says(f"![x]({HERE}iVBOR!w0KGgo) y")], [], "![x](data:image/png;size=3,!w0KGgo) y"),
    "base64 with a letter missing": (
        [says(images=[HERE + as64(SMALL).rstrip("=")[:-2] + "A"]), says("y")],
        [],
        "![picture](data:image/png;size=207,)",
    ),
    "base64 for addresses": (
        [says(images=[HERE + as64(SMALL + b"\xfb\xff").replace("+", "-").replace("/", "_").rstrip("=")])],
        [("image/png", SMALL + b"\xfb\xff")],
        "id=",
    ),
    "base64 in lines": ([says(images=[HERE + encodebytes(SMALL).decode()])], [("image/png", SMALL)], "id="),
    "a JPEG that is said to be PNG": (
        [image("image/png", OTHER)],
        [("image/jpeg", OTHER)],
        "data:image/jpeg;",
    ),
    "a page that is said to be PNG": (
        [image("image/png", PAGE)],
        [("image/unknown", PAGE)],
        "image/unknown;",
    ),
    "SVG with a script": (
        [image("image/svg+xml", SVG)],
        [("image/svg+xml", SVG)],
        "data:image/svg+xml;size=",
    ),
    "a page as it is": (
        [says(f"[x]({address('text/html', PAGE)})")],
        [],
        "[x](data:text/html;size=42,)",
    ),
    "too large": ([image("image/png", TOO_LARGE)], [], f"data:image/png;size={len(TOO_LARGE)},)"),
    "sound in pieces": (
        [says(audio={"id": "a", "data": as64(part), "transcript": "o"}) for part in (WAV[:50], WAV[50:])],
        [("audio/wav", WAV)],
        "oo\n\n![audio](data:audio/wav;size=",
    ),
    "sound, cut anywhere": (
        [says(audio={"data": as64(OGG)[at : at + 11]}) for at in range(0, 200, 11)],
        [("audio/ogg", OGG)],
        "data:audio/ogg;",
    ),
    "sound with its format": (
        [says(content=[{"type": "input_audio", "input_audio": {"data": as64(bytes(9)), "format": "pcm16"}}])],
        [("audio/pcm16", bytes(9))],
        "data:audio/pcm16;size=9;id=",
    ),
    "MP3": ([image("audio/mp3", MP3)], [("audio/mpeg", MP3)], "data:audio/mpeg;"),
}


async def told(*stream: dict[str, Any]) -> tuple[str, list[Media]]:
    """What a reply over HTTP comes to. Each picture is there before the text that names it."""
    text, media = "", []
    async with HostileServer(sse(*stream, says(finish="stop"), DONE)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        async for event in backend.stream(Request((Message("user", "Draw"),))):
            if isinstance(event, Media):
                media.append(event)
            elif isinstance(event, TextDelta):
                text += event.text
                assert set(re.findall(";id=([a-p]+),", text)) <= {one.name for one in media}
        await backend.aclose()
    return text, media


@pytest.mark.parametrize("stream", STREAMS)
async def test_what_an_endpoint_sends_is_kept_and_named(stream: str) -> None:
    sent, kept, part = STREAMS[stream]
    text, media = await told(*sent)
    assert [(one.media_type, one.data) for one in media] == kept
    assert part in text
    assert all(f";size={len(one.data)};id={one.name}," in text for one in media)
    assert "AAAAAAAA" not in text or "```" in text


async def test_no_more_is_kept_of_a_reply_than_has_room() -> None:
    half = KEPT_BYTES // 2
    large = [image("image/gif", b"GIF89a" + bytes([number]) * half) for number in range(12)]
    text, media = await told(*large)
    assert 0 < sum(len(one.data) for one in media) <= KEPT_REPLY_BYTES
    assert text.count("![picture]") == 12
    text, media = await told(*(image("image/gif", b"GIF89a" + bytes([number])) for number in range(40)))
    assert len(media) == KEPT_IN_REPLY
    assert text.count("![picture]") == 40
