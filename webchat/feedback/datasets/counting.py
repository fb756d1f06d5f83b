"""What the data card counts, while records go by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webchat.feedback.datasets.rows import Texts, models, sides
from webchat.store.judgement_records import Comparison, Judgement

DEFAULT_LENGTH = 1024
"""Tokens to which trainers cut rows, or above which they drop them, without saying so."""

_SCRIPTS = (
    ("ja", re.compile(r"[぀-ヿ]")),
    ("ko", re.compile(r"[가-힯]")),
    ("zh", re.compile(r"[㐀-鿿]")),
    ("ru", re.compile(r"[Ѐ-ӿ]")),
    ("ar", re.compile(r"[؀-ۿ]")),
    ("en", re.compile(r"(?i)\b(?:the|is|are|what|how|to|and|of|you|my|in|for|can|please)\b")),
)
_DENSE = re.compile(r"[⺀-鿿가-힯豈-﫿\U00020000-\U0003ffff]")
_AROUND = 8
"""Tokens that chat templates put around a row, at least."""


def about_tokens(text: str) -> int:
    """About how many tokens a text has: one for each Chinese, Japanese or Korean character, one for four
    others. Tokenizers differ."""
    dense = len(_DENSE.findall(text))
    return dense + (len(text) - dense + 3) // 4 + _AROUND


def language(text: str) -> str:
    """A guess from the script and the commonest English words; `other` if it is neither."""
    return next((name for name, signs in _SCRIPTS if signs.search(text)), "other")


@dataclass(slots=True)
class Counts:
    """models: rows of judgements by model. consents: by link and version, with their text. hidden: records in
    which the export masked personal data; masked: places where the app did, on the way to the model. long:
    rows by config with more than `DEFAULT_LENGTH` tokens; longest: tokens."""

    records: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    adapters: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    templates: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    reviews: Counter[str] = field(default_factory=Counter)
    consents: dict[tuple[str, int], str] = field(default_factory=dict)
    consented: Counter[tuple[str, int]] = field(default_factory=Counter)
    masked: int = 0
    hidden: int = 0
    long: Counter[str] = field(default_factory=Counter)
    longest: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, one: Judgement | Comparison, texts: Texts) -> None:
        """A record of which rows are made."""
        self.records["comparison" if isinstance(one, Comparison) else "judgement"] += 1
        for judged in sides(one):
            self.adapters[_named(judged.provenance, "adapter")] += 1
            self.templates[_named(judged.provenance, "template")] += 1
            self.masked += judged.masked
        self.models.update(models(one))
        self.links[one.link] += 1
        self.reviews[one.review.state] += 1
        self.languages[language(texts.prompt[-1]["content"])] += 1
        if one.consent is not None:
            version = (one.link, one.consent.version)
            self.consents[version] = one.consent.text
            self.consented[version] += 1
        at = one.changed_at if isinstance(one, Judgement) else one.voted_at or one.at
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)

    def measure(self, config: str, tokens: int) -> None:
        """The length of a row."""
        self.longest[config] = max(self.longest[config], tokens)
        self.long[config] += tokens > DEFAULT_LENGTH


def max_length(longest: int) -> int:
    """What to give a trainer as `--max_length` so that nothing is cut: an estimate with room."""
    return max(DEFAULT_LENGTH, -(-int(longest * 1.25) // 256) * 256)


def _named(found: Mapping[str, object], key: str) -> str:
    return str(found.get(key) or "")
