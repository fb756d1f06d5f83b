"""The settings in reading order, and their effective values with their sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from webchat.database_url import without_password
from webchat.settings.engine import EngineFields, SamplingFields
from webchat.settings.fields import Settings
from webchat.settings.load import Loaded, is_secret
from webchat.settings.monitoring import MonitoringFields
from webchat.settings.people import PeopleFields
from webchat.settings.proxied import ProxiedFields


def effective(loaded: Loaded) -> Iterator[str]:
    """One line per setting: `name = value  # source`. Never shows a secret."""
    lines = [(f"{name} = {_value(name, loaded)}", loaded.origin(name)) for name in field_order()]
    width = min(60, max(len(text) for text, _ in lines))
    for text, origin in lines:
        yield f"{text:<{width}}  # {origin}"


def field_order() -> list[str]:
    """The settings in reading order: the server's own, then the engine's, then sampling."""
    parts = (PeopleFields, ProxiedFields, MonitoringFields, EngineFields, SamplingFields)
    inherited = {name for part in parts for name in part.model_fields}
    own = [name for name in Settings.model_fields if name not in inherited]
    at = own.index("embed")
    return [
        *own[:at],
        *PeopleFields.model_fields,
        *ProxiedFields.model_fields,
        *own[at:],
        *MonitoringFields.model_fields,
        *EngineFields.model_fields,
        *SamplingFields.model_fields,
    ]


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
