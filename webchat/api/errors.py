"""One place where exceptions become answers. No exception's own text reaches the page unless it was written
for it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from backends.errors import BackendError
from webchat.auth import error_answer, unknown_error_answer
from webchat.auth.failures import failure_answer
from webchat.prompts.errors import TemplateError
from webchat.sharing import LinkError
from webchat.slots import Crowded
from webchat.store.errors import (
    BadCursor,
    NotFound,
    StoreError,
    StoreUnavailable,
    TemplateChanged,
    TooManyVersions,
)
from webchat.store.records import Owner
from webchat.turns import TurnError
from webchat.turns.errors import failure_of

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[ASGIApp]]

_BACKEND_STATUS = {
    "unavailable": 503,
    "loading": 503,
    "timeout": 504,
    "rate_limited": 429,
    "auth_failed": 502,
    "bad_request": 400,
    "bad_proxy": 502,
    "chat_template_broken": 422,
    "context_too_long": 400,
    "model_gone": 409,
    "model_not_found": 404,
    "model_unclear": 409,
    "server_gone": 409,
    "model_unsupported": 400,
    "out_of_memory": 503,
    "bad_response": 502,
}

_STORE_STATUS = {NotFound: 404, TemplateChanged: 409, TooManyVersions: 409, StoreUnavailable: 503}


class ApiError(Exception):
    """A refusal with a sentence for the person at the screen, and the HTTP status that says the same."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        cure: str = "",
        params: dict[str, str | int | float] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.cure = cure
        self.params = params or {}


def not_found() -> ApiError:
    """Not there, or not theirs: nobody learns which."""
    return ApiError(404, "not_found", "There is nothing at this address.", "It may have been deleted.")


def answer_to(error: Exception, reader: Owner | None) -> Response:
    """The answer an exception stands for, as `reader` may read it. An unknown one is logged under an id,
    and only the id is told."""
    match error:
        case ApiError():
            return error_answer(error.status, error.code, error.message, error.cure, error.params)
        case TurnError():
            return error_answer(error.status, error.code, error.message, error.cure, error.params)
        case BadCursor():
            return error_answer(400, error.code, error.message, error.cure, {"field": "cursor"})
        case StoreError():
            return store_answer(error, reader)
        case BackendError():
            status = _BACKEND_STATUS.get(error.code, 502)
            return failure_answer(status, failure_of(error), reader)
        case TemplateError():
            return error_answer(422, error.code, error.message, error.cure, error.params)
        case Crowded():
            return error_answer(429, error.code, error.message, error.cure)
        case LinkError():
            return error_answer(error.status, error.code, error.message, error.cure, error.params)
        case ValidationError():
            return _invalid(error)
        case HTTPException():
            return error_answer(error.status_code, "bad_request", "The request is not valid.")
        case _:
            return unknown_error_answer(error)


def store_answer(error: StoreError, reader: Owner | None) -> Response:
    status = next((code for kind, code in _STORE_STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500:
        log.error("the store failed: %s", error)
    return failure_answer(status, failure_of(error), reader)


def _invalid(error: ValidationError) -> Response:
    """Names the first field that is wrong and what is wrong with it, never the value that was sent."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:100]
    return error_answer(
        422,
        "invalid",
        f"The request is not valid: {field or 'body'}: {first['msg']}."[:300],
        "Reload the page and try again.",
        {"field": field, "reason": first["type"]},
    )


def answering(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose exceptions are answers."""

    @functools.wraps(endpoint)
    async def guarded(request: Request) -> ASGIApp:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return answer_to(error, getattr(request.state, "owner", None))

    return guarded
