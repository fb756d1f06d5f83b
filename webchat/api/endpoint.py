"""Makes a route handler from a method whose parameters declare what it takes, in FastAPI's notation.

    async def change(self, owner: Caller, id: PathId, body: ConversationBody) -> Conversation

FastAPI describes these methods in the OpenAPI document. It does not call them: it would read a whole body
before checking whose it is, and parse JSON less strictly. Here the parameters are checked in order.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

from fastapi import params
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from webchat.api.errors import Endpoint, not_found
from webchat.api.reading import bad_query, body_of, json_answer
from webchat.api.wire.base import Answer, Body

Method = Callable[..., Awaitable[Answer | ASGIApp | None]]
Read = Callable[[Request], object]


def endpoint(method: Method, handlers: object, status: int) -> Endpoint:
    """status: of an answer that the method does not build itself."""
    reads = _reads(method)

    async def handler(request: Request) -> ASGIApp:
        values = {}
        for name, read in reads.items():
            value = read(request)
            values[name] = await value if inspect.isawaitable(value) else value
        answer = await method(handlers, **values)
        if isinstance(answer, Answer):
            return json_answer(answer, status)
        return Response(status_code=status) if answer is None else answer

    return handler


@cache
def _reads(method: Method) -> dict[str, Read]:
    """How each parameter is read; cached, because building it with pydantic is slow."""
    hints = get_type_hints(method, include_extras=True)
    taken = list(inspect.signature(method).parameters.values())[1:]
    return {one.name: _read(one, hints[one.name]) for one in taken}


def _read(parameter: inspect.Parameter, hint: type[object]) -> Read:
    if hint is Request:
        return lambda request: request
    if get_origin(hint) is not Annotated:
        assert isinstance(hint, type)
        assert issubclass(hint, Body)
        return lambda request: body_of(request, hint)
    info = get_args(hint)[-1]
    if isinstance(info, params.Depends):
        assert info.dependency is not None
        return info.dependency
    name = info.alias or parameter.name
    kind: TypeAdapter[object] = TypeAdapter(hint)
    if isinstance(info, params.Path):
        return _path(name, kind)
    return _query(name, get_args(hint)[0], kind, parameter.default)


def _path(name: str, kind: TypeAdapter[object]) -> Read:
    """Text that cannot be an id is an address where nothing exists."""

    def read(request: Request) -> object:
        try:
            return kind.validate_python(request.path_params[name])
        except ValidationError:
            raise not_found() from None

    return read


def _query(name: str, plain: object, kind: TypeAdapter[object], default: object) -> Read:
    many, choice = get_origin(plain) is list, get_origin(plain) is Literal

    def read(request: Request) -> object:
        asked = request.query_params.getlist(name)
        if not many and (not asked or (not asked[-1] and not choice)):
            return default
        if plain is int and not (asked[-1].isascii() and asked[-1].isdigit()):
            raise bad_query(name)
        try:
            return kind.validate_python(asked if many else asked[-1])
        except ValidationError:
            raise bad_query(name) from None

    return read
