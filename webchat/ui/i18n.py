"""The table of texts as the page's modules and Gradio's own components read it."""

from __future__ import annotations

import json

import gradio as gr

from webchat.sentences import LANGUAGES, locale


def locale_json(language: str) -> str:
    """The table as the page's modules read it."""
    return json.dumps(locale(language), ensure_ascii=False, separators=(",", ":"))


def gradio_i18n(keys: frozenset[str]) -> gr.I18n:
    """The labels of Gradio's own components; it puts its tables into every page, so only `keys` go in.

    Gradio falls back to `en` for a browser in neither language, and knows `zh` only by its full tags.
    """
    tables = {language: {key: locale(language)[key] for key in keys} for language in LANGUAGES}
    return gr.I18n(**tables)
