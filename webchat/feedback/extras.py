"""Packages that only feedback needs."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from backends.installation import add_extra


class ExtraMissing(Exception):
    """A package is not installed. The message is one sentence that names the command to install it."""


def extra(package: str, name: str, why: str) -> Any:
    """A package of the extra `name`. why: what needs it, such as "Win rates". Raises ExtraMissing."""
    check_extra(package, name, why)
    return import_module(package)


def check_extra(package: str, name: str, why: str) -> None:
    """The same without importing it: some take seconds. Raises ExtraMissing."""
    if find_spec(package) is None:
        raise ExtraMissing(f"{why} needs the package {package}. Install with: {add_extra(name)}")
