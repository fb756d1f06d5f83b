"""The product's words in its languages: `ui/locales/<language>/*.json`, flat keys, placeholders as `{name}`.

The page shows them, and what the server itself says to people comes from the same table.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

Language = Literal["en", "zh-CN"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
"""What there is a table for; the first is the one to fall back to."""

LOCALES = Path(__file__).parent / "ui" / "locales"


@cache
def locale(language: str) -> dict[str, str]:
    """The merged table of one language.

    Raises ValueError when two of its files hold the same key.
    """
    table: dict[str, str] = {}
    for path in sorted((LOCALES / language).glob("*.json")):
        part = cast("dict[str, str]", json.loads(path.read_text(encoding="utf-8")))
        if twice := table.keys() & part.keys():
            raise ValueError(f"{path.name} repeats the keys {sorted(twice)}")
        table |= part
    return table
