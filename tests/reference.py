"""The generated parts of the documentation: `make reference` rewrites them from the code.

A page marks each table with `<!-- NAME: generated -->` and `<!-- NAME: end -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from backends import registry
from backends.providers import providers
from tests.clean_environment import ROOT
from tests.openapi import openapi_json, routes, wire_types
from tests.statuses import statuses
from webchat.cli import command_parser
from webchat.commands.space.carried import Carried
from webchat.commands.space.folder import written
from webchat.commands.space.kinds import KINDS
from webchat.moderation import plugins
from webchat.moderation.kinds.tables import TABLES as RULES
from webchat.moderation.kinds.tables import Acting, Table
from webchat.monitoring import names
from webchat.pages import page as pages_of_packages
from webchat.sentences import locale
from webchat.settings import Settings
from webchat.settings.engine import EngineFields, SamplingFields
from webchat.settings.load import HONOURED, KNOWN, allowed, flag_of
from webchat.settings.model import ModelSettings
from webchat.settings.table import field_order

PAGES = ("README.md", "CONTRIBUTING.md", "deploy/**/*.md")
MARKERS = re.compile(r"<!-- ([a-z-]+): generated -->\n(.*?)<!-- \1: end -->", re.DOTALL)


def pages() -> Iterator[Path]:
    """Every page of the documentation."""
    return (path for pattern in PAGES for path in sorted(ROOT.glob(pattern)))


def with_tables(text: str) -> str:
    """A page with its tables as the code has them. Raises KeyError for a name that is not in `TABLES`."""
    return MARKERS.sub(
        lambda mark: f"<!-- {mark[1]}: generated -->\n{TABLES[mark[1]]()}<!-- {mark[1]}: end -->", text
    )


def settings() -> str:
    """Every setting: flag, key in `webchat.toml`, default, what it does."""
    return table("Flag | Key | Default | What it does", map(_setting, field_order()))


def models() -> str:
    """Every key of a `[[models]]` table: its own first, then those that are also settings of the server."""
    inherited = {*EngineFields.model_fields, *SamplingFields.model_fields}
    names = sorted(ModelSettings.model_fields, key=lambda name: name in inherited)
    fields = ((name, ModelSettings.model_fields[name]) for name in names if name != "demo")
    return table("Key | What it does", ([f"`{name}`", _about(info)] for name, info in fields))


def commands() -> str:
    """Every command with its own arguments; the flags of settings are in the table of settings."""
    return table("Command | Does | Arguments", _commands(command_parser(), "webchat"))


def entry_points() -> str:
    """What other packages can add."""
    rows = (
        (registry.GROUP, "A backend: a model behind the interface in `backends/base.py`", registry.BUILT_IN),
        (plugins.GROUP, "A kind of rule: a moderator as in `webchat/moderation/filters.py`", RULES),
        (pages_of_packages.GROUP, "A page beside the chat: a `webchat.pages.Page`", ()),
    )
    return table(
        "Group | Adds | Built in",
        ([f"`{group}`", about, ", ".join(f"`{kind}`" for kind in kinds)] for group, about, kinds in rows),
    )


def rule_kinds() -> str:
    """Every kind of rule with its settings, after those that several kinds share."""
    acting = ", ".join(f"`{kind}`" for kind, model in RULES.items() if issubclass(model, Acting))
    rows = [["every kind", _defaults(Table)], [acting, _defaults(Acting, Table)]]
    rows += [[f"`{kind}`", _defaults(model, Acting, Table)] for kind, model in RULES.items()]
    return table("Kind | Settings and their defaults", rows)


def errors() -> str:
    """Every error code with its HTTP statuses, its message, and the remedy for operators."""
    words = {key: re.sub(r"\{\w+:[^|}]*\|([^}]*)\}", r"\1", text) for key, text in locale("en").items()}
    codes = sorted(
        key.removeprefix("error.") for key in words if key.startswith("error.") and key.count(".") == 1
    )
    rows = (
        [
            f"`{code}`",
            ", ".join(map(str, statuses().get(code, ()))),
            words[f"error.{code}"],
            words.get(f"error.{code}.cure_operator", words[f"error.{code}.cure"]),
        ]
        for code in codes
    )
    return table("Code | Status | Message | What the operator can do", rows)


def api_routes() -> str:
    """Every route of the HTTP API."""
    return table(
        "Route | Takes | Answers | Fails with | Key | What it does",
        ([*map(_escape, row)] for row in routes()),
    )


def pins() -> str:
    """The project's direct dependencies by extra, at the versions of constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # `pip freeze` writes a name as its project does, an index takes "-" and "_" for the same.
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-").splitlines()
    tested = dict(line.partition(" ")[0].split("==", 1) for line in lines if "==" in line and line[0] != "#")
    extras = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, dict[str, str]] = {}
    for extra in ("", "llamacpp", "local", "postgres"):
        names = (re.match(r"[A-Za-z0-9_-]+(\[\w+\])?", asked) for asked in extras[extra])
        found[extra] = {
            name[0]: tested[name[0].partition("[")[0].lower().replace("_", "-")] for name in names if name
        }
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def space(name: str) -> str:
    """A file of the Space that the default settings make."""
    kind = KINDS["embedded"]
    return written(kind, Settings(), Carried(), "webchat")[name]


