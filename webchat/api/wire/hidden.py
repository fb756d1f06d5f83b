"""Keeps text the operator wrote for models from guests: system prompts, wherever they occur."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TypeVar, cast

from pydantic import JsonValue

from webchat.store.records import ConversationSettings, Owner, Provenance

MARK = "[…]"

J = TypeVar("J", bound=JsonValue)


def base_name(name: str | None) -> str | None:
    """The last segment of a path on this server; the id of a model anywhere else is unchanged."""
    if name is None or not name.startswith(("/", "~", "./", "../")):
        return name
    return PurePosixPath(name).name


def hidden_prompts(provenance: Provenance, settings: ConversationSettings, reader: Owner) -> Sequence[str]:
    """The system prompts of a reply that the reader must not see: the operator's, unless the conversation's
    settings or a template contain them; all of them, if the reader's link shows none."""
    found = [str(item.get("content") or "") for item in provenance.prompt if item.get("role") == "system"]
    if not reader.terms.system_prompt:
        return [text for text in found if text.strip()]
    if reader.operates or provenance.details.get("persona"):
        return ()
    return [text for text in found if text.strip() and text != settings.system_prompt]


def without(found: J, prompts: Sequence[str]) -> J:
    """JSON without these texts, even inside other strings: templates put a system prompt before a message, or
    strip it."""
    return cast(J, _without(found, prompts)) if prompts else found


def _without(found: JsonValue, prompts: Sequence[str]) -> JsonValue:
    if isinstance(found, str):
        for prompt in prompts:
            found = found.replace(prompt, MARK).replace(prompt.strip(), MARK)
        return found
    if isinstance(found, dict):
        return {name: _without(value, prompts) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_without(value, prompts) for value in found]
    return found
