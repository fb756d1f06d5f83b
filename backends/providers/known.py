"""The presets: what a name given in place of an endpoint's URL means."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Provider:
    """One of `providers.toml`, whose head explains the fields."""

    name: str
    title: str
    url: str
    key: str = ""
    leave_out: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    owned_by: str = ""


@cache
def providers() -> Mapping[str, Provider]:
    """All of them by name, in the order of the file."""
    table = tomllib.loads(files("backends.providers").joinpath("providers.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: _read(name, row) for name, row in table.items() if isinstance(row, dict)})


def provider_named(text: str) -> Provider | None:
    """The provider of a name, in any case."""
    return providers().get(text.strip().lower())


def provider_at(url: str) -> Provider | None:
    """The provider with this base URL; of several servers on one port the first."""
    wanted = url.rstrip("/")
    return next((one for one in providers().values() if one.url == wanted), None)


def nearest(text: str) -> str | None:
    """The name that a misspelt one probably means."""
    close = difflib.get_close_matches(text.strip().lower(), list(providers()), n=1)
    return close[0] if close else None


def _read(name: str, row: Mapping[str, object]) -> Provider:
    lists = {field: tuple(value) for field, value in row.items() if isinstance(value, list)}
    return Provider(name, **{**row, **lists})  # type: ignore[arg-type]  # the tests check the file
