"""Reads values of JSON that nobody has checked: whatever is there, the answer has the type that is asked
for."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

Object = Mapping[str, Any]

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_HUMAN = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@ ?(\d{1,2})h ?(\d{1,2})m(?: ?(\d{1,2})s)?(?: ?(\d{1,3})ms)?"
)
_FORMATS = ("%B %d, %Y %I:%M%p", "%b %d, %Y %I:%M%p", "%Y/%m/%d %H:%M:%S", "%Y-%m-%dT%H-%M-%S")


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def named(value: object) -> str:
    """An id or name: a text, or a number as one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:.0f}" if abs(value) < 1 << 64 else ""
    return text(value)


def mapping(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def objects(value: object) -> list[Object]:
    return [one for one in sequence(value) if isinstance(one, dict)]


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def moment(value: object) -> datetime | None:
    """A time, from seconds, milliseconds, micro- or nanoseconds since 1970, or one of the texts that products
    write; in UTC where it names no zone. `None` for anything else, and for times that no chat can have."""
    while isinstance(value, dict):  # as MongoDB writes it
        value = value.get("$date", value.get("$numberLong"))
    seconds = number(value)
    if seconds is None and isinstance(value, str):
        seconds = _seconds(value)
    if seconds is not None:
        for _ in range(3):
            seconds = seconds / 1000 if abs(seconds) > 1e11 else seconds
        found = datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 1e10 else None
    else:
        found = _written(value.strip()[:64]) if isinstance(value, str) else None
    return found if found is not None and _EARLIEST <= found <= _LATEST else None


def _seconds(value: str) -> float | None:
    return float(value) if re.fullmatch(r"\d{9,19}(\.\d{1,9})?", value) else None


def _written(value: str) -> datetime | None:
    found = None
    if human := _HUMAN.match(value):
        year, month, day, hour, minute, second, thousandths = (int(part or 0) for part in human.groups())
        try:
            return datetime(year, month, day, hour, minute, second, thousandths * 1000, UTC)
        except ValueError:
            return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        for form in _FORMATS:
            try:
                found = datetime.strptime(value, form)
                break
            except ValueError:
                continue
    if found is None:
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def chosen(value: Object, *keys: str) -> dict[str, Any]:
    """These fields, where they hold anything."""
    return {key: value[key] for key in keys if value.get(key) not in (None, "", [], {})}


def digest(*parts: object) -> str:
    """What identifies something that has no id of its own."""
    whole = json.dumps(parts, ensure_ascii=True, sort_keys=True, default=str)
    return sha256(whole.encode()).hexdigest()


def fenced(content: str, language: str = "") -> str:
    """A text as a code block, whatever backticks it has."""
    longest = max((len(run) for run in re.findall(r"`{3,}", content)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def attached(names: Sequence[str]) -> str:
    """Attachments that cannot come along, as the end of a message's text: named, so that it can be
    understood."""
    return "\n".join(f"📎 {name}" for name in names if name)


def joined(*parts: str) -> str:
    """Paragraphs of what is there. Empty lines at the beginning and the end stay as they are."""
    first, *rest = [part for part in parts if part.strip()] or [""]
    if not rest:
        return first
    inside = (part.strip("\n") for part in rest[:-1])
    return "\n\n".join((first.rstrip("\n"), *inside, rest[-1].lstrip("\n")))


def arguments_of(value: object) -> str:
    """The arguments of a tool call as text; products keep them as text or as a value."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def strings_of(value: object) -> Iterator[str]:
    """Every text in a JSON value, names of fields included, in order."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if one:
                yield one
        elif isinstance(one, Mapping):
            waiting.extend(reversed([part for pair in one.items() for part in pair]))
        elif isinstance(one, list | tuple):
            waiting.extend(reversed(one))


def with_strings(value: object, texts: Mapping[str, str]) -> Any:
    """The value with others in the place of these texts. As deep as `entries` lets a value be."""
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, Mapping):
        return {texts.get(key, key): with_strings(one, texts) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(with_strings(one, texts) for one in value)
    return value
