"""Five kinds of functions that answer, for the contract suite. Each says its question back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from backends.types import Event, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from backends.words import tokens

History = list[dict[str, Any]]


def at_once(message: str, history: History) -> str:
    """Sync, the whole reply."""
    return message


async def awaited(message: str, history: History) -> str:
    """Async, the whole reply."""
    await asyncio.sleep(0.001)
    return message


def cumulative(message: str, history: History) -> Iterator[str]:
    """The reply so far, a word more each time."""
    said = ""
    for word in tokens(message):
        time.sleep(0.0005)
        said += word
        yield said


async def events(message: str, history: History) -> AsyncIterator[Event]:
    """Typed events."""
    yield ReasoningDelta("Let me see.")
    for word in tokens(message):
        await asyncio.sleep(0.0005)
        yield TextDelta(word)
    yield ToolCallDelta(0, "call", "look", "{}")
    yield Usage(len(tokens(message)), len(tokens(message)) + 4)


def stubborn(message: str, history: History) -> Iterator[str]:
    """Slow, and goes on when it is told to close."""
    said = ""
    for word in tokens(message):
        said += word
        try:
            time.sleep(0.002)
            yield said
        except GeneratorExit:
            time.sleep(0.05)
            yield said + " and more"
