"""Moderators from a file of rules: TOML, one `[[moderators]]` table for each, in the order they act.

[[moderators]]
kind = "phrases"                 # phrases, patterns, secrets, personal or limits
action = "block"                 # flag, mask, replace or block
phrases = ["secret project", "机密项目"]
file = "words.txt"               # more of them, one a line
sentence = "We do not talk about this here."
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webchat.moderation.filters import Moderator
from webchat.moderation.limits import Limits, Tidy
from webchat.moderation.matching import CURE, SENTENCE, Rule
from webchat.moderation.patterns import WINDOW, BadPattern, Pattern, Patterns
from webchat.moderation.personal import KINDS, personal
from webchat.moderation.personal import SENTENCE as PERSONAL
from webchat.moderation.phrases import Phrases
from webchat.moderation.secrets import secrets
from webchat.moderation.verdicts import Fail, Stage

_Act = Literal["flag", "mask", "replace", "block"]


class BadRules(ValueError):
    """The file of rules cannot be used; the message says where and why."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = ""
    stages: Annotated[list[Stage], Field(min_length=1)] = ["input", "output"]
    fail: Fail = "closed"

    def where(self) -> frozenset[Stage]:
        return frozenset(self.stages)


class _Acting(_Table):
    """What is done about a match."""

    action: _Act = "block"
    instead: str = ""
    sentence: str = SENTENCE
    cure: str = CURE

    def rule(self, name: str) -> Rule:
        own = self.sentence != SENTENCE
        return Rule(name, self.action, self.instead, self.sentence, self.cure, own)


class _Phrases(_Acting):
    kind: Literal["phrases"]
    phrases: list[str] = []
    file: str | None = None

    def make(self, folder: Path) -> Moderator:
        name = self.name or "phrases"
        words = [*self.phrases, *(_lines(folder / self.file) if self.file else ())]
        if not words:
            raise BadRules(f"{name}: phrases or file is missing, so there is nothing to look for")
        rule = self.rule(name)
        return Phrases(name, dict.fromkeys(words, rule), stages=self.where(), fail=self.fail)


class _Patterns(_Acting):
    kind: Literal["patterns"]
    patterns: Annotated[list[str], Field(min_length=1)]
    window: int = WINDOW

    def make(self, folder: Path) -> Moderator:
        name = self.name or "patterns"
        rule = self.rule(name)
        made = [Pattern(pattern, rule, self.window) for pattern in self.patterns]
        return Patterns(name, made, stages=self.where(), fail=self.fail)


class _Secrets(_Table):
    kind: Literal["secrets"]
    action: _Act = "mask"

    def make(self, folder: Path) -> Moderator:
        return secrets(self.action, stages=self.where())


class _Personal(_Acting):
    kind: Literal["personal"]
    action: _Act = "mask"
    kinds: Annotated[list[str], Field(min_length=1)] = list(KINDS)
    sentence: str = PERSONAL

    def make(self, folder: Path) -> Moderator:
        return personal(
            self.action,
            name=self.name or "personal",
            kinds=self.kinds,
            instead=self.instead,
            sentence=self.sentence,
            cure=self.cure,
            stages=self.where(),
            fail=self.fail,
        )


class _Limits(_Table):
    kind: Literal["limits"]
    most_chars: Annotated[int, Field(ge=1)] | None = None
    most_repeats: Annotated[int, Field(ge=2)] | None = None
    most_a_minute: Annotated[int, Field(ge=1)] | None = None

    def make(self, folder: Path) -> Moderator:
        return Limits(
            most_chars=self.most_chars, most_repeats=self.most_repeats, most_a_minute=self.most_a_minute
        )


_Any = Annotated[_Phrases | _Patterns | _Secrets | _Personal | _Limits, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    moderators: list[_Any] = []


def load_rules(path: Path) -> Sequence[Moderator]:
    """The moderators of a file, in its order. What hides text from rules is taken away before any of them
    looks. Raises `BadRules`."""
    content = _read(path, tomllib.loads)
    try:
        return _moderators(content, path.parent)
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from None


def read_rules(text: str) -> Sequence[Moderator]:
    """The moderators of a text in the form of such a file, to be tried. Only kinds that need nothing but
    themselves: no files, no other servers. Raises `BadRules`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRules(str(error)) from None
    tables = content.get("moderators", [])
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        if not isinstance(table, dict):
            continue
        if "file" in table:
            raise BadRules(f"moderators.{number}.file: rules that are tried here read no files")
        if table.get("kind") not in TRIED_ALONE:
            kinds = ", ".join(TRIED_ALONE)
            raise BadRules(f"moderators.{number}.kind: only {kinds} can be tried here")
    return _moderators(content, Path())


TRIED_ALONE = ("phrases", "patterns", "secrets", "personal", "limits")


def _moderators(content: Any, folder: Path) -> Sequence[Moderator]:
    try:
        tables = _File.model_validate(content).moderators
        made = [table.make(folder) for table in tables]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRules(f"{where}: {first['msg']}") from None
    except BadRules:
        raise
    except (BadPattern, ValueError) as error:
        raise BadRules(str(error)) from None
    names = [one.name for one in made]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise BadRules(f'two moderators are named "{twice}": give each a name of its own')
    return [Tidy(), *made]


def _lines(path: Path) -> list[str]:
    """One phrase a line; empty lines and those that begin with # are passed over."""
    lines = _read(path, str.splitlines)
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRules(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRules(f"{path}: {error}") from None
