"""What can go wrong at a backend, as a tree.

    BackendError
    ├── Unavailable          cannot be reached, or is not running          (retryable)
    │   ├── Loading          still loads its model; `seconds` it says      (retryable)
    │   └── EngineFailed     the engine in this process broke and restarts (retryable)
    ├── Timeout              did not answer in time                        (retryable)
    ├── RateLimited          refuses for now; `retry_after` seconds        (retryable)
    ├── AuthFailed           the key is missing or wrong
    ├── BadRequest           the request is not understood
    │   ├── ContextTooLong   the conversation does not fit the window
    │   ├── BadChatTemplate  a chat template that was given does not work; `line`
    │   └── BadProxy         a variable of the environment names a proxy that cannot be used
    ├── ModelNotFound        no model of that name or at that place
    ├── ModelUnsupported     found, but not a chat model / refused on purpose / needs a package
    ├── OutOfMemory          the model or this request does not fit
    └── BadResponse          the endpoint broke the protocol               (retryable)

The trees of other packages grow from `ExplainedError` too.
"""

from __future__ import annotations

from collections.abc import Mapping

Params = Mapping[str, str | int | float]


class ExplainedError(Exception):
    """An error raised on purpose, with words for the person at the screen: `message` says what happened and
    `cure` what to do next. Neither holds a secret, a stack trace or raw markup from a server.

    code: the stable name that interfaces translate by; `params` are the values of that translation. status:
    the HTTP status that says the same. A kind whose words never change has them as class attributes.
    """

    code: str = "internal"
    status: int = 500
    message: str = ""
    cure: str = ""

    def __init__(self, message: str = "", cure: str = "", params: Params | None = None) -> None:
        self.message = message or self.message
        self.cure = cure or self.cure
        self.params: Params = dict(params or {})
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".strip()


class BackendError(ExplainedError):
    """Base of everything a backend raises on purpose."""

    code = "backend_error"
    status = 502
    retryable = False


class Unavailable(BackendError):
    """The model's server cannot be reached, or the engine is not running."""

    code = "unavailable"
    status = 503
    retryable = True


class Loading(Unavailable):
    """The model's server runs and still loads the model. `seconds` are what it says that takes, `None` when
    it says nothing."""

    code = "loading"

    def __init__(self, message: str, *, cure: str = "", seconds: float | None = None) -> None:
        super().__init__(message, cure, {} if seconds is None else {"seconds": seconds})
        self.seconds = seconds


class EngineFailed(Unavailable):
    """The engine in this process broke while it wrote; it starts again by itself."""

    code = "engine_failed"
    status = 502


class Timeout(BackendError):
    """Nothing came within the time set for connecting, the first token, or the next token."""

    code = "timeout"
    status = 504
    retryable = True


class RateLimited(BackendError):
    """Refused for now. `retry_after` is in seconds, `None` when the endpoint did not say."""

    code = "rate_limited"
    status = 429
    retryable = True

    def __init__(self, message: str, *, cure: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, cure, {} if retry_after is None else {"retry_after": retry_after})
        self.retry_after = retry_after


class AuthFailed(BackendError):
    """The endpoint refused the key, or wants one."""

    code = "auth_failed"


class BadRequest(BackendError):
    """The endpoint or engine does not accept this request."""

    code = "bad_request"
    status = 400


class ContextTooLong(BadRequest):
    """Prompt and reply do not fit the context window."""

    code = "context_too_long"


class BadChatTemplate(BadRequest):
    """A chat template cannot be read, or fails on a conversation. `line` counts from 1, `None` where it is
    not known; `said` is what the engine says of it."""

    code = "chat_template_broken"
    status = 422
    cure = "Correct the chat template."

    def __init__(self, said: str, line: int | None = None) -> None:
        said = said.strip().rstrip(".")[:300]
        where = "" if line is None else f"Line {line}: "
        params: dict[str, str | int | float] = {"said": said}
        if line is not None:
            params["line"] = line
        super().__init__(f"{where}{said}.", params=params)
        self.said = said
        self.line = line


class BadProxy(BadRequest):
    """The variable that names the proxy on the way to an endpoint cannot be read."""

    code = "bad_proxy"
    status = 502

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(
            f"The variable {variable} cannot be used: {why}.",
            cure=f"Set {variable} to a proxy like http://host:8080 or socks5://host:1080, or unset it.",
            params={"variable": variable},
        )
        self.variable = variable


class ModelNotFound(BackendError):
    """No such model at this endpoint, hub or path."""

    code = "model_not_found"
    status = 404


class ModelUnsupported(BackendError):
    """The model is there but cannot be used as a chat model here; the cure says why and what helps."""

    code = "model_unsupported"
    status = 400


class OutOfMemory(BackendError):
    """The model, or this request, does not fit into memory."""

    code = "out_of_memory"
    status = 503


class BadResponse(BackendError):
    """The endpoint answered something that is not the protocol."""

    code = "bad_response"
    retryable = True
