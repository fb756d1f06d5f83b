"""The product's texts in its languages: `ui/locales/<language>/*.json`, flat keys; placeholders as `{name}`,
and `{count:chat|chats}` for the word that goes with a number.

Both the page and the server's own messages use this table.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

Language = Literal["en", "zh-CN"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
"""The languages with a table; the first is the fallback."""

LOCALES = Path(__file__).parent / "ui" / "locales"


@cache
def locale(language: str) -> dict[str, str]:
    """The merged table of one language.

    Raises ValueError if two of its files define the same key.
    """
    table: dict[str, str] = {}
    for path in sorted((LOCALES / language).glob("*.json")):
        part = cast("dict[str, str]", json.loads(path.read_text(encoding="utf-8")))
        if twice := table.keys() & part.keys():
            raise ValueError(f"{path.name} repeats the keys {sorted(twice)}")
        table |= part
    return table
