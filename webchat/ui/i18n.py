"""The page's languages: `locales/<language>/*.json`, flat keys, placeholders as `{name}`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

import gradio as gr

Language = Literal["en", "zh-CN"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
"""What there is a table for; the first is the one to fall back to."""

LOCALES = Path(__file__).parent / "locales"


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


def locale_json(language: str) -> str:
    """The table as the page's modules read it."""
    return json.dumps(locale(language), ensure_ascii=False, separators=(",", ":"))


def gradio_i18n(keys: frozenset[str]) -> gr.I18n:
    """The labels of Gradio's own components; it puts its tables into every page, so only `keys` go in.

    Gradio falls back to `en` for a browser in neither language, and knows `zh` only by its full tags.
    """
    tables = {language: {key: locale(language)[key] for key in keys} for language in LANGUAGES}
    return gr.I18n(**tables)
