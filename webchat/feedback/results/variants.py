"""Votes by variant: a model with the prompt and sampling that a reply was made with."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from typing import Any

from backends.types import Sampling
from webchat.feedback.results.records import Note
from webchat.store.judgement_records import VoteCount
from webchat.store.records import ConversationSettings

MOST_VARIANTS = 30
"""Compared at once; scores of more take minutes."""

_Variant = tuple[str, str]


def by_variant(votes: Iterable[VoteCount]) -> tuple[list[VoteCount], tuple[Note, ...]]:
    """The same votes with the names of variants in place of those of models, and a note of how many were left
    out beyond the `MOST_VARIANTS` with the most votes. votes: with the settings of both sides."""
    given = [
        (_key(vote.left, vote.left_settings), _key(vote.right, vote.right_settings), vote) for vote in votes
    ]
    counts: Counter[_Variant] = Counter()
    for left, right, vote in given:
        counts[left] += vote.votes
        counts[right] += vote.votes
    kept = sorted(counts, key=lambda one: (-counts[one], one))[:MOST_VARIANTS]
    settings = {
        key: value
        for left, right, vote in given
        for key, value in ((left, vote.left_settings), (right, vote.right_settings))
    }
    names = _names({key: " · ".join((key[0], *described(_seedless(settings[key]), key[0]))) for key in kept})
    named = [
        replace(vote, left=names[left], right=names[right])
        for left, right, vote in given
        if left in names and right in names
    ]
    left_out = len(counts) - len(kept)
    return named, (Note("many_variants", (str(left_out),)),) if left_out else ()


def described(settings: ConversationSettings | None, but: str = "") -> tuple[str, ...]:
    """What is set, in a few words. but: a name that may tell some of it already."""
    if settings is None:
        return ()
    template = (
        settings.persona.name if settings.persona else "system prompt" if settings.system_prompt else ""
    )
    told = (template, ", ".join(f"{name} {value}" for name, value in set_values(settings.sampling).items()))
    return tuple(one for one in told if one and one not in but)


def set_values(sampling: Sampling) -> dict[str, Any]:
    """The parameters that are set."""
    values = {field.name: getattr(sampling, field.name) for field in fields(Sampling)}
    return {name: value for name, value in values.items() if value not in (None, ())}


def _key(model: str, settings: ConversationSettings | None) -> _Variant:
    """The same for what makes the same replies; a seed does not tell variants apart."""
    if settings is None:
        return model, ""
    settings = _seedless(settings)
    persona = None if settings.persona is None else asdict(settings.persona)
    values = (settings.system_prompt, persona, asdict(settings.sampling))
    return model, json.dumps(values, sort_keys=True, default=str)


def _seedless(settings: ConversationSettings | None) -> ConversationSettings:
    settings = settings or ConversationSettings()
    return replace(settings, sampling=replace(settings.sampling, seed=None))


def _names(called: dict[_Variant, str]) -> dict[_Variant, str]:
    """One name for each variant: where several are called alike, with a mark that stays the same."""
    alike = Counter(called.values())
    return {
        key: name if alike[name] == 1 else f"{name} #{hashlib.sha256(key[1].encode()).hexdigest()[:4]}"
        for key, name in called.items()
    }
