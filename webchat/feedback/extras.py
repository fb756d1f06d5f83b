"""Packages that only feedback needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class ExtraMissing(Exception):
    """A package is not installed. The message is one sentence that names the command to install it."""


def extra(package: str, name: str, why: str) -> Any:
    """A package of the extra `name`. why: what needs it, such as "Win rates". Raises ExtraMissing."""
    try:
        return import_module(package)
    except ImportError:
        raise ExtraMissing(
            f"{why} needs the package {package}: pip install 'webchat-own-model[{name}]'."
        ) from None
