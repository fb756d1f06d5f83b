"""Whether a reply refuses: a heuristic, and called one wherever it is shown.

A reply counts as a refusal if one of the phrases in `refusals.json` occurs in its first characters. It misses
refusals in other words and languages, and takes a reply that quotes one at its beginning for one.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

BEGINNING = 160
"""Characters that are looked at: refusals come first."""


def refuses(text: str) -> bool:
    """Whether a reply looks like a refusal."""
    begins = " ".join(text[: 2 * BEGINNING].replace("\u2019", "'").split()).casefold()[:BEGINNING]
    return any(phrase in begins for phrase in phrases())


@cache
def phrases() -> tuple[str, ...]:
    """What refusals say, in lower case."""
    told = files("webchat.feedback.replay").joinpath("refusals.json").read_text(encoding="utf-8")
    return tuple(phrase for of_language in json.loads(told).values() for phrase in of_language)
