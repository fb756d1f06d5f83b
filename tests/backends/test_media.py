"""Pictures and sound in a reply are named in its text, in every chunking, and their base64 is not in it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.openai_compat.media import SHORT, DataCutter, Media
from backends.openai_compat.reply import Reply
from backends.types import TextDelta

DATA = "A" * 20_000
PNG = "data:image/png;base64,iVBORw0KGgo" + DATA
NAMED = f"data:image/png;size={(len(PNG) - 22) * 3 // 4},"


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
    cutter = DataCutter()
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
        ({"content": [{"type": "image", "data": DATA}]}, "(data:image/unknown;size=15000,)"),
        ({"content": [{"type": "image", "b64_json": DATA}]}, "(data:image/unknown;size=15000,)"),
        (
            {"images": [{"url": "https://pictures.example/1.png"}]},
            "![picture](https://pictures.example/1.png)",
        ),
        ({"images": [{"url": "javascript:alert(1)"}]}, "(data:image/unknown;size=14,)"),
        ({"images": {"type": "image_url", "image_url": {"url": PNG}}}, f"({NAMED})"),
        ({"audio": {"id": "a", "data": DATA, "transcript": "Good morning"}}, "Good morning"),
        ({"audio": {"data": DATA}}, "![audio](data:audio/unknown;size=15000,)"),
        (
            {"content": [{"type": "input_audio", "input_audio": {"data": DATA}}]},
            "(data:audio/unknown;size=15000,)",
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
    assert Media().read(delta) == ""


def test_a_picture_that_comes_again_with_the_end_is_named_once() -> None:
    picture = {"images": [{"image_url": {"url": PNG}}]}
    assert text_of(picture, {"content": "Done."}, picture).count("![picture]") == 1


def test_sound_in_pieces_is_named_once_with_its_whole_size() -> None:
    text = text_of(*({"audio": {"data": "AAAA" * 100, "transcript": f"w{n} "}} for n in range(20)))
    assert text == "".join(f"w{n} " for n in range(20)) + "\n\n![audio](data:audio/unknown;size=6000,)\n\n"


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
    cutter = DataCutter()
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
    cutter = DataCutter()
    cutter.feed("![x](data:image/png;base64,")
    for _ in range(100):
        assert cutter.feed("A" * 20) == "" or cutter.feed("") == ""
    assert len(cutter._held) <= SHORT + 100
    assert cutter.feed(") end").endswith(",) end")