FILES: Mapping[str, Callable[[], str]] = {
    "webchat/api/openapi.json": openapi_json,
    "webchat/commands/space/pins.json": pins,
    "deploy/space/README.md": partial(space, "README.md"),
    "deploy/space/app.py": partial(space, "app.py"),
    "deploy/space/requirements.txt": partial(space, "requirements.txt"),
    "webchat/ui/assets/wire.d.ts": wire_types,
}
"""What is generated as a whole."""


def known_providers() -> str:
    """Every name that `--endpoint` takes."""
    rows = ((f"`{one.name}`", one.title, one.url, one.key and f"`{one.key}`") for one in providers().values())
    return table("Name | Provider | Base URL | Key", rows)


def metrics() -> str:
    """What `/metrics` says."""
    rows = (
        [f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.about]
        for one in names.METRICS
    )
    return table("Metric | Kind | Labels | What it is", rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "models": models,
    "commands": commands,
    "entry-points": entry_points,
    "rule-kinds": rule_kinds,
    "errors": errors,
    "providers": known_providers,
    "api-routes": api_routes,
    "metrics": metrics,
}


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table. head: its columns, separated by bars."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _setting(name: str) -> list[str]:
    info = Settings.model_fields[name]
    also = [f" Also read from `{variable}`." for variable, filled in HONOURED.items() if filled == name]
    flag = f"`{flag_of(name)}`" if flag_of(name) else ""
    return [flag, f"`{name}`", _default(info), _about(info) + "".join(also)]


def _about(info: FieldInfo) -> str:
    takes = "" if info.annotation is bool else f" Takes {_escape(allowed(info))}."
    return _escape(info.description or "") + takes


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        return "the platform default"
    default = info.default
    if default in (None, (), ""):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _commands(parser: argparse.ArgumentParser, path: str) -> Iterator[list[str]]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for name, command in action.choices.items():
            if nested := list(_commands(command, f"{path} {name}")):
                yield from nested
                continue
            skipped = (*KNOWN, "help")
            own = [one for one in command._actions if one.dest not in skipped]
            arguments = "; ".join(f"`{_named(one)}` {_escape(one.help or '')}" for one in own)
            yield [f"`{path} {name}`", _escape(command.description or ""), arguments]


def _named(argument: argparse.Action) -> str:
    flag = "/".join(argument.option_strings)
    value = "" if argument.nargs == 0 else str(argument.metavar or argument.dest).upper()
    return f"{flag} {value}".strip()


def _defaults(model: type[Table], *bases: type[Table]) -> str:
    """The settings of a kind, without those it has exactly as one of its bases has them."""
    known = [
        (name, repr(info))
        for base in bases
        if issubclass(model, base)
        for name, info in base.model_fields.items()
    ]
    own = ((name, info) for name, info in model.model_fields.items() if (name, repr(info)) not in known)
    return ", ".join(_with_default(name, info) for name, info in own if name != "kind")


def _with_default(name: str, info: FieldInfo) -> str:
    if info.is_required():
        return f"`{name}` (required)"
    default = info.get_default(call_default_factory=True)
    return f"`{name} = {_toml(default)}`" if default else f"`{name}`"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Rewrite the pages and the files."""
    for name, whole in FILES.items():
        (ROOT / name).write_text(whole(), encoding="utf-8")
    for page in pages():
        text = page.read_text(encoding="utf-8")
        page.write_text(with_tables(text), encoding="utf-8")


if __name__ == "__main__":
    main()
