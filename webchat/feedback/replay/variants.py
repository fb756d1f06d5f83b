"""What answers in a run, and what it is called."""

from __future__ import annotations

from dataclasses import replace

from webchat.feedback.results import described, set_values
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
        sampling=replace(before.sampling, **set_values(chosen.sampling)),
    )


def default_name(variant: ReplayVariant, model: str) -> str:
    """A name that tells variants of one model apart. model: its name."""
    return " · ".join((model, *described(variant.settings)))
