"""Tries rules that were never active in a process that can be killed: parsing and applying them may take any
amount of time and memory."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from backends.bounded import Pool, TooMuch
from webchat.moderation.moderation import Moderation
from webchat.moderation.rules import BadRules, read_rules
from webchat.moderation.trying import Outcome, Tried, try_rules
from webchat.moderation.verdicts import Context

SECONDS = 10.0
"""Of processor time for reading rules and looking at one text with them."""
MEMORY_BYTES = 2**30


class RulesApart:
    """Tries rules. seconds: of processor time per text."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        folders = [folder for folder in sys.path if folder]
        self._pool = Pool(__name__, folders, seconds=seconds, memory=MEMORY_BYTES, processes=1)

    async def tried(self, rules: str, context: Context, text: str) -> Outcome:
        """Pass one text through the moderators of these rules. Raises `BadRules`, also for rules that need
        too much time or memory; a trial is stopped when nobody waits for it any more."""
        asked = {"rules": rules, "stage": context.stage, "owner": context.owner, "text": text}
        try:
            answer = await self._pool.asked(asked)
        except TooMuch:
            raise BadRules("they need too much time or memory") from None
        if "broken" in answer:
            raise BadRules(answer["broken"])
        return Outcome(**{**answer, "found": tuple(Tried(**one) for one in answer["found"])})


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of the process; see `backends._apart`."""
    try:
        moderation = _moderation(asked["rules"])
        context = Context(asked["stage"], asked["owner"])
        return asdict(asyncio.run(try_rules(moderation, context, asked["text"])))
    except BadRules as error:
        return {"broken": str(error)[:1000]}


@lru_cache(maxsize=1)
def _moderation(rules: str) -> Moderation:
    return Moderation(read_rules(rules))
