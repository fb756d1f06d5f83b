"""Both languages say everything, and nobody asks for a word that is not there."""

from __future__ import annotations

import re
import string
from itertools import chain
from typing import get_args

import pytest

from backends.errors import BackendError
from webchat.auth.passwords.checking import PasswordError
from webchat.moderation.kinds.personal import personal
from webchat.moderation.kinds.secrets import secrets
from webchat.moderation.kinds.tables import KINDS
from webchat.moderation.verdicts import Action, Fail, Stage
from webchat.sentences import LANGUAGES, LOCALES, locale
from webchat.sharing import LinkError
from webchat.store import StoreError
from webchat.turns import TurnError
from webchat.ui.layout import LABELS
from webchat.ui.static import ASSETS

SCRIPTS = sorted(path for path in ASSETS.rglob("*.js") if "vendor" not in path.parts)

ASKED = re.compile(r"""\bt\(\s*["']([a-z][\w.]*)["']""")
PREFIXES = sorted({key.partition(".")[0] for key in locale("en")})
NAMED = re.compile(rf"""(["'`])((?:{"|".join(PREFIXES)})\.[\w.]+)\1""")
"""A key in quotes, also where it is chosen first and asked for elsewhere."""

SAME_IN_CHINESE = {
    *("sampling.top_p", "sampling.top_k", "sampling.min_p"),
    *(f"console.export.format.{name}" for name in ("csv", "jsonl", "parquet", "sharegpt")),
    *(f"export.format.{name}" for name in ("html", "json", "markdown", "openai", "sharegpt")),
}

CODES_OF_THE_DOOR = {
    "internal", "internal_error", "no_owner", "no_cookie", "too_large", "host_not_allowed", "cross_origin",
    "invalid", "bad_request", "not_found", "blocked", "network", "unknown", "server_full", "too_many_streams",
    "too_many_connected", "two_owners", "sign_in_ended",
}  # fmt: skip


def placeholders(text: str) -> set[str]:
    """Of values; Chinese has no words that go with a number."""
    return {name for _, name, words, _ in string.Formatter().parse(text) if name and not words}


def codes(kind: type[Exception]) -> set[str]:
    own = {kind.__dict__["code"]} if "code" in kind.__dict__ else set()
    return own.union(*(codes(child) for child in kind.__subclasses__()))


def test_languages_have_the_same_files() -> None:
    names = {language: {path.name for path in (LOCALES / language).iterdir()} for language in LANGUAGES}
    assert len(set(map(frozenset, names.values()))) == 1, names


def test_languages_have_the_same_keys() -> None:
    first, *others = (locale(language).keys() for language in LANGUAGES)
    for other in others:
        assert first ^ other == set()


def test_texts_have_the_same_placeholders() -> None:
    english, chinese = locale("en"), locale("zh-CN")
    assert [key for key in english if placeholders(english[key]) != placeholders(chinese[key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language: str) -> None:
    assert [key for key, text in locale(language).items() if not text.strip()] == []


def test_every_key_a_module_names_exists() -> None:
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        named = {*ASKED.findall(text), *(key for _, key in NAMED.findall(text))}
        assert named - locale("en").keys() == set(), path.name


def test_every_label_of_the_layout_exists() -> None:
    assert locale("en").keys() >= LABELS


def test_every_error_is_translated_with_its_cure() -> None:
    trees = (BackendError, StoreError, TurnError, LinkError, PasswordError)
    known = chain.from_iterable(map(codes, trees))
    for code in {*known, *CODES_OF_THE_DOOR}:
        for language in LANGUAGES:
            assert f"error.{code}" in locale(language)
            assert f"error.{code}.cure" in locale(language)


def test_the_operator_reads_of_moderation_in_words() -> None:
    rules = [rule.id for rule in (*secrets().rules, *personal().rules)]
    keys = {
        *(f"moderation.rule.{rule}" for rule in rules),
        *(f"moderation.kind.{kind}" for kind in KINDS),
        *(f"moderation.stage.{stage}" for stage in get_args(Stage)),
        *(f"moderation.{words}.{action}" for words in ("action", "does") for action in get_args(Action)),
        *(f"moderation.fail.{fail}" for fail in get_args(Fail)),
        *(f"moderation.masking.{when}" for when in ("off", "remote", "always")),
    }
    assert keys - locale("en").keys() == set()


def test_chinese_is_chinese() -> None:
    same = {
        key
        for key, text in locale("zh-CN").items()
        if text == locale("en")[key] and re.search("[A-Za-z]{3}", re.sub(r"\{\w+\}", "", text))
    }
    assert same == SAME_IN_CHINESE
