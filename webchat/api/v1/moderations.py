"""OpenAI's moderations, answered by the rules of this server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from webchat.api.services import Services
from webchat.api.v1.call import refused
from webchat.api.v1.reading import Loose, validated
from webchat.moderation import Context, Moderation
from webchat.moderation.trying import Outcome, try_rules
from webchat.store.records import Owner

MOST_TEXTS = 32


class PartBody(Loose):
    type: str
    text: str | None = None


class ModerationsBody(Loose):
    model: Annotated[str, Field(max_length=400)] | None = None
    input: str | Annotated[list[str | PartBody], Field(min_length=1, max_length=MOST_TEXTS)]


def texts_of(body: Mapping[str, object], longest: int) -> list[str]:
    """longest: characters of a text. Raises `ApiError`, which names the field."""
    asked = validated(ModerationsBody, body)
    texts = [asked.input] if isinstance(asked.input, str) else [*_texts(asked.input)]
    if any(len(text) > longest for text in texts):
        raise refused("input", f"a text may have at most {longest} characters.", status=413)
    return texts


def _texts(items: list[str | PartBody]) -> list[str]:
    texts = []
    for at, item in enumerate(items):
        if isinstance(item, str):
            texts.append(item)
        elif item.type == "text":
            texts.append(item.text or "")
        else:
            raise refused(f"input[{at}].type", f"parts of the type {item.type[:40]!r} are not supported.")
    return texts


async def judged(services: Services, owner: Owner, texts: list[str]) -> dict[str, Any]:
    """What the rules for messages say of each text; nothing is stored, counted or logged."""
    profile = owner.terms.moderation_profile
    rules = Moderation([*services.moderators, *services.profiles.get(profile, ())])
    context = Context("input", owner.id, counts=False, profile="")
    outcomes = [await try_rules(rules, context, text) for text in texts]
    return {
        "id": f"modr-{secrets.token_hex(12)}",
        "model": "webchat",
        "results": [_result(outcome) for outcome in outcomes],
    }


def _result(outcome: Outcome) -> dict[str, Any]:
    """flagged: the text would be refused. categories: the rules that found something."""
    found = sorted({one.rule for one in outcome.found} | ({outcome.blocked} if outcome.blocked else set()))
    return {
        "flagged": outcome.blocked is not None,
        "categories": dict.fromkeys(found, True),
        "category_scores": dict.fromkeys(found, 1.0),
        "category_applied_input_types": {rule: ["text"] for rule in found},
    }
