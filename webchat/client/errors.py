"""Errors of the client.

ClientError
├── Refused       the server answered with an error
├── Unreachable   it did not answer, for as long as the client is patient
└── InvalidEvent  its stream has an event that this client can't read
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from pydantic import ValidationError

from webchat.auth.answers import ErrorAnswer

Params = Mapping[str, str | int | float]


class ClientError(Exception):
    """Base of the client's errors."""


class Refused(ClientError):
    """The server's own sentence. code, params: see `deploy/errors.md`. cure: what to do about it.
    retry_after: seconds until it may be tried again, where the server says so."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        cure: str = "",
        params: Params | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{message} {cure}".strip())
        self.status = status
        self.code = code
        self.message = message
        self.cure = cure
        self.params = dict(params or {})
        self.retry_after = retry_after


class Unreachable(ClientError):
    """What was sent may have been carried out: the same client key finds it."""


class InvalidEvent(ClientError):
    """The server, or something in front of it, speaks another protocol."""


def refusal(answer: httpx.Response) -> Refused:
    """The error of an answer whose body was read."""
    after = answer.headers.get("retry-after", "")
    seconds = float(after) if after.isascii() and after.isdigit() else None
    try:
        told = ErrorAnswer.model_validate_json(answer.content, extra="ignore").error
    except ValidationError:
        # Something between here and there answered in the server's place.
        return Refused(
            answer.status_code, "http", f"The server answered {answer.status_code}.", "", {}, seconds
        )
    return Refused(answer.status_code, told.code, told.message, told.cure, told.params, seconds)
