"""What answers in a run, and what it is called."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from backends.types import Sampling
from webchat.store.records import ConversationSettings
from webchat.store.replay_records import ReplayVariant


def settings_for(variant: ReplayVariant, before: ConversationSettings) -> ConversationSettings:
    """What an item is answered with: the settings of its conversation, with what the variant sets in their
    place. An empty system prompt of a variant is none at all."""
    chosen = variant.settings
    own = chosen.system_prompt is None
    return ConversationSettings(
        model=variant.model,
        system_prompt=before.system_prompt if own else chosen.system_prompt,
        persona=before.persona if own else chosen.persona,
        sampling=replace(before.sampling, **_set(chosen.sampling)),
    )


def default_name(variant: ReplayVariant, model: str) -> str:
    """A name that tells variants of one model apart. model: its name."""
    settings = variant.settings
    template = (
        settings.persona.name if settings.persona else "system prompt" if settings.system_prompt else ""
    )
    sampling = ", ".join(f"{name} {value}" for name, value in _set(settings.sampling).items())
    return " · ".join(filter(None, (model, template, sampling)))


def _set(sampling: Sampling) -> dict[str, Any]:
    """The parameters that are set."""
    values = {field.name: getattr(sampling, field.name) for field in fields(Sampling)}
    return {name: value for name, value in values.items() if value not in (None, ())}
