"""Whatever a file holds: never a crash, and never a lost good entry."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.imports import samples
from webchat.imports import Unreadable, conversations_of
from webchat.imports.entries import entries
from webchat.imports.recognising import Located

MAKERS: dict[str, Callable[[], list[Any]]] = {
    "chatgpt": lambda: [samples.chatgpt()],
    "claude": lambda: [samples.claude()],
    "openwebui": lambda: [samples.openwebui()],
    "librechat": lambda: [samples.librechat()],
    "librechat recursive": lambda: [samples.librechat(recursive=True)],
    "chatui": lambda: [samples.chatui()],
    "textgen": lambda: [samples.textgen()],
    "sillytavern": samples.sillytavern,
    "gemini": samples.gemini,
    "grok": lambda: list(samples.grok()["conversations"]),
    "aistudio": lambda: [samples.aistudio()],
    "sharegpt": samples.sharegpt,
    "trl": samples.trl,
}

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(float("nan")),
    st.just(10**400),
    st.floats(),
    st.sampled_from(
        ["", "\ud83d", "\0", "a" * 500, "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+14:00", "q1"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "text", "parts", "$date"]), st.none(), max_size=2),
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inside for place in paths(one, (*at, key)))]


def changed(value: Any, place: tuple[Any, ...], by: Any, how: str) -> Any:
    """A copy with another value in one place, or without that place."""
    if not place:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(place) == 1 and how == "drop":
        del copy[place[0]]
    else:
        copy[place[0]] = changed(value[place[0]], place[1:], by, how)
    return copy


def read(content: bytes) -> list[Any]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return list(conversations_of(Path(file.name)))


def _spoilt(data: st.DataObject, name: str) -> None:
    spoilt = MAKERS[name]()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(paths(spoilt)[1:] or [()]))
        spoilt = changed(spoilt, place, data.draw(ODD), data.draw(st.sampled_from(["set", "drop"])))
        if not isinstance(spoilt, list):
            return
    good = samples.chatgpt("good", "Good")
    found = read(json.dumps([*spoilt, good]).encode())
    if spoilt and isinstance(spoilt[0], dict) and "header" in spoilt[0]:
        return  # rows of prompts are read together
    if spoilt and isinstance(spoilt[0], dict) and "mes" not in spoilt[0] and "character_name" in spoilt[0]:
        return  # so are lines of a story
    titles = [one.conversation.title for one in found if isinstance(one, Located)]
    assert "Good" in titles


QUICK = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize("name", MAKERS)
@QUICK
@given(data=st.data())
def test_a_spoilt_entry_loses_no_good_one(name: str, data: st.DataObject) -> None:
    _spoilt(data, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_many_spoilt_entries_lose_no_good_one(name: str, data: st.DataObject) -> None:
    _spoilt(data, name)


@QUICK
@given(st.lists(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5), max_size=6))
def test_entries_are_what_a_parser_finds(values: list[Any]) -> None:
    found = list(entries(io.BytesIO(json.dumps(values).encode())))
    assert [entry.value for entry in found] == values
    assert [entry.number for entry in found] == list(range(1, len(values) + 1))


@QUICK
@given(cut=st.integers(0, 4000), noise=st.binary(max_size=20))
def test_a_torn_or_damaged_file_gives_what_came_before(cut: int, noise: bytes) -> None:
    whole = json.dumps([samples.chatgpt("a", "First"), samples.chatgpt("b", "Second")]).encode()
    first = len(json.dumps([samples.chatgpt("a", "First")]))
    try:
        found = read(whole[: max(first + 2, len(whole) - cut)] + noise)
    except Unreadable:
        return
    assert isinstance(found[0], Located)
    assert found[0].conversation.title == "First"


@QUICK
@given(at=st.integers(0, 2000), by=st.binary(min_size=1, max_size=8))
def test_a_damaged_zip_is_refused_in_words(at: int, by: bytes) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../conversations.json", json.dumps([samples.chatgpt()]))
    content = bytearray(held.getvalue())
    at = 4 + at % (len(content) - 4)
    content[at : at + len(by)] = by
    try:
        read(bytes(content))
    except Unreadable:
        return


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webchat.imports.archives.RATIO_FROM", 1 << 20)
    path = samples.zipped(tmp_path / "x.zip", {"a.json": b"[" + b'"' + b"a" * (8 << 20) + b'"]'})
    with pytest.raises(Unreadable, match="far more"):
        list(conversations_of(path))


def test_depth_and_size_cost_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webchat.imports.entries.MOST_BYTES", 1 << 20)
    deep = b"[" * 5000 + b"]" * 5000
    large = b"[" + b",".join([b'"' + b"x" * 1000 + b'"'] * 3000) + b"]"
    wide = b"[" + b",".join([b"{}"] * 1_000_001) + b"]"
    found = list(entries(io.BytesIO(b"[" + b",".join([deep, large, wide, b'{"ok":1}']) + b"]")))
    assert [entry.problem.code if entry.problem else "" for entry in found][:2] == ["too_deep", "too_large"]
    assert found[2].problem is not None
    assert found[3].value == {"ok": 1}
