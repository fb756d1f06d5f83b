"""Every built-in kind keeps the laws, by the helper that authors of other moderators use; and the helper sees
what breaks them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webchat.moderation import Context, Finding
from webchat.moderation.filters import Filter, Moderator
from webchat.moderation.kinds.tables import KINDS
from webchat.moderation.kinds.tidying import Tidy
from webchat.moderation.rules import load_rules
from webchat.moderation.testing import check_moderator, cut, outcome
from webchat.moderation.verdicts import Fail, Refused, Report, Stage, Verdict

EVERY = '["input", "prompt", "output", "stored"]'
TABLES = {
    "phrases": 'phrases = ["bomb", "bomb the house", "炸弹", "机密 项目", "naïve", "kill*"]',
    "patterns": "patterns = ['\\b[0-9]{4,8}\\b', '[a-z.]+@[a-z.]+']\nwindow = 20",
    "secrets": "",
    "personal": "",
    "limits": "most_chars = 60\nmost_repeats = 9",
}
ASKING = {"endpoint", "guard"}
"""Tried with services of their own, in test_asked."""

TEXTS = (
    "",
    "bomb",
    "a b.o.m.b, bomb the house and a bombard",
    "机密项目，机 密 项目，炸 弹药",
    "nai\u0308ve 👩\u200d🚀 ｂｏｍｂ, kills, \U0001d41b\U0001d428\U0001d426\U0001d41b",
    "call 13800138000 or a.b@c.example, 12345",
    "key sk-" + "a1" * 20 + " and AKIAABCDEFGHIJKLMNOP.",
    "aaaaaaaaaaaaaaaa",
    "x" + "\u0301" * 20 + "\u200b" * 20 + "y",
)
PIECES = st.sampled_from(
    [
        *(
            "bomb",
            "b o m b",
            "Bo\u200bmb",
            " the house",
            "ｂｏｍｂ",
            "炸弹",
            "炸 弹",
            "机密",
            " 项目",
            "项",
            "目",
        ),
        *(
            "naïve",
            "kill",
            "12345",
            "138",
            "00138000",
            "a.b@c.de",
            "@",
            " ",
            "  ",
            ".",
            "-",
            "\n",
            "b",
            "o",
            "。",
        ),
        *("sk-", "a1" * 12, "é", "👩\u200d🚀", "𝐛𝐨𝐦𝐛", "\u0301", "\u200b" * 20, "a" * 12),
    ]
)


def made(folder: Path, kind: str, action: str = "") -> Moderator:
    path = folder / "rules.toml"
    acts = f'action = "{action}"\n' if action and kind != "limits" else ""
    stages = f"stages = {EVERY}\n" if kind != "limits" else ""
    path.write_text(f'[[moderators]]\nkind = "{kind}"\n{acts}{stages}{TABLES[kind]}\n', encoding="utf-8")
    return load_rules(path)[-1]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Moderators are broken on purpose, some thousand times."""
    logger = logging.getLogger("webchat.moderation")
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> list[list[Moderator]]:
    folder = tmp_path_factory.mktemp("rules")
    kinds = [kind for kind in TABLES if kind != "limits"]
    return [[Tidy(), *(made(folder, kind, action) for kind in kinds)] for action in ("mask", "block")]


def test_every_kind_is_here() -> None:
    assert TABLES.keys() | ASKING == set(KINDS)


@pytest.mark.parametrize("action", ["mask", "block"])
@pytest.mark.parametrize("kind", TABLES)
async def test_every_kind_keeps_the_laws(kind: str, action: str, tmp_path: Path) -> None:
    moderator = made(tmp_path, kind, action)
    stages: tuple[Stage, ...] = ("input",) if kind == "limits" else ("input", "output")
    assert await check_moderator(moderator, TEXTS, stages=stages, chunkings=10) > 300


async def test_what_tidies_keeps_the_laws() -> None:
    assert await check_moderator(Tidy(), TEXTS, stages=["output"]) > 500


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(PIECES, max_size=12), places=st.lists(st.integers(0, 200), max_size=6))
async def test_wherever_any_text_is_cut_all_kinds_together_say_the_same(
    chains: list[list[Moderator]], parts: list[str], places: list[int]
) -> None:
    text = "".join(parts)
    for chain in chains:
        whole = await outcome(chain, [text])
        for pieces in (cut(text, places), list(text)):
            assert await outcome(chain, pieces) == whole


class Wrong:
    """A moderator that breaks one law."""

    name = "wrong"
    stages: frozenset[Stage] = frozenset({"output"})
    fail: Fail = "closed"
    seconds = 5.0

    def __init__(self, make: Callable[[Report], Filter]) -> None:
        self._make = make

    def open(self, context: Context, report: Report) -> Filter:
        return self._make(report)


class ByPiece:
    """Looks at each piece for itself."""

    held = ""

    def __init__(self, report: Report) -> None:
        pass

    async def feed(self, text: str) -> str | Refused:
        return text.replace("bomb", "***")

    async def finish(self) -> str | Refused:
        return ""


class Every(ByPiece):
    """Looks at every third piece."""

    def __init__(self, report: Report) -> None:
        self._count = 0

    async def feed(self, text: str) -> str | Refused:
        self._count += 1
        if self._count % 3 == 0 and "b" in text:
            return Refused("", Verdict("wrong", "No."))
        return text


class Beyond(ByPiece):
    """Tells of a place that is not in the text."""

    def __init__(self, report: Report) -> None:
        self._report = report

    async def feed(self, text: str) -> str:
        self._report(Finding("wrong", "flag", 1000, 2000))
        return text


class HoldsOther(ByPiece):
    """Says that it holds what nobody gave it."""

    held = "something else"


@pytest.mark.parametrize("wrong", [ByPiece, Every, Beyond, HoldsOther])
async def test_the_helper_sees_what_breaks_a_law(wrong: Callable[[Report], Filter]) -> None:
    with pytest.raises(AssertionError):
        await check_moderator(Wrong(wrong), ["a bomb here"], chunkings=5)
