"""Reasoning sent apart from the answer: the fields and parts that servers use for it.

Source: the references of DeepSeek, OpenRouter, Ollama, Mistral, Anthropic and LiteLLM, and what vLLM and
GitHub Copilot send.
"""

from __future__ import annotations

from typing import Any

_FIELDS = (
    "reasoning_content",  # DeepSeek, vLLM, SGLang, llama.cpp
    "reasoning",  # OpenRouter, newer vLLM
    "reasoning_text",  # Copilot
    "thinking",  # Ollama
    "reasoning_details",  # OpenRouter: of several kinds
    "thinking_blocks",  # LiteLLM, for Anthropic
)
_WORDS = ("text", "summary", "thinking", "reasoning", "content")
"""Where a part has its words. Encrypted ones have none, and no field here is like theirs."""
_DEEPEST = 3


def reasoning_in(delta: dict[str, Any]) -> str:
    """The reasoning in one chunk: many servers repeat it in several fields, so only the first is used."""
    return next((text for name in _FIELDS if (text := _words(delta.get(name)))), "")


def parts_of(parts: list[Any]) -> tuple[str, str]:
    """Text and reasoning of a content in parts."""
    text: list[str] = []
    thought: list[str] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else "text"
        if kind in (None, "text", "output_text"):
            text.append(_words(part))
        elif isinstance(kind, str) and kind.startswith(("thinking", "reasoning", "summary")):
            thought.append(_words(part))
    return "".join(text), "".join(thought)


def _words(told: object, depth: int = 0) -> str:
    """The words in a field: a string, a part or a list of parts."""
    if isinstance(told, str):
        return told
    if depth == _DEEPEST:
        return ""
    if isinstance(told, list):
        return "".join(_words(part, depth + 1) for part in told)
    if isinstance(told, dict):
        return next((text for name in _WORDS if (text := _words(told.get(name), depth + 1))), "")
    return ""
