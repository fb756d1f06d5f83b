"""What the app offers people to send, which is nobody's own words."""

from __future__ import annotations

from functools import cache

from webchat.feedback.datasets.own_words import normalised
from webchat.prompts.starters import starters
from webchat.sentences import LANGUAGES, locale


@cache
def suggested() -> frozenset[str]:
    """The suggestions of an empty chat, and the starters without variables, normalised."""
    texts = [content.user for group in starters().values() for content in group.values()]
    for language in LANGUAGES:
        texts += [
            text
            for key, text in locale(language).items()
            if key.startswith("transcript.suggest.") and key.endswith(".text")
        ]
    return frozenset(normalised(text) for text in texts if text)
