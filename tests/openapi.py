"""The HTTP API as documents: OpenAPI, as FastAPI describes the methods of the table of routes, the types of
the page's modules, and the table of `deploy/api.md`."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from types import MethodType
from typing import Any, get_type_hints

from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.responses import Response

from tests.typescript import declarations, type_of
from webchat.api.reading import Member, Operator, SignedIn
from webchat.api.routes import TABLE, Row
from webchat.api.wire.base import Answer
from webchat.auth.answers import ErrorAnswer

_JSON = "application/json"
_NO_TYPES = ("string", "Record<string, unknown>")


@cache
def openapi() -> dict[str, Any]:
    routes = [_route(row) for row in _rows()]
    return get_openapi(title="webchat", version="1", routes=routes)


def openapi_json() -> str:
    return json.dumps(openapi(), ensure_ascii=False, indent=1) + "\n"


def wire_types() -> str:
    """The schemas as the page's modules import them."""
    head = (
        "// Every body, answer and event of the HTTP API, made from `webchat/api/wire` by `make reference`."
    )
    types = [
        declarations(openapi()["components"]["schemas"]),
        _by_request("Answer", "The JSON that a request is answered with.", _answered),
        _by_request("Body", "The JSON that is sent with a request.", _taken),
    ]
    return f"{head}\n\n" + "\n".join(types)


def routes() -> Iterator[list[str]]:
    """For each route: its method and path, what it takes, its answer, its own failures, the scope an API key
    needs, what it does."""
    for row in _rows():
        path = row.path.replace(":path}", "}").replace(":int}", "}")
        about = openapi()["paths"][path][row.method.lower()]
        queries = [one["name"] for one in about.get("parameters", ()) if one["in"] == "query"]
        takes = [f"`{_schema(about['requestBody'])}`"] if "requestBody" in about else []
        takes += [f"`?{'&'.join(queries)}`"] if queries else []
        does = " ".join(about.get("description", "").split())
        hints = get_type_hints(row.endpoint, include_extras=True).values()
        for hint, only in (
            (Operator, "Operators only."),
            (Member, "Members and operators only."),
            (SignedIn, "Only for people who signed in."),
        ):
            does = f"{only} {does}".strip() if hint in hints else does
        fails = ", ".join(map(str, _failures(row, about)))
        key = "" if row.key is None else f"`{row.key}`"
        yield [f"`{row.method} {path}`", " ".join(takes), _answer(about["responses"]), fails, key, does]


def _failures(row: Row, about: dict[str, Any]) -> list[int]:
    """The statuses of failures that follow from what the route takes, in order."""
    hints = get_type_hints(row.endpoint, include_extras=True).values()
    places = {one["in"] for one in about.get("parameters", ())}
    found = {
        400: "query" in places,
        404: "path" in places or not {Operator, Member, SignedIn}.isdisjoint(hints),
        415: "requestBody" in about,
        422: "requestBody" in about,
        429: row.work is not None,
    }
    return [status for status, fails in found.items() if fails]


def _rows() -> Iterator[Row]:
    return (row for _, rows in TABLE for row in rows)


def _by_request(name: str, about: str, kind: Callable[[dict[str, Any]], str]) -> str:
    """A type by method and path. The first path that fits decides, so the most particular are first."""
    known = [
        (re.sub(r"{\w+}", "${string}", path.removeprefix("/")), method.upper(), kind(operation))
        for path, operations in openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    known.sort(key=lambda one: ("$" in one[0], -len(one[0])))
    lines = [
        f'  [M, P] extends ["{method}", `{path}`] ? {found} :\n' for path, method, found in known if found
    ]
    head = f"/** {about} */\nexport type {name}<M extends string, P extends string> =\n"
    return head + "".join(lines) + "  any;\n"


def _answered(operation: dict[str, Any]) -> str:
    """A file, or nothing, is no type."""
    (response,) = (found for status, found in operation["responses"].items() if status != "default")
    named = _schema(response) if _JSON in response.get("content", {}) else ""
    return "" if named in _NO_TYPES else named


def _taken(operation: dict[str, Any]) -> str:
    return _schema(operation["requestBody"]) if "requestBody" in operation else ""


def _answer(responses: dict[str, Any]) -> str:
    (status,) = responses.keys() - {"default"}
    if "content" not in responses[status]:
        return status
    ((media, _),) = responses[status]["content"].items()
    named = _schema(responses[status])
    known = named not in _NO_TYPES
    parts = [status, f"`{named}`" if known else "", "" if known and media == _JSON else media]
    return " ".join(filter(None, parts))


def _schema(holder: dict[str, Any]) -> str:
    ((_, content),) = holder["content"].items()
    return type_of(content["schema"])


def _route(row: Row) -> APIRoute:
    answers = row.answers or get_type_hints(row.endpoint).get("return")
    known = answers if inspect.isclass(answers) and issubclass(answers, Answer) else None

    class Content(JSONResponse if known else Response):  # type: ignore[misc]
        media_type = row.media

    # FastAPI takes the method as it is bound to its handlers; it is never called.
    endpoint = MethodType(row.endpoint, row)
    error: dict[str, Any] = {"description": "The request was not carried out."}
    responses: dict[int | str, dict[str, Any]] = {"default": error}
    if known is None and row.media == _JSON and row.status == 200:
        responses[200] = {"content": {_JSON: {"schema": {"type": "object"}}}}
    if row.media == _JSON:
        error["model"] = ErrorAnswer
    else:
        error["content"] = {_JSON: {"schema": {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}}}
    return APIRoute(
        row.path,
        endpoint,
        methods=[row.method],
        operation_id=row.endpoint.__qualname__.replace(".", "_").lower(),
        status_code=row.status,
        response_model=known,
        response_class=Content,
        response_description=inspect.getdoc(known) or "" if known else "",
        responses=responses,
    )
