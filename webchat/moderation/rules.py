"""Moderators from a file of rules: TOML, one `[[moderators]]` table for each, in the order they act.

[[moderators]]
kind = "phrases"                 # or patterns, secrets, personal, limits, endpoint, guard, a plug-in's
stages = ["input", "output"]     # also prompt and stored
action = "block"                 # flag, mask, replace or block
phrases = ["secret project", "机密项目"]
file = "words.txt"               # more of them, one a line
sentence = "We do not talk about this here."

[[profiles.study]]               # beside them, for tester links that name this profile
kind = "secrets"
name = "study-secrets"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.tables import (
    KINDS,
    AnyTable,
    BadRules,
    Tools,
    first_error,
    read_text,
    settings_of,
)
from webchat.moderation.kinds.tidying import Tidy
from webchat.moderation.plugins import kinds, make

__all__ = ["BadRules", "Tools", "load_profiles", "load_rules", "profile_names", "read_rules"]

PROFILE_NAME = r"^[A-Za-z0-9_-]{1,64}$"
TRIED_ALONE = ("phrases", "patterns", "secrets", "personal", "limits")

_TABLE: TypeAdapter[Any] = TypeAdapter(AnyTable)


ProfileName = Annotated[str, Field(pattern=PROFILE_NAME)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    moderators: list[dict[str, Any]] = []
    profiles: dict[ProfileName, list[dict[str, Any]]] = {}


def load_rules(path: Path, tools: Tools | None = None) -> Sequence[Moderator]:
    """The moderators in a file, in order, preceded by one that removes what hides text from rules. tools: for
    kinds that need more than the file. Raises `BadRules`."""
    text = read_text(path)
    try:
        return _moderators(_parsed(text), replace(tools or Tools(), folder=path.parent))
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from None


def load_profiles(path: Path, tools: Tools | None = None) -> Mapping[str, Sequence[Moderator]]:
    """The moderators of each profile in a file. Raises `BadRules`."""
    content = _parsed(read_text(path))
    given = replace(tools or Tools(), folder=path.parent)
    try:
        file = _checked(content)
        made = {
            name: [_made(f"profiles.{name}.{number}", table, given) for number, table in enumerate(tables)]
            for name, tables in file.profiles.items()
        }
        general = [str(table.get("name") or table.get("kind")) for table in file.moderators]
        for name, moderators in made.items():
            _check_names([*general, *(one.name for one in moderators)])
            if not moderators:
                raise BadRules(f"profiles.{name}: it has no rules")
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from None
    return made


def profile_names(path: Path) -> Sequence[str]:
    """The names of the profiles in a file. Raises `BadRules`."""
    try:
        return tuple(_checked(_parsed(read_text(path))).profiles)
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from None


def read_rules(text: str) -> Sequence[Moderator]:
    """The moderators in a text in the rules file format, for a trial. Only self-contained kinds: no files, no
    other servers. Raises `BadRules`."""
    content = _parsed(text)
    tables = content.get("moderators", [])
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        if not isinstance(table, dict):
            continue
        if "file" in table:
            raise BadRules(f"moderators.{number}.file: rules tried here cannot read files")
        if table.get("kind") not in TRIED_ALONE:
            raise BadRules(f"moderators.{number}.kind: only {', '.join(TRIED_ALONE)} can be tried here")
    return _moderators(content, Tools())


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # also for numbers of thousands of digits
        raise BadRules(str(error)) from None
    except RecursionError:
        raise BadRules("lists are nested too deeply") from None


def _moderators(content: object, tools: Tools) -> Sequence[Moderator]:
    tables = _checked(content).moderators
    made = [_made(f"moderators.{number}", table, tools) for number, table in enumerate(tables)]
    _check_names([one.name for one in made])
    return [Tidy(), *made]


def _checked(content: Any) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        raise BadRules(first_error(error)) from None


def _check_names(names: Sequence[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise BadRules(f'two moderators are named "{twice}": give each a unique name')


def _made(place: str, table: Mapping[str, object], tools: Tools) -> Moderator:
    """The moderator of one table. place: of the table, for messages."""
    kind = table.get("kind")
    if kind not in KINDS:
        if not isinstance(kind, str) or kind not in kinds():
            known = ", ".join([*KINDS, *kinds()])
            wrong = "missing" if kind is None else f"there is no kind {kind!r}"
            raise BadRules(f"{place}.kind: {wrong}; choose from {known}")
        return make(place, kind, {name: value for name, value in table.items() if name != "kind"})
    try:
        made: Moderator = _TABLE.validate_python(table).make(tools)
    except ValidationError as error:
        raise BadRules(f"{place}.{first_error(error, settings_of(kind))}") from None
    except ValueError as error:
        raise BadRules(f"{place}: {error}") from None
    return made
