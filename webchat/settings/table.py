"""The settings as people read them: the table of the README, and the effective values with their origins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from webchat.database_url import without_password
from webchat.settings.engine import EngineFields, SamplingFields
from webchat.settings.fields import Settings
from webchat.settings.load import HONOURED, Loaded, allowed, flag_of, is_secret
from webchat.settings.model import ModelSettings


def readme_table() -> str:
    """Every setting as a Markdown table: flag, key in `webchat.toml`, default, what it does."""
    rows = ["| Flag | Key | Default | What it does |", "|---|---|---|---|"]
    for name in field_order():
        info = Settings.model_fields[name]
        also = [variable for variable, filled in HONOURED.items() if filled == name]
        about = _escape(info.description or "")
        about += f" Takes {_escape(allowed(info))}." if info.annotation is not bool else ""
        about += f" Also read from `{also[0]}`." if also else ""
        flag = f"`{flag_of(name)}`" if flag_of(name) else ""
        rows.append(f"| {flag} | `{name}` | {_default(name, info)} | {about} |")
    return "\n".join(rows) + "\n"


def models_table() -> str:
    """Every key of one `[[models]]` table."""
    rows = ["| Key | What it does |", "|---|---|"]
    own = [name for name in ModelSettings.model_fields if name not in _inherited() and name != "demo"]
    shared = [name for name in ModelSettings.model_fields if name in _inherited()]
    for name in own + shared:
        info = ModelSettings.model_fields[name]
        takes = "" if info.annotation is bool else f" Takes {_escape(allowed(info))}."
        rows.append(f"| `{name}` | {_escape(info.description or '')}{takes} |")
    return "\n".join(rows) + "\n"


def effective(loaded: Loaded) -> Iterator[str]:
    """One line per setting: `name = value  # where it came from`. Never a secret's value."""
    lines = [(f"{name} = {_value(name, loaded)}", loaded.origin(name)) for name in field_order()]
    width = min(60, max(len(text) for text, _ in lines))
    for text, origin in lines:
        yield f"{text:<{width}}  # {origin}"


def field_order() -> list[str]:
    """The settings in reading order: the server's own, then the engine's, then sampling."""
    own = [name for name in Settings.model_fields if name not in _inherited()]
    return [*own, *EngineFields.model_fields, *SamplingFields.model_fields]


def _inherited() -> set[str]:
    return {*EngineFields.model_fields, *SamplingFields.model_fields}


def _default(name: str, info: FieldInfo) -> str:
    if info.default_factory is not None:
        return "the platform's"
    default = info.default
    if default is None or default == () or default == "":
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _value(name: str, loaded: Loaded) -> str:
    value: Any = getattr(loaded.settings, name)
    if name == "database_url":
        return without_password(loaded.settings.store_url)
    if isinstance(value, SecretStr) or is_secret(Settings.model_fields[name]):
        return "(not set)" if value is None else "(set, not shown)"
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return str(value).lower()
    if name == "models":
        return "[" + ", ".join(f"{spec.name} ({spec.kind})" for spec in value) + "]"
    if isinstance(value, tuple):
        return "[" + ", ".join(repr(part) for part in value) + "]"
    return str(value)
