"""The one place where exceptions become answers. An exception's own text reaches the page only if it was
written for it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from backends.errors import BackendError, ExplainedError, Params
from webchat.auth import error_answer, unknown_error_answer
from webchat.auth.failures import failure_answer
from webchat.store.errors import BadCursor, StoreError
from webchat.store.records import Owner
from webchat.turns.errors import failure_of

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


class ApiError(ExplainedError):
    """An error of the HTTP API itself."""

    def __init__(
        self, status: int, code: str, message: str, cure: str = "", params: Params | None = None
    ) -> None:
        super().__init__(message, cure, params)
        self.status = status
        self.code = code


def not_found() -> ApiError:
    """Does not exist, or belongs to someone else: the answer never tells which."""
    return ApiError(404, "not_found", "There is nothing at this address.", "It may have been deleted.")


def answer_to(error: Exception, reader: Owner | None) -> Response:
    """The answer for an exception, as `reader` may see it. An unknown one is logged under an ID, and only the
    ID is reported."""
    match error:
        case BackendError() | StoreError() if not isinstance(error, BadCursor):
            return failure_answer(error.status, failure_of(error), reader)
        case ExplainedError():
            return error_answer(error.status, error.code, error.message, error.cure, error.params)
        case HTTPException():
            return error_answer(error.status_code, "bad_request", "The request is not valid.")
        case _:
            return unknown_error_answer(error)


def invalid(error: ValidationError) -> ApiError:
    """Names the first invalid field and what is wrong with it, never the value sent. An answer of ours that
    does not match its model is not the client's fault."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:100]
    return ApiError(
        422,
        "invalid",
        f"The request is not valid: {field or 'body'}: {first['msg']}."[:300],
        "Reload the page and try again.",
        {"field": field, "reason": first["type"]},
    )


def answering(endpoint: Endpoint) -> Endpoint:
    """An endpoint that turns its exceptions into answers."""

    @functools.wraps(endpoint)
    async def guarded(request: Request) -> ASGIApp:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return answer_to(error, getattr(request.state, "owner", None))

    return guarded
