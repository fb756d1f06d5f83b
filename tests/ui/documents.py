"""Markdown by chance: every construct, whole and broken, with words that must be seen.

A word to be seen is `w7z`, numbered as they come. None of them is in an address, a title, a label or
behind a fence, which are marks and no words.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

WORD = re.compile(r"w\d+z")

PARTS = json.loads(Path(__file__).with_name("documents.json").read_text(encoding="utf-8"))
"""`whole`: blocks and lines, complete and not, where `{}` is a word to be seen; `scraps`: less than that."""

BETWEEN = {"\n\n": 10, "\n": 6, "": 1, "\r\n\r\n": 2, "\r": 1, "\n\n\n": 1, " \n\t\n": 1}
WITHIN = (("- ", "  "), ("1. ", "   "), ("> ", "> "), ("* ", " "), ("> ", ""), ("[^1]: ", "    "))
CUT = re.compile(r"[\r\n\\\]\[*_`$&|:\u200d]")


def document(chance: random.Random, deep: int = 3) -> str:
    """One text. The same state of `chance` gives the same text."""
    count = 0

    def word() -> str:
        nonlocal count
        count += 1
        return f"w{count}z"

    pieces = []
    for _ in range(chance.randint(1, 7)):
        make = chance.choices((_block, _nested, _scraps), (6, 2, 3))[0]
        pieces.append(make(chance, word, deep))
        pieces.append(chance.choices(list(BETWEEN), list(BETWEEN.values()))[0])
    if chance.random() < 0.5:
        pieces.pop()
    return _infoless("".join(pieces))


def _block(chance: random.Random, word: Callable[[], str], _deep: int) -> str:
    return re.sub(r"\{\}", lambda _: word(), chance.choice(PARTS["whole"]))


def _nested(chance: random.Random, word: Callable[[], str], deep: int) -> str:
    """A block within an item or a quote, as deep as is left."""
    make = _nested if deep and chance.random() < 0.6 else _block
    lines = make(chance, word, deep - 1).split("\n")
    first, rest = chance.choice(WITHIN)
    return "\n".join((first if at == 0 else rest) + line for at, line in enumerate(lines))


def _scraps(chance: random.Random, word: Callable[[], str], _deep: int) -> str:
    return "".join(
        f" {word()} " if chance.random() < 0.3 else chance.choice(PARTS["scraps"])
        for _ in range(chance.randint(1, 16))
    )


def _infoless(text: str) -> str:
    """Without words behind a fence: they would be its language."""
    return re.sub(r"((?:`{3,}|~{3,})[^\n\r]*)", lambda found: WORD.sub("x", found[0]), text)


def cuts(chance: random.Random, text: str) -> list[str]:
    """The text in pieces: of one size, by chance, or at each place that is easily cut in two."""
    if not text:
        return []
    kind = chance.randrange(3)
    if kind == 0:
        size = chance.choice((1, 1, 2, 3, 7, 50))
        return [text[at : at + size] for at in range(0, len(text), size)]
    if kind == 1:
        places = sorted(chance.sample(range(len(text)), min(len(text), chance.randint(1, 12))))
    else:
        places = [found.start() for found in CUT.finditer(text) if chance.random() < 0.8]
    edges = [0, *places, len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges) if a < b]
