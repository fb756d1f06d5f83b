"""Splitting never matters: events, stop strings and characters are the same however they are cut."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.markers.holdback import StopCutter, held_length
from backends.markers.thinking import Characters
from backends.openai_compat.replies.held import EventTooLong
from backends.openai_compat.replies.sse import SSEParser

Piece = TypeVar("Piece", str, bytes)


def cut(whole: Piece, places: list[int]) -> list[Piece]:
    """`whole` in pieces, cut at `places` (taken modulo its length)."""
    ends = sorted({0, len(whole), *(place % (len(whole) + 1) for place in places)})
    return [whole[a:b] for a, b in pairwise(ends)]


def events(pieces: list[bytes]) -> list[str]:
    parser = SSEParser()
    return [data for piece in pieces for data in parser.feed(piece)] + list(parser.close())


LINES = st.lists(
    st.sampled_from(
        ["data: a", "data:b", "data", ": c", "", "", "id: 1", "data: 你好😀", "error: x", "\ufeff"]
    )
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 10_000)))
def test_any_splitting_of_events_gives_the_same(lines: list[str], newline: str, places: list[int]) -> None:
    body = newline.join(lines).encode()
    assert events(cut(body, places)) == events(["\n".join(lines).encode()])


def test_events_are_read_as_the_standard_says() -> None:
    body = b"\xef\xbb\xbfdata: one\ndata:two\nid: 7\n\n: comment\n\nevent: x\n\ndata: three"
    assert events([body]) == ["one\ntwo", "three"]


def test_a_line_or_an_event_beyond_the_limit_is_refused_after_what_came_before() -> None:
    for rest in (b"data: " + b"x" * 60, b"data: 123456789\n" * 7):
        parser = SSEParser(limit=50)
        with pytest.raises(EventTooLong):
            parser.feed(b"data: a\n\n" + rest)
        assert parser.rest() == ["a"]


@given(st.text(st.sampled_from("abSTOP \n")), st.lists(st.integers(0, 1000)))
def test_any_splitting_around_a_stop_string_gives_the_same(said: str, places: list[int]) -> None:
    cutter = StopCutter(("STOP", "TOO"))
    shown = "".join(map(cutter.feed, cut(said, places)))
    shown += "" if cutter.stopped else cutter.flush()
    found = [at for stop in ("STOP", "TOO") if (at := said.find(stop)) >= 0]
    assert shown == said[: min(found)] if found else shown == said
    assert cutter.stopped == bool(found)


def test_only_the_beginning_of_a_marker_is_held_back() -> None:
    assert held_length("abc<th", ["<think>"]) == 3
    assert held_length("abc<think>", ["<think>"]) == 0
    assert held_length("", ["x"]) == 0
    assert held_length("x", []) == 0


@given(st.text(st.sampled_from("a你😀👩\u200d")), st.lists(st.integers(0, 1000)))
def test_characters_cut_in_halves_become_whole(said: str, places: list[int]) -> None:
    raw = said.encode("utf-16-le")
    units = "".join(chr(int.from_bytes(raw[at : at + 2], "little")) for at in range(0, len(raw), 2))
    joiner = Characters()
    assert "".join(map(joiner.feed, cut(units, places))) + joiner.flush() == said
