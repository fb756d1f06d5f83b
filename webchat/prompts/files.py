"""Templates as files, YAML or JSON, both ways.

    webchat_template: 1
    name: Translate
    user: "Translate into {{ language }}: ..."

YAML is read as JSON with fewer quotes: without anchors and aliases (a few lines of them unfold to gigabytes),
without tags, and `yes`, `no`, `12:30` and dates are the texts they look like.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from pydantic import ValidationError

from webchat.prompts.content import TemplateContent
from webchat.prompts.errors import BadFile

SCHEMA_KEY = "webchat_template"
SCHEMA = 1
FILE_CHARS = 1_000_000
_MOST_DEPTH = 8
_MOST_EVENTS = 40_000

_ODD = re.compile("[\r\x85\u2028\u2029\ufeff]")
"""Characters that YAML treats as line ends, or drops, unless escaped."""

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """Plain scalars mean the same as in JSON, nothing more."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_NUMBER = r"[-+]?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,4})?"
for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"[-+]?(0|[1-9][0-9]{0,400})", list("-+0123456789")),
    ("float", _NUMBER, list("-+0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def read_file(text: str) -> TemplateContent:
    """The content of a file. Raises `BadFile`."""
    if len(text) > FILE_CHARS:
        raise BadFile(f"it is longer than {FILE_CHARS} characters.")
    found = _read_json(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else _read_yaml(text)
    if not isinstance(found, dict) or SCHEMA_KEY not in found:
        raise BadFile(f"{SCHEMA_KEY} is missing at the top.")
    if found[SCHEMA_KEY] is True or found[SCHEMA_KEY] != SCHEMA:
        raise BadFile("it was written by a newer version of webchat.")
    content = {name: value for name, value in found.items() if name != SCHEMA_KEY}
    try:
        return TemplateContent.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])[:100]
        raise BadFile(f"{field}: {first['msg']}."[:300] if field else f"{first['msg']}."[:300]) from None
    except (TypeError, ValueError, RecursionError):
        raise BadFile("it cannot be read.") from None


def yaml_file(content: TemplateContent) -> str:
    """The file; `read_file` restores exactly this content."""
    text: str = yaml.dump(
        _document(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2
    )
    return text


def json_file(content: TemplateContent) -> str:
    """The same as JSON."""
    return json.dumps(_document(content), ensure_ascii=False, indent=2) + "\n"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Texts of several lines as blocks, which people can read and change. Nothing is written twice by
    reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ODD.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
# A text such as `1e5` is a number to the reader above, and to YAML's own rules not: it needs quotes.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"(?:{_NUMBER})\Z"), list("-+0123456789")
)


def _document(content: TemplateContent) -> dict[str, Any]:
    """Values that differ from the defaults, in reading order."""
    whole = content.model_dump(mode="json", exclude_defaults=True)
    for variable, kept in zip(content.variables, whole.get("variables", ()), strict=True):
        if variable.label == variable.name:
            kept.pop("label", None)
    return {SCHEMA_KEY: SCHEMA, **whole}


def _read_json(text: str) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise BadFile(f"line {error.lineno} is not valid JSON.") from None
    except (ValueError, RecursionError):
        raise BadFile("it cannot be read.") from None


def _read_yaml(text: str) -> Any:
    depth = 0
    try:
        for number, event in enumerate(yaml.parse(text, Loader=_BASE)):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise BadFile("it contains anchors or aliases (& and *).")
            if getattr(event, "tag", None) is not None:
                raise BadFile("it contains tags (!).")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MOST_DEPTH or number > _MOST_EVENTS:
                raise BadFile("it is too large.")
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFile(
            "it cannot be read." if mark is None else f"line {mark.line + 1} is not valid YAML."
        ) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise BadFile("it cannot be read.") from None
