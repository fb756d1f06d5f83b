"""The pages build, and have every text in both languages."""

from __future__ import annotations

from typing import Any

import gradio as gr
from webchat_pages_example import COLUMNS, LETTER, PROMPT, RATINGS, TEXTS, TONES

LANGUAGES = {"en", "zh-CN"}


def test_they_build_without_a_visitor() -> None:
    services: Any = None  # used by handlers alone
    for page in (RATINGS, LETTER):
        assert isinstance(page.create(services), gr.Blocks)


def test_they_speak_both_languages() -> None:
    tables = TEXTS.translations
    assert set(tables) == LANGUAGES
    assert tables["en"].keys() == tables["zh-CN"].keys()
    for texts in (COLUMNS, PROMPT, *TONES.values()):
        assert set(texts) == LANGUAGES
    for page in (RATINGS, LETTER):
        assert set(page.titles) == LANGUAGES
