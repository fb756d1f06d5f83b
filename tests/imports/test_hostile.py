"""A small file costs little, whatever is in it: work grows with its size, and memory has a bound."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.growth import MOST, growth
from tests.imports.samples import zipped
from webchat.imports import archives, conversations_of, entries, recognising
from webchat.imports.archives import Files
from webchat.imports.html_text import markdown_of
from webchat.imports.notes import Unreadable
from webchat.imports.readers import chatgpt, openwebui
from webchat.imports.recognising import Located, Problem
from webchat.imports.trees import put_right

_UNENDING = {
    "a writing block": (":::writing\n", chatgpt.read),
    "a citation": ("\ue200", chatgpt.read),
    "details": ('<details type="a">', openwebui.read),
    "the attributes of details": ('<details type="a"', openwebui.read),
}


@pytest.mark.parametrize("what", _UNENDING)
def test_what_never_ends_is_searched_once(what: str) -> None:
    mark, read = _UNENDING[what]
    assert growth(lambda n: lambda: read(_saying(mark * n), Files()), 400) < MOST


def _saying(said: str) -> dict[str, Any]:
    """A conversation of a ChatGPT export and of one of Open WebUI, with one reply."""
    content = {"content_type": "text", "parts": [said]}
    node = {"message": {"author": {"role": "assistant"}, "content": content}}
    message = {"role": "assistant", "content": said}
    return {"mapping": {"a": node}, "chat": {"history": {"messages": {"a": message}}}}


@pytest.mark.parametrize("mark", ["<a ", "</a", "<!--a>", '<a b="', "<ul><li>", "<?"])
def test_html_is_read_once(mark: str) -> None:
    assert growth(lambda n: lambda: markdown_of(mark * n), 200) < MOST


def test_lists_in_lists_do_not_become_huge() -> None:
    html = "<ul><li>" * 10_000
    assert len(markdown_of(html)) < 4 * len(html)


def test_what_is_no_tag_is_text() -> None:
    assert (
        markdown_of("1 < 2, <b>3 > 2</b> <!-- no --><a href='x>y'>z</a> <b") == "1 < 2, **3 > 2** [z](x>y) <b"
    )


@pytest.mark.parametrize("shape", ["kinds", "hidden", "run"])
def test_a_conversation_is_put_together_in_one_pass(shape: str) -> None:
    def work(size: int) -> object:
        found = chatgpt.read({"mapping": _nodes(shape, size)}, Files())
        assert found is not None
        return put_right(found, datetime.now(UTC))

    assert growth(lambda n: lambda: work(n), 150) < MOST


def _nodes(shape: str, size: int) -> dict[str, Any]:
    """kinds: each node of an unknown kind; hidden: all below a long way of hidden nodes; run: one reply in
    many nodes, the last first."""
    nodes: dict[str, Any] = {}
    for i in range(size):
        author = {"role": "user" if shape == "hidden" else "assistant"}
        content = {"content_type": f"k{i}" if shape == "kinds" else "text", "text": "x", "parts": ["x"]}
        parent = {"kinds": None, "hidden": "h0", "run": f"v{i + 1}"}[shape]
        nodes[f"v{i}"] = {"parent": parent, "message": {"author": author, "content": content}}
        if shape == "hidden":
            nodes[f"h{i}"] = {"parent": f"h{i + 1}"}
    return nodes


def test_an_entry_of_countless_values_is_not_parsed() -> None:
    raw = b"[" + b",".join([b'"000"'] * 4_500_000) + b"]"
    assert len(raw) < entries.MOST_BYTES
    first, second = entries.entries(io.BytesIO(b"[" + raw + b',{"ok":1}]'))
    assert first.problem is not None
    assert first.problem.code == "too_many_parts"
    assert second.value == {"ok": 1}


@pytest.mark.parametrize("end", [b'"', b""])
def test_the_escapes_of_a_text_cost_no_memory(end: bytes) -> None:
    stream = io.BytesIO(b'["' + b"\\\\" * 600_000 + end)
    tracemalloc.start()
    try:
        list(entries.entries(stream))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_cannot_be_unpacked_bit_by_bit_is_not_unpacked(tmp_path: Path, method: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("conversations.json", b"[" + b" " * (32 << 20) + b"]")
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="unusual"):
            list(conversations_of(path))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 << 20


_LINE = {"name": "Ada", "is_user": True, "mes": "Hello"}
_ROW = {"header": "Gemini", "title": "Prompted x", "time": "2024-01-01T00:00:00Z"}


@pytest.mark.parametrize(("header", "row"), [([{"chat_metadata": {}}], _LINE), ([], _ROW)])
def test_rows_that_belong_together_have_one_budget(
    header: list[Any], row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognising, "MOST_GROUPED_MEMORY", 10_000)
    path = tmp_path / "x.jsonl"
    rows = [*header, *({**row, "n": str(n) * 100} for n in range(100))]
    path.write_text("\n".join(json.dumps(one) for one in rows))
    found = list(conversations_of(path))
    (problem,) = [one for one in found if isinstance(one, Problem)]
    (located,) = [one for one in found if isinstance(one, Located)]
    assert problem.note.code == "rest_too_large"
    assert problem.place == f"entry {int(problem.note.params['count']) + 1 + len(header)}"
    assert 0 < len(located.conversation.messages) < 30


def test_names_of_attachments_have_one_budget_in_a_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {f"{n}.json": {f"file-{n}-{m}": "a" for m in range(10)} for n in range(5)}
    path = zipped(tmp_path / "x.zip", members)
    with archives.opened(path) as source:
        assert len(source.files.names) == 50
    monkeypatch.setattr(archives, "_MOST_NAMES", 15)
    with archives.opened(path) as source:
        assert len(source.files.names) == 15
    monkeypatch.setattr(archives, "_NAMES_READ", 300)
    monkeypatch.setattr(archives, "_MOST_NAMES", 1000)
    with archives.opened(path) as source:
        assert 0 < len(source.files.names) < 50
