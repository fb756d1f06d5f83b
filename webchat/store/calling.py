"""Calling verbs from asynchronous code, for those who name the parts of the store that they need."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Calls(Protocol):
    """A store that runs its verbs without blocking the event loop."""

    async def call(self, verb: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
