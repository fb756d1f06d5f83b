"""Reads the bodies of programs: leniently where nothing is lost, and naming the field that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from webchat.api.errors import ApiError
from webchat.api.v1.call import refused

MOST_IGNORED = 20
"""Names in the header that lists what was ignored."""


class Loose(BaseModel):
    """A part of a body. Unknown fields are allowed, and `null` is as good as absent; types are not
    converted."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


B = TypeVar("B", bound=Loose)

Allows = Callable[[Any], bool]


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises `ApiError`."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "invalid_json", f"The body is not valid JSON: {error}."[:300]) from None
    if not isinstance(found, dict):
        raise ApiError(400, "invalid_json", "The body has to be a JSON object.")
    return found


def validated(kind: type[B], body: Mapping[str, object]) -> B:
    """The body as its model. Raises `ApiError`, which names the first field that does not fit."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        name, kind_of, told = _first(error, body)
        raise ApiError(
            400,
            "missing_required_parameter" if kind_of == "missing" else "invalid_value",
            f"{name}: {told}"[:300] + ".",
            "",
            {"field": name},
        ) from None


def _first(error: ValidationError, body: Mapping[str, object]) -> tuple[str, str, str]:
    """Of the first field that does not fit: its name, and the type and sentence of its error. Of a field with
    alternatives, such as a text or a list, the one that the value comes closest to."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    places = [_place(one["loc"], body, missing=one["type"] == "missing") for one in errors]
    at = max(
        (at for at, place in enumerate(places) if place.startswith(places[0])),
        key=lambda at: (len(places[at]), not errors[at]["type"].endswith("_type")),
    )
    return places[at] or "body", errors[at]["type"], errors[at]["msg"]


def _place(steps: tuple[int | str, ...], body: object, *, missing: bool) -> str:
    """A place in a body, such as `messages[0].content`, without the steps by which pydantic tells the
    alternatives of a field apart. missing: the last step is a field that is not there."""
    name, at = "", body
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(step, int) and isinstance(at, list):
            name, at = f"{name}[{step}]", at[step] if step < len(at) else None
        elif isinstance(step, str) and isinstance(at, dict) and (step in at or (missing and last)):
            name, at = f"{name}.{step}" if name else step, at.get(step)
    return name[:100]


def check_unsupported(body: Mapping[str, object], fields: Mapping[str, Allows]) -> None:
    """Refuse the fields that would change what the answer is. fields: each with the values that ask for
    nothing. Raises `ApiError`."""
    for name, allows in fields.items():
        value = body.get(name)
        if value is not None and not allows(value):
            raise refused(name, "this server does not support it.", "Leave it out.")


def ignored_in(
    body: Mapping[str, object], kind: type[Loose], *, but: frozenset[str] = frozenset()
) -> list[str]:
    """Fields that were sent and that the model of the body does not know. but: others that are no matter."""
    known = {field.alias or name for name, field in kind.model_fields.items()}
    return sorted(
        name for name, value in body.items() if value is not None and name not in known and name not in but
    )


def ignored_below(items: object, kind: type[Loose], name: str) -> Iterator[str]:
    """The same for the objects of a list, such as `messages[].name`."""
    found: set[str] = set()
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            found.update(ignored_in(item, kind))
    return (f"{name}[].{field}" for field in sorted(found))


def header_of(ignored: tuple[str, ...]) -> dict[str, str]:
    """The response header that names what was ignored."""
    if not ignored:
        return {}
    plain = (name.encode("ascii", "replace").decode()[:60] for name in ignored[:MOST_IGNORED])
    clean = ("".join(char for char in name if char.isprintable() and char != ",") for name in plain)
    return {"x-webchat-ignored": ", ".join(clean)}
