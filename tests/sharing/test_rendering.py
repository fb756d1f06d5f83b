"""Rendering shares: only while somebody reads, a few at once, and within limits of time and memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest

from webchat.sentences import locale
from webchat.sharing import rendering
from webchat.sharing.markdown import parser
from webchat.sharing.rendering import Rendering
from webchat.sharing.share_page import STYLES, Frame
from webchat.store.share_records import Share, SharedMessage

NOW = datetime.now(UTC)
FRAME = Frame("en")
WORDS = locale("en")


def share(id: str, messages: int = 3, owner: str = "o") -> Share:
    return Share(id, owner, "c", "Title", NOW, None, None, messages, 1, 0, True, True, False, None)


class Store:
    """Messages that come once they are let through."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()

    def shared_messages(self, share_id: str, start: int, limit: int) -> list[SharedMessage]:
        return [SharedMessage("assistant", f"*{share_id}*", "complete", NOW) for _ in range(3)]

    async def call(self, verb: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(args[0])
        await self.open.wait()
        return verb(*args, **kwargs)


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
async def shown(store: Store) -> AsyncIterator[Rendering]:
    shown = Rendering(store)
    yield shown
    await shown.aclose()


async def read(shown: Rendering, one: Share) -> list[bytes]:
    return [piece async for piece in shown.messages(FRAME, one)]


async def until(said: Callable[[], bool]) -> None:
    while not said():  # noqa: ASYNC110  many things, from many places
        await asyncio.sleep(0)


async def test_two_at_once_and_one_of_each_owner(shown: Rendering, store: Store) -> None:
    wanted = [share("a"), share("b"), share("c", owner="p"), share("d", owner="q")]
    readers = [asyncio.create_task(read(shown, one)) for one in wanted]
    await until(lambda: len(store.asked) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert store.asked == ["a", "c"]
    store.open.set()
    assert [len(pieces) for pieces in await asyncio.gather(*readers)] == [3] * 4


async def test_without_readers_nothing_is_rendered_on(shown: Rendering, store: Store) -> None:
    readers = [asyncio.create_task(read(shown, share("a"))) for _ in range(2)]
    await until(lambda: store.asked == ["a"])
    task = shown._kept["a", "en"].task
    assert task is not None
    readers[0].cancel()
    await asyncio.gather(readers[0], return_exceptions=True)
    assert not task.cancelling(), "one is left"
    readers[1].cancel()
    await asyncio.gather(readers[1], return_exceptions=True)
    await until(task.cancelled)
    assert not shown._kept
    store.open.set()
    assert len(await read(shown, share("a"))) == 3, "the next reader begins anew"


@pytest.mark.parametrize("way", ["forgotten", "unread", "crowded-out"])
async def test_what_is_kept_goes(
    shown: Rendering, store: Store, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    store.open.set()
    if way == "unread":
        monkeypatch.setattr(rendering, "KEPT_SECONDS", 0.0)
    await read(shown, share("a"))
    if way == "forgotten":
        assert shown._size
        shown.forget("a")
    elif way == "unread":
        await until(lambda: not shown._kept)
    else:
        monkeypatch.setattr(rendering, "KEPT_BYTES", shown._size)
        await read(shown, share("b"))
    assert [key[0] for key in shown._kept] == (["b"] if way == "crowded-out" else [])
    assert shown._size == sum(one.size for one in shown._kept.values())


async def test_those_being_rendered_count_too(
    shown: Rendering, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.open.set()
    await read(shown, share("a"))
    monkeypatch.setattr(rendering, "KEPT_BYTES", shown._size + 1)
    unfinished = shown.messages(FRAME, share("b"))
    await anext(unfinished)
    assert ("a", "en") not in shown._kept
    await unfinished.aclose()


@pytest.mark.parametrize("limit", ["MAX_CHARS", "MAX_SECONDS"])
@pytest.mark.parametrize("text", ["some **words** <b>", "[", "- a\n- b", "[a]: http://b.c\n\n[a]"])
def test_what_is_too_much_is_shown_as_written(monkeypatch: pytest.MonkeyPatch, limit: str, text: str) -> None:
    before = parser.render(text, WORDS)
    with monkeypatch.context() as patch:
        patch.setattr(parser, limit, -1)
        html = parser.render(text, WORDS)
    assert WORDS["share.plain"] in html
    assert "<strong>" not in html
    assert text.replace("<", "&lt;").replace(">", "&gt;") in html
    assert parser.render(text, WORDS) == before, "the next one is read as ever"


def test_the_sheets_of_a_share_define_every_variable_they_use() -> None:
    """A sheet of the page that is left out would leave shares without colours."""
    sheets = resources.files("webchat") / "ui" / "assets" / "styles"  # without the import of Gradio
    css = "".join((sheets / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)
    used = set(re.findall(r"var\((--wc-[a-z-]+)\)", css))
    assert used
    assert used <= set(re.findall(r"(--wc-[a-z-]+):", css))
