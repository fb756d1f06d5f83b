"""The tables of a file of rules, one for each kind, and how a moderator is made of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from webchat.moderation.endpoint import SECONDS as ENDPOINT_SECONDS
from webchat.moderation.endpoint import Category, Endpoint
from webchat.moderation.filters import Moderator
from webchat.moderation.guard import SECONDS as GUARD_SECONDS
from webchat.moderation.guard import Ask, AskEndpoint, Guard, Hide
from webchat.moderation.limits import Limits
from webchat.moderation.matching import CURE, SENTENCE, Rule
from webchat.moderation.patterns import WINDOW, Pattern, Patterns
from webchat.moderation.personal import SENTENCE as PERSONAL
from webchat.moderation.personal import personal
from webchat.moderation.phrases import Phrases
from webchat.moderation.secrets import secrets
from webchat.moderation.verdicts import Fail, Stage
from webchat.moderation.windows import LEAST
from webchat.privacy.finding import KINDS as PERSONAL_KINDS

Act = Literal["flag", "mask", "replace", "block"]
Mild = Literal["allow", "flag", "mask", "replace", "block"]
Seconds = Annotated[float, Field(gt=0, le=120)]
Share = Annotated[float, Field(gt=0, le=1)]


class BadRules(ValueError):
    """The file of rules cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What moderators need that a file does not hold. folder: where files are that it names. key: the value
    of an environment variable. ask: models, by their names. hide: keeps from a guard elsewhere what is
    not for it."""

    folder: Path = field(default_factory=Path)
    key: Callable[[str], str | None] = lambda name: None
    ask: Ask | None = None
    hide: Hide = lambda url, request: request


class Table(BaseModel):
    """What every kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = ""
    stages: Annotated[list[Stage], Field(min_length=1)] = ["input", "output", "stored"]
    fail: Fail = "closed"

    def where(self) -> frozenset[Stage]:
        return frozenset(self.stages)


class Acting(Table):
    """What is done about a match."""

    action: Act = "block"
    instead: str = ""
    sentence: str = SENTENCE
    cure: str = CURE

    def rule(self, name: str) -> Rule:
        own = self.sentence != SENTENCE
        return Rule(name, self.action, self.instead, self.sentence, self.cure, own)


class PhrasesTable(Acting):
    kind: Literal["phrases"]
    phrases: list[str] = []
    file: str | None = None

    def make(self, tools: Tools) -> Moderator:
        name = self.name or "phrases"
        words = [*self.phrases, *(_lines(tools.folder / self.file) if self.file else ())]
        if not words:
            raise BadRules(f"{name}: phrases or file is missing, so there is nothing to look for")
        rule = self.rule(name)
        return Phrases(name, dict.fromkeys(words, rule), stages=self.where(), fail=self.fail)


class PatternsTable(Acting):
    kind: Literal["patterns"]
    patterns: Annotated[list[str], Field(min_length=1)]
    window: int = WINDOW

    def make(self, tools: Tools) -> Moderator:
        name = self.name or "patterns"
        rule = self.rule(name)
        made = [Pattern(pattern, rule, self.window) for pattern in self.patterns]
        return Patterns(name, made, stages=self.where(), fail=self.fail)


class SecretsTable(Table):
    kind: Literal["secrets"]
    action: Act = "mask"

    def make(self, tools: Tools) -> Moderator:
        return secrets(self.action, stages=self.where())


class PersonalTable(Acting):
    kind: Literal["personal"]
    action: Act = "mask"
    kinds: Annotated[list[str], Field(min_length=1)] = list(PERSONAL_KINDS)
    sentence: str = PERSONAL

    def make(self, tools: Tools) -> Moderator:
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


class LimitsTable(Table):
    kind: Literal["limits"]
    most_chars: Annotated[int, Field(ge=1)] | None = None
    most_repeats: Annotated[int, Field(ge=2)] | None = None
    most_a_minute: Annotated[int, Field(ge=1)] | None = None

    def make(self, tools: Tools) -> Moderator:
        return Limits(
            most_chars=self.most_chars, most_repeats=self.most_repeats, most_a_minute=self.most_a_minute
        )


class CategoryTable(BaseModel):
    """What is done about one category of an endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    action: Act | None = None
    threshold: Share | None = None


class EndpointTable(Acting):
    kind: Literal["endpoint"]
    url: str
    model: str | None = None
    api_key_env: str | None = None
    threshold: Share | None = None
    categories: dict[str, Act | CategoryTable] = {}
    seconds: Seconds = ENDPOINT_SECONDS
    window: Annotated[int, Field(ge=20, le=4000)] = LEAST

    def make(self, tools: Tools) -> Moderator:
        name = self.name or "endpoint"
        categories = {
            category: Category(told, None)
            if isinstance(told, str)
            else Category(told.action or self.action, told.threshold)
            for category, told in self.categories.items()
        }
        return Endpoint(
            self.rule(name),
            self.url,
            model=self.model,
            api_key=_key(name, self.api_key_env, tools),
            threshold=self.threshold,
            categories=categories,
            stages=self.where(),
            fail=self.fail,
            seconds=self.seconds,
            window=self.window,
        )


class GuardTable(Acting):
    kind: Literal["guard"]
    model: Annotated[str, Field(min_length=1)]
    style: Literal["qwen3guard", "llama-guard"] = "qwen3guard"
    url: str | None = None
    api_key_env: str | None = None
    controversial: Mild = "flag"
    categories: dict[str, Mild] = {}
    seconds: Seconds = GUARD_SECONDS
    window: Annotated[int, Field(ge=20, le=4000)] = LEAST

    def make(self, tools: Tools) -> Moderator:
        name = self.name or "guard"
        if self.url is not None:
            ask: Ask | None = AskEndpoint(self.url, _key(name, self.api_key_env, tools), tools.hide)
        else:
            ask = tools.ask
        if ask is None:
            raise BadRules(f"{name}: there are no models to ask here; give it a url")
        return Guard(
            self.rule(name),
            ask,
            self.model,
            style=self.style,
            controversial=self.controversial,
            categories=self.categories,
            stages=self.where(),
            fail=self.fail,
            seconds=self.seconds,
            window=self.window,
        )


AnyTable = Annotated[
    PhrasesTable | PatternsTable | SecretsTable | PersonalTable | LimitsTable | EndpointTable | GuardTable,
    Field(discriminator="kind"),
]
KINDS = ("phrases", "patterns", "secrets", "personal", "limits", "endpoint", "guard")


def _key(name: str, variable: str | None, tools: Tools) -> str | None:
    """The key in an environment variable. Raises `BadRules` where it is named and not set."""
    if variable is None:
        return None
    key = tools.key(variable)
    if not key:
        raise BadRules(f'{name}: api_key_env = "{variable}": this variable is not set')
    return key


def read_text(path: Path) -> str:
    """A file's text. Raises `BadRules`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadRules(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadRules(f"{path}: {error}") from None


def _lines(path: Path) -> list[str]:
    """One phrase a line; empty lines and those that begin with # are passed over."""
    lines = read_text(path).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
