"""Reads and validates requests before anything is done with them."""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeVar

from fastapi import Depends, Path, Query
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.responses import Response

from webchat.api.errors import ApiError, invalid, not_found
from webchat.api.wire.base import Answer, Body, Id
from webchat.auth.roles import permits
from webchat.store.people_records import Session
from webchat.store.records import Owner

B = TypeVar("B", bound=Body)


async def body_of(request: Request, kind: type[B]) -> B:
    """The request's JSON body. Only `application/json` is accepted, because a form on a foreign page cannot
    send it unasked. Raises `ApiError`."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(
            415,
            "not_json",
            "The request's body is not JSON.",
            "Send JSON with the header Content-Type: application/json.",
        )
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise invalid(error) from None


def owner_of(request: Request) -> Owner:
    """The owner the door let in. A route reached without one answers nobody."""
    owner = getattr(request.state, "owner", None)
    if not isinstance(owner, Owner) or not permits("owner", owner):
        raise ApiError(401, "no_owner", "This chat needs a link.", "Open the link you were given.")
    return owner


def operator_of(request: Request) -> Owner:
    """The same for operators; for anyone else it is as if nothing existed."""
    owner = owner_of(request)
    if not permits("operator", owner):
        raise not_found()
    return owner


def member_of(request: Request) -> Owner:
    """The same for members, and operators."""
    owner = owner_of(request)
    if not permits("member", owner):
        raise not_found()
    return owner


def guest_of(request: Request) -> Owner:
    """The same for guests of a tester link."""
    owner = owner_of(request)
    if owner.link is None or not permits("tester", owner):
        raise not_found()
    return owner


def session_of(request: Request) -> Session:
    """The session of somebody who signed in; for anyone else it is as if nothing existed."""
    session: Session | None = getattr(request.state, "session", None)
    if session is None or not permits("person", owner_of(request), session):
        raise not_found()
    return session


def language_of(request: Request) -> Literal["en", "zh-CN"]:
    """The requested language, else the browser's preference."""
    asked = request.query_params.get("language") or request.headers.get("accept-language", "")
    return "zh-CN" if asked.strip().lower().startswith("zh") else "en"


def bad_query(name: str) -> ApiError:
    return ApiError(
        400, "bad_request", f"The request is not valid: {name}.", "Reload the page.", {"field": name}
    )


Caller = Annotated[Owner, Depends(owner_of)]
Operator = Annotated[Owner, Depends(operator_of)]
Member = Annotated[Owner, Depends(member_of)]
Guest = Annotated[Owner, Depends(guest_of)]
SignedIn = Annotated[Session, Depends(session_of)]
Language = Annotated[Literal["en", "zh-CN"], Depends(language_of)]
PathId = Annotated[Id, Path()]
QueryId = Annotated[Id | None, Query()]
QueryText = Annotated[str, Query(max_length=500)]
Cursor = Annotated[str | None, Query(max_length=1000)]
"""Cursor of a listing. The store parses it, and raises `BadCursor`."""


def json_answer(answer: Answer, status: int = 200) -> Response:
    """A JSON answer that no cache keeps."""
    return Response(json_bytes(answer), status, {"cache-control": "no-store"}, media_type="application/json")


def json_bytes(answer: Answer) -> bytes:
    """A half of a surrogate pair, which UTF-8 has no bytes for, becomes `?`."""
    try:
        return answer.model_dump_json(by_alias=True).encode()
    except PydanticSerializationError:
        value = answer.model_dump(mode="json", by_alias=True)
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
