"""What the operator wrote for models is not shown to guests: their system prompts, wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TypeVar, cast

from pydantic import JsonValue

from webchat.store.records import ConversationSettings, Owner, Provenance

MARK = "[…]"

J = TypeVar("J", bound=JsonValue)


def base_name(name: str | None) -> str | None:
    """Of a path of this server the last name; the id of a model anywhere else is left as it is."""
    if name is None or not name.startswith(("/", "~", "./", "../")):
        return name
    return PurePosixPath(name).name


def hidden_prompts(provenance: Provenance, settings: ConversationSettings, reader: Owner) -> Sequence[str]:
    """The system prompts of a reply that are the operator's and the reader is not: those that neither the
    conversation's settings nor a template hold, which everybody may read."""
    if reader.operates or provenance.details.get("persona"):
        return ()
    found = [str(item.get("content") or "") for item in provenance.prompt if item.get("role") == "system"]
    return [text for text in found if text.strip() and text != settings.system_prompt]


def without(found: J, prompts: Sequence[str]) -> J:
    """JSON without these texts, also where they stand in another one: templates put a system prompt in front
    of a message, or strip it."""
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
