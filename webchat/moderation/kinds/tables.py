"""The tables of a rules file, one per kind, and how a moderator is built from each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backends import _text_file
from backends._text_file import NotText
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.builtin import FAIL, STAGES, Terms
from webchat.moderation.kinds.endpoint import Endpoint, EndpointSettings
from webchat.moderation.kinds.guard import Ask, AskEndpoint, Guard, GuardSettings, Hide
from webchat.moderation.kinds.limits import Bounds, Limits
from webchat.moderation.kinds.patterns import WINDOW, Pattern, Patterns
from webchat.moderation.kinds.personal import SENTENCE as PERSONAL
from webchat.moderation.kinds.personal import PersonalModerator
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.kinds.secrets import secrets
from webchat.moderation.matching import CURE, SENTENCE, Rule
from webchat.moderation.verdicts import Act, Fail, Stage
from webchat.privacy.finding import KINDS as PERSONAL_KINDS


class BadRules(ValueError):
    """The rules file is invalid; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What moderators need beyond the file. folder: of files that it names. key: the value of an environment
    variable. ask: models, by name. hide: removes from requests what a remote guard must not see."""

    folder: Path = field(default_factory=Path)
    key: Callable[[str], str | None] = lambda name: None
    ask: Ask | None = None
    hide: Hide = lambda url, request: request


class Table(BaseModel):
    """Settings of every kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: str
    name: str = ""
    stages: Annotated[list[Stage], Field(min_length=1)] = list(STAGES)
    fail: Fail = FAIL

    @property
    def named(self) -> str:
        return self.name or self.kind

    def terms(self) -> Terms:
        return {"stages": self.stages, "fail": self.fail}


class Acting(Table):
    """The action for a match."""

    action: Act = "block"
    instead: str = ""
    sentence: str = SENTENCE
    cure: str = CURE

    def rule(self) -> Rule:
        own = self.sentence != type(self).model_fields["sentence"].default
        return Rule(self.named, self.action, self.instead, self.sentence, self.cure, own)


class PhrasesTable(Acting):
    kind: Literal["phrases"]
    phrases: list[str] = []
    file: str | None = None

    def make(self, tools: Tools) -> Moderator:
        words = [*self.phrases, *(_lines(tools.folder / self.file) if self.file else ())]
        if not words:
            raise BadRules(f"{self.named}: phrases or file is missing")
        return Phrases(self.named, dict.fromkeys(words, self.rule()), **self.terms())


class PatternsTable(Acting):
    kind: Literal["patterns"]
    patterns: Annotated[list[str], Field(min_length=1)]
    window: int = WINDOW

    def make(self, tools: Tools) -> Moderator:
        made = [Pattern(pattern, self.rule(), self.window) for pattern in self.patterns]
        return Patterns(self.named, made, **self.terms())


class SecretsTable(Table):
    kind: Literal["secrets"]
    action: Act = "mask"

    def make(self, tools: Tools) -> Moderator:
        return secrets(self.action, name=self.named, **self.terms())


class PersonalTable(Acting):
    kind: Literal["personal"]
    action: Act = "mask"
    kinds: Annotated[list[str], Field(min_length=1)] = list(PERSONAL_KINDS)
    sentence: str = PERSONAL

    def make(self, tools: Tools) -> Moderator:
        return PersonalModerator(self.rule(), self.kinds, **self.terms())


class LimitsTable(Table, Bounds):
    kind: Literal["limits"]
    stages: Annotated[list[Stage], Field(min_length=1)] = ["input"]

    def make(self, tools: Tools) -> Moderator:
        return Limits(self, self.named, **self.terms())


class EndpointTable(Acting, EndpointSettings):
    kind: Literal["endpoint"]
    url: str
    api_key_env: str | None = None

    def make(self, tools: Tools) -> Moderator:
        key = _key(self.named, self.api_key_env, tools)
        return Endpoint(self.rule(), self.url, self, api_key=key, **self.terms())


class GuardTable(Acting, GuardSettings):
    kind: Literal["guard"]
    model: Annotated[str, Field(min_length=1)]
    url: str | None = None
    api_key_env: str | None = None

    def make(self, tools: Tools) -> Moderator:
        ask = tools.ask
        if self.url is not None:
            ask = AskEndpoint(self.url, _key(self.named, self.api_key_env, tools), tools.hide)
        elif self.api_key_env is not None:
            raise BadRules(f"{self.named}: api_key_env applies only to a guard with a url")
        if ask is None:
            raise BadRules(f"{self.named}: no models are available here; set url")
        return Guard(self.rule(), ask, self.model, self, **self.terms())


AnyTable = Annotated[
    PhrasesTable | PatternsTable | SecretsTable | PersonalTable | LimitsTable | EndpointTable | GuardTable,
    Field(discriminator="kind"),
]
TABLES: Mapping[str, type[Table]] = {
    "phrases": PhrasesTable,
    "patterns": PatternsTable,
    "secrets": SecretsTable,
    "personal": PersonalTable,
    "limits": LimitsTable,
    "endpoint": EndpointTable,
    "guard": GuardTable,
}
KINDS = tuple(TABLES)


def settings_of(kind: str) -> Sequence[str]:
    """The settings allowed in a table of this kind."""
    fields = dict.fromkeys([*Table.model_fields, *TABLES[kind].model_fields])
    return tuple(name for name in fields if name != "kind")


def first_error(error: ValidationError, known: Sequence[str] = ()) -> str:
    """The location and message of the first error. known: the existing settings."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = str(first["msg"])
    if first["type"] == "extra_forbidden" and known and len(first["loc"]) == 2:
        said = f"there is no such setting; allowed: {', '.join(known)}"
    return f"{where}: {said}" if where else said


def _key(name: str, variable: str | None, tools: Tools) -> str | None:
    """The key in an environment variable. Raises `BadRules` if it is named and not set."""
    if variable is None:
        return None
    key = tools.key(variable)
    if not key:
        raise BadRules(f'{name}: api_key_env = "{variable}": this variable is not set')
    return key


def read_text(path: Path) -> str:
    """A file's text. Raises `BadRules`."""
    try:
        return _text_file.read_text(path)
    except OSError as error:
        raise BadRules(f"{path}: {error.strerror}") from None
    except NotText as error:
        raise BadRules(f"{path} {error}") from None


def _lines(path: Path) -> list[str]:
    """One phrase per line; empty lines and those that start with # are skipped."""
    lines = read_text(path).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
