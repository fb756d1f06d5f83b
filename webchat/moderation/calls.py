"""Tool calls on their way through the gate: held until complete, then checked as texts of their own.

A call's name and every text in its arguments, decoded from JSON so that no escape hides anything, are checked
together, one per line. If something in it has to change, each text is checked separately and put back.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from backends.types import ToolCallDelta
from webchat.moderation.verdicts import Blocked, Verdict

Check = Callable[[str, bool], Awaitable[str]]
"""The check of a whole text; true: without reporting findings. Raises `Blocked`."""

UNSETTLED = "moderation.tool-call"
SENTENCE = "This tool call is not allowed here."


@dataclass(slots=True)
class _Call:
    """The received part of one call."""

    id: str | None = None
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class _Object(list[Any]):
    """The pairs of a JSON object, including duplicate keys."""


class _Number(str):
    """A number as it was written."""


class Calls:
    """The calls of one reply."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}

    def add(self, delta: ToolCallDelta) -> None:
        """Add the next piece of a call."""
        call = self._calls.setdefault(delta.index, _Call())
        call.id = call.id or delta.id
        call.name += delta.name or ""
        call.arguments.append(delta.arguments)

    async def release(self, check: Check) -> list[ToolCallDelta]:
        """All calls, complete, in the form in which they may be stored; they stay until all were checked.
        Raises `Blocked`."""
        whole = [
            ToolCallDelta(index, call.id, call.name or None, "".join(call.arguments))
            for index, call in sorted(self._calls.items())
        ]
        checked = [await _checked(call, check) for call in whole]
        self._calls.clear()
        return checked


async def _checked(call: ToolCallDelta, check: Check) -> ToolCallDelta:
    arguments = _parsed(call.arguments)
    said = "\n".join(_texts([call.name or "", arguments]))
    if await check(said, False) == said:
        return call
    name = await check(call.name or "", True)
    changed = await _changed(arguments, check)
    rest = "\n".join(_texts([name, changed]))
    if await check(rest, True) != rest:
        # It is in no single text, so nothing can be put in its place.
        raise Blocked(Verdict(UNSETTLED, SENTENCE))
    if changed == arguments:
        return replace(call, name=name or None)
    written = changed if isinstance(changed, str) else _written(changed)
    return replace(call, name=name or None, arguments=written)


def _parsed(arguments: str) -> Any:
    """The value, or the text itself if it is not a JSON object or list."""
    try:
        value = json.loads(
            arguments,
            object_pairs_hook=_Object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, list) else arguments


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


async def _changed(value: object, check: Check) -> Any:
    if isinstance(value, _Object):
        return _Object([(await _changed(key, check), await _changed(one, check)) for key, one in value])
    if isinstance(value, list):
        return [await _changed(part, check) for part in value]
    if isinstance(value, str):
        text = await check(value, True)
        return value if text == value else text
    return value


def _written(value: object) -> str:
    if isinstance(value, _Object):
        pairs = [f"{json.dumps(key, ensure_ascii=False)}: {_written(one)}" for key, one in value]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_written(part) for part in value) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
