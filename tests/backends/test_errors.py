"""Every way of failing has one of our errors, with words for a person."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.http_exceptions import HttpProcessingError

from backends import errors
from backends.errors import (
    AuthFailed,
    BackendError,
    BadRequest,
    BadResponse,
    ContextTooLong,
    Loading,
    ModelNotFound,
    ModelUnsupported,
    OutOfMemory,
    RateLimited,
    Timeout,
    Unavailable,
)
from backends.openai_compat.client import from_network
from backends.openai_compat.limits import SAID_CHARS
from backends.openai_compat.refusals.errors import error_in, from_status, seconds_of, shown


def tree(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


def mapped(status: int, body: object, **headers: str) -> BackendError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_status(status, headers, raw, key="sk-secret-of-mine", place="host:1")


def test_codes_are_unique_and_the_docstring_draws_the_whole_tree() -> None:
    ours = [kind for kind in tree(BackendError) if kind.__module__ == "backends.errors"]
    assert len({kind.code for kind in ours}) == len(ours)  # type: ignore[attr-defined]
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in ours)


def test_every_error_with_words_for_people_is_of_one_family() -> None:
    for package in ("backends", "webchat"):
        for path in (Path(errors.__file__).parents[1] / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if not re.search(r"^ *class \w+\([^)]*\bException\b", source, re.MULTILINE):
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.ClassDef) and "Exception" in map(ast.unparse, node.bases):
                    words = "cure" in re.findall(r"\w+", ast.unparse(node))
                    assert not words or node.name == "ExplainedError", f"{path}: {node.name}"


EXPECTED: dict[type[Exception], type[BackendError]] = {
    aiohttp.ClientConnectorCertificateError: Unavailable,
    aiohttp.ClientConnectorDNSError: Unavailable,
    aiohttp.ClientConnectorSSLError: Unavailable,
    aiohttp.ClientConnectionResetError: Unavailable,
    aiohttp.ClientHttpProxyError: Unavailable,
    aiohttp.ClientPayloadError: Unavailable,
    aiohttp.ClientProxyConnectionError: Unavailable,
    aiohttp.ServerDisconnectedError: Unavailable,
    aiohttp.client_exceptions.UploadAbortedError: Unavailable,
    aiohttp.ServerFingerprintMismatch: Unavailable,
    aiohttp.client_exceptions.UnixClientConnectorError: Unavailable,
    aiohttp.ConnectionTimeoutError: Timeout,
    aiohttp.SocketTimeoutError: Timeout,
    aiohttp.ContentTypeError: BadResponse,
    aiohttp.InvalidUrlRedirectClientError: BadRequest,
    aiohttp.NonHttpUrlRedirectClientError: BadRequest,
    aiohttp.TooManyRedirects: BadResponse,
    aiohttp.WSServerHandshakeError: BadResponse,
}


def test_every_exception_of_aiohttp_is_mapped_on_purpose() -> None:
    found = {kind for kind in tree(aiohttp.ClientError) if kind.__module__.partition(".")[0] == "aiohttp"}
    leaves = {kind for kind in found if not found.intersection(kind.__subclasses__())}
    assert leaves == EXPECTED.keys()


MORE: dict[type[Exception], type[BackendError]] = {
    **dict.fromkeys(tree(HttpProcessingError), BadResponse),
    OSError: Unavailable,
    RuntimeError: Unavailable,
    ValueError: BadRequest,
}


@pytest.mark.parametrize(("kind", "expected"), [*EXPECTED.items(), *MORE.items()])
def test_an_exception_of_aiohttp_becomes_ours(kind: type[Exception], expected: type[BackendError]) -> None:
    raised = kind.__new__(kind)
    Exception.__init__(raised, "secret detail")
    error = from_network(raised, place="host:1", connect=3)
    assert type(error) is expected
    assert error.cure
    assert "secret detail" not in str(error)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"error": {"message": "no key"}}, AuthFailed),
        (403, {"detail": "Forbidden"}, AuthFailed),
        (404, {"error": {"message": "The model `x` does not exist.", "code": 404}}, ModelNotFound),
        (404, {"error": {"message": "model 'x' not found, try pulling it first"}}, ModelNotFound),
        (400, {"error": {"message": "x is not a valid model", "code": "model_not_found"}}, ModelNotFound),
        (404, {"detail": "Not Found"}, BadRequest),
        (404, b"<html>nginx</html>", BadRequest),
        (429, {"error": {"message": "slow down"}}, RateLimited),
        (500, {"error": {"message": "boom"}}, Unavailable),
        (502, b"<html>Bad Gateway</html>", Unavailable),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error"}}, Loading),
        (504, b"", Timeout),
        (418, b"", BadRequest),
        (204, b"", BadResponse),
        (302, b"", BadResponse),
        (500, {"error": "CUDA out of memory. Tried to allocate 2 GiB"}, OutOfMemory),
        (500, {"error": "model requires more system memory (9 GiB) than is available (3 GiB)"}, OutOfMemory),
        (400, {"message": "you must provide a chat template", "object": "error"}, ModelUnsupported),
        (422, {"detail": [{"loc": ["body", "top_p"], "msg": "ensure this is less than 1"}]}, BadRequest),
    ],
)
def test_a_status_and_its_body_become_an_error(
    status: int, body: object, expected: type[BackendError]
) -> None:
    error = mapped(status, body)
    assert type(error) is expected
    assert error.message
    assert error.cure
    assert "html" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens. However, you requested 9000"
            }
        },
        {"error": {"message": "…", "code": "context_length_exceeded"}},
        {
            "error": {
                "message": "request (9 tokens) exceeds the available context size",
                "n_ctx": 4,
                "code": 400,
            }
        },
        {"error": {"message": "x", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}},
        {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"},
        {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}},
        {
            "message": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
            "code": 400,
        },
        [
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (9) exceeds the maximum number of tokens",
                }
            }
        ],
    ],
)
def test_common_ways_to_say_too_long_are_known(body: Any) -> None:
    assert isinstance(mapped(400, body), ContextTooLong)


def test_a_window_that_is_told_is_passed_on() -> None:
    body = {"error": {"message": "x", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}}
    assert mapped(400, body).params == {"tokens": 9, "limit": 4}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert seconds_of(header, datetime(2026, 10, 21, 7, 28, tzinfo=UTC)) == seconds


def test_retry_after_reaches_the_person() -> None:
    error = mapped(429, {}, **{"retry-after": "12"})
    assert isinstance(error, RateLimited)
    assert error.retry_after == 12
    assert "12 seconds" in error.cure
    assert error.params == {"retry_after": 12}


def test_what_a_server_says_is_made_fit_to_be_shown() -> None:
    assert shown("a <b onclick='x'>bold</b>\n\x1b[31mline", None) == "a bold [31mline"
    assert len(shown("x" * 5000, None)) == 300
    assert shown("key my-key and sk-abc123def and Bearer tok", "my-key") == "key *** and *** and ***"
    assert shown("<scr<script>ipt", None).count("<") == 0


@pytest.mark.parametrize(
    "chunk", [{"choices": []}, {"error": None, "choices": []}, {"error": {}}, {"id": "x"}]
)
def test_an_ordinary_chunk_is_no_error(chunk: dict[str, Any]) -> None:
    assert error_in(chunk, key=None) is None


def test_of_what_an_endpoint_says_the_beginning_is_looked_at_and_the_key_hidden_before_the_cut() -> None:
    key = "sk-secret-of-mine"
    assert isinstance(mapped(400, {"error": {"message": "x" * 5000 + " out of memory"}}), BadRequest)
    for at in range(SAID_CHARS - len(key), SAID_CHARS):
        said = shown("<a>" * (at // 3) + key, key)
        assert not any(key[:length] in said for length in range(4, len(key)))
