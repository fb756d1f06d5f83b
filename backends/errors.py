"""What can go wrong at a backend, as a tree.

    BackendError
    ├── Unavailable          cannot be reached, or is not running          (retryable)
    │   ├── Loading          still loading its model; `seconds` if known   (retryable)
    │   └── EngineFailed     the engine failed and is restarting           (retryable)
    ├── Timeout              did not answer in time                        (retryable)
    ├── RateLimited          refuses for now; `retry_after` seconds        (retryable)
    ├── AuthFailed           the key is missing or wrong
    ├── BadRequest           the request is not accepted
    │   ├── ContextTooLong   the conversation does not fit the window
    │   ├── BadChatTemplate  a given chat template has an error; `line`
    │   └── BadProxy         a variable of the environment names a proxy that cannot be used
    ├── ModelNotFound        no model of that name or at that place
    ├── ModelUnsupported     found, but not a chat model, refused on purpose, or needs a package
    ├── OutOfMemory          the model or this request does not fit
    ├── BadResponse          the endpoint violated the protocol            (retryable)
    └── FunctionFailed       a Python function raised an exception         (retryable)
        ├── FunctionAnswer   returned something that is no reply
        └── FunctionRewrote  changed text that was shown already

The trees of other packages grow from `ExplainedError` too.
"""

from __future__ import annotations

from collections.abc import Mapping

Params = Mapping[str, str | int | float]


class ExplainedError(Exception):
    """An error raised on purpose, with text for the person at the screen: `message` says what happened and
    `cure` what to do next. Neither contains a secret, a stack trace or raw markup from a server.

    code: the stable name by which interfaces translate it; `params` are the values in the translation.
    status: the matching HTTP status. A class whose text never changes has them as class attributes.
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
    """Base of all errors a backend raises on purpose."""

    code = "backend_error"
    status = 502
    retryable = False


class Unavailable(BackendError):
    """The model's server cannot be reached, or the engine is not running."""

    code = "unavailable"
    status = 503
    retryable = True


class Loading(Unavailable):
    """The model's server is running and still loading the model. `seconds` is the server's estimate, `None`
    if it gives none."""

    code = "loading"

    def __init__(self, message: str, *, cure: str = "", seconds: float | None = None) -> None:
        super().__init__(message, cure, {} if seconds is None else {"seconds": seconds})
        self.seconds = seconds


class EngineFailed(Unavailable):
    """The engine in this process failed while generating; it restarts on its own."""

    code = "engine_failed"
    status = 502


class Timeout(BackendError):
    """Nothing arrived within the time limit for connecting, the first token, or the next token."""

    code = "timeout"
    status = 504
    retryable = True


class RateLimited(BackendError):
    """Refused for now. `retry_after` is in seconds, `None` if the endpoint gave none."""

    code = "rate_limited"
    status = 429
    retryable = True

    def __init__(self, message: str, *, cure: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, cure, {} if retry_after is None else {"retry_after": retry_after})
        self.retry_after = retry_after


class AuthFailed(BackendError):
    """The endpoint rejected the key, or requires one."""

    code = "auth_failed"


class BadRequest(BackendError):
    """The endpoint or engine does not accept this request."""

    code = "bad_request"
    status = 400


class ContextTooLong(BadRequest):
    """Prompt and reply do not fit the context window."""

    code = "context_too_long"


class BadChatTemplate(BadRequest):
    """A chat template cannot be parsed, or fails on a conversation. `line` counts from 1, `None` if unknown;
    `said` is the engine's message."""

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
    """The variable that names the proxy for an endpoint cannot be parsed."""

    code = "bad_proxy"
    status = 502

    def __init__(self, variable: str, why: str) -> None:
        super().__init__(
            f"The variable {variable} cannot be used: {why}.",
            cure=f"Set {variable} to a proxy such as http://host:8080 or socks5://host:1080, or unset it.",
            params={"variable": variable},
        )
        self.variable = variable


class ModelNotFound(BackendError):
    """No such model at this endpoint, hub or path."""

    code = "model_not_found"
    status = 404


class ModelUnsupported(BackendError):
    """The model exists but cannot be used for chat here; the cure says why and what to do."""

    code = "model_unsupported"
    status = 400


class OutOfMemory(BackendError):
    """The model, or this request, does not fit into memory."""

    code = "out_of_memory"
    status = 503


class BadResponse(BackendError):
    """The endpoint's answer violates the protocol."""

    code = "bad_response"
    retryable = True


class FunctionFailed(BackendError):
    """The Python function that answers raised an exception; the log has it with its file and line."""

    code = "function_failed"
    status = 502
    retryable = True


class FunctionAnswer(FunctionFailed):
    """The function returned or yielded something that is no reply."""

    code = "function_answer"
    retryable = False


class FunctionRewrote(FunctionFailed):
    """The function yielded a text that does not begin with the text that was shown already."""

    code = "function_rewrote"
    retryable = False
