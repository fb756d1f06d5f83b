"""A small file costs little, whatever is in it: work grows with its size, and memory has a bound."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.growth import MOST, growth
from webchat.imports.archives import Files
from webchat.imports.html_text import markdown_of
from webchat.imports.readers import chatgpt, openwebui
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
