"""Endpoints that each take less than they are asked for, and say so in a way of their own.

`SERVERS` holds them: what is refused, in which words, envelope and type, and what is left out in the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.backends.hostile_server import DONE, USAGE, Answer, Asked, says, sse, status

Body = dict[str, Any]
Test = Callable[[Body], bool]


@dataclass(frozen=True, slots=True)
class Refuses:
    """When: whether a body is refused. answer: how."""

    when: Test
    answer: Answer


@dataclass(frozen=True, slots=True)
class Server:
    """The first of `refuses` that applies answers; else there is a reply. without: the fields that may not be
    in what is accepted in the end; every other field that was sent must be."""

    name: str
    refuses: Sequence[Refuses]
    without: frozenset[str]
    extra: int = 4  # requests beyond the first, at most

    def __call__(self, asked: Asked) -> Answer:
        return next((one.answer for one in self.refuses if one.when(asked.body)), reply(asked))


def reply(asked: Asked) -> Answer:
    """What a good endpoint answers, in pieces or whole."""
    if asked.body.get("stream"):
        return sse(says("OK then.", finish="stop"), USAGE, DONE)
    choice = {"index": 0, "message": {"role": "assistant", "content": "OK then."}, "finish_reason": "stop"}
    return status(200, json.dumps({"choices": [choice], "usage": USAGE["usage"]}).encode())


def has(*fields: str) -> Test:
    """Any of these fields."""
    return lambda body: any(field in body for field in fields)


def both(*fields: str) -> Test:
    return lambda body: all(field in body for field in fields)


def role(name: str) -> Test:
    return lambda body: any(message["role"] == name for message in body["messages"])


def not_in_turn(body: Body) -> bool:
    roles = [message["role"] for message in body["messages"]]
    return roles[0] != "user" or any(one == other for one, other in pairwise(roles))


def says_so(code: int, body: object, content_type: str = "application/json") -> Answer:
    """A refusal with this body: bytes or text as they are, anything else as JSON."""
    if isinstance(body, str):
        body = body.encode()
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return status(code, raw, content_type=content_type)


def openai(message: str, **more: Any) -> object:
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


def server(name: str, test: Test, answer: Answer, *without: str, extra: int = 4) -> Server:
    return Server(name, [Refuses(test, answer)], frozenset(without), extra)


def one(field: str, answer: Answer, name: str = "", extra: int = 1) -> Server:
    """A field that is named, or the only one that can be it."""
    return server(name or field, has(field), answer, field, extra=extra)


HTML = "<!DOCTYPE html><html><head><style>p{}</style></head><body><h1>Bad Request</h1></body></html>"
SERDE = (
    "Failed to deserialize the JSON body into the target type: unknown field `{}`, expected one of"
    " `messages`, `model`, `temperature`, `top_p` at line 1 column 90"
)
ONLY_DEFAULT = (
    "Unsupported value: '{}' does not support {} with this model. Only the default ({}) value is supported."
)

SERVERS: tuple[Server, ...] = (
    # One field, named
    one("stream_options", says_so(400, openai("Invalid parameter: stream_options")), "english"),
    one(
        "stream_options",
        says_so(400, {"error": {"message": "不支持参数 stream_options", "code": "1210"}}),
        "chinese",
    ),
    one("top_k", says_so(400, {"error": {"message": "参数top_k不支持"}}), "chinese without spaces"),
    one(
        "seed",
        says_so(400, {"error": {"message": "パラメータ「seed」はサポートされていません。"}}),
        "japanese",
    ),
    one("min_p", says_so(400, {"error": {"message": "Параметр min_p не поддерживается."}}), "russian"),
    one(
        "top_p",
        says_so(400, {"error": {"message": "Le paramètre « top_p » n'est pas pris en charge."}}),
        "french",
    ),
    one("stop", says_so(400, {"error": {"message": "المعامل stop غير مدعوم"}}), "arabic"),
    one("stream_options", says_so(422, SERDE.format("stream_options"), "text/plain"), "plain text"),
    one("repetition_penalty", says_so(422, SERDE.format("repetition_penalty"), "text/plain"), "serde's list"),
    one("top_k", says_so(400, openai("Unrecognized request argument supplied: top_k")), "openai's argument"),
    one(
        "temperature",
        says_so(
            400,
            openai(
                ONLY_DEFAULT.format("temperature", 0.5, 1),
                param="temperature",
                code="unsupported_value",
            ),
        ),
        "only a default",
    ),
    one(
        "min_p",
        says_so(
            422,
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "min_p"],
                        "msg": "Extra inputs are not permitted",
                        "input": 0.1,
                    }
                ]
            },
        ),
        "fastapi",
    ),
    one(
        "top_k",
        says_so(
            400,
            [
                {
                    "error": {
                        "code": 400,
                        "message": 'Invalid JSON payload received. Unknown name "top_k": Cannot find field.',
                        "status": "INVALID_ARGUMENT",
                        "details": [{"fieldViolations": [{"description": "Unknown name"}]}],
                    }
                }
            ],
        ),
        "gemini's list",
    ),
    one(
        "seed",
        says_so(
            400,
            {
                "error": {
                    "code": 400,
                    "message": "Provider returned error",
                    "metadata": {"raw": '{"error":"seed: unsupported"}', "provider_name": "x"},
                }
            },
        ),
        "a provider's error inside a router's",
    ),
    one("logprobs", says_so(400, {"error": {"error": {"message": "logprobs is not available"}}}), "nested"),
    one(
        "seed",
        says_so(400, {"code": 20015, "msg": "The parameter seed is invalid. Please check again."}),
        "msg",
    ),
    one(
        "top_k",
        says_so(400, {"base_resp": {"status_code": 2013, "status_msg": "invalid params, top_k"}}),
        "status_msg",
    ),
    one(
        "min_p",
        says_so(
            400, {"errors": [{"title": "Bad request", "source": {"pointer": "/min_p"}, "detail": "min_p"}]}
        ),
        "json api",
    ),
    one(
        "stop",
        says_so(
            400, "<html><body><h1>400</h1><p>Unknown field <code>stop</code></p></body></html>", "text/html"
        ),
        "a page that names it",
    ),
    one(
        "temperature",
        says_so(400, "topP ok, but Temperature is not configurable", "text/plain"),
        "camel case",
        extra=2,
    ),
    one(
        "top_k",
        says_so(200, {"error": {"message": "Unsupported parameter: top_k", "code": 400}}),
        "inside a 200",
    ),
    one(
        "top_k",
        sse({"error": {"message": "Unsupported parameter: top_k", "type": "invalid_request_error"}}),
        "inside a stream",
    ),
    one("seed", says_so(501, openai("seed is not implemented")), "501"),
    server(
        "completion tokens",
        has("max_tokens"),
        says_so(
            400,
            openai(
                "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            ),
        ),
        "max_tokens",
        extra=1,
    ),
    server(
        "no limit at all",
        has("max_tokens", "max_completion_tokens"),
        says_so(400, openai("unknown fields: max_tokens, max_completion_tokens")),
        "max_tokens",
        "max_completion_tokens",
        extra=2,
    ),
    # Roles
    server(
        "o1's role",
        role("system"),
        says_so(
            400,
            openai(
                "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                param="messages[0].role",
                code="unsupported_value",
            ),
        ),
        "system",
        extra=1,
    ),
    server(
        "user and assistant only",
        role("system"),
        says_so(
            400,
            {
                "object": "error",
                "message": "Only user and assistant roles are supported!",
                "type": "BadRequestError",
                "code": 400,
            },
        ),
        "system",
        extra=1,
    ),
    server(
        "a template's exception",
        role("system"),
        says_so(500, {"error": {"message": "template: System role not supported"}}),
        "system",
        extra=1,
    ),
    server(
        "alternation",
        not_in_turn,
        says_so(
            400,
            {
                "object": "error",
                "message": "Conversation roles must alternate user/assistant/user/assistant/...",
                "type": "BadRequestError",
                "code": 400,
            },
        ),
        "system",
        extra=1,
    ),
    server(
        "chinese roles",
        role("system"),
        says_so(400, {"error": {"code": "1214", "message": "messages 参数非法：不支持该角色"}}),
        "system",
        extra=1,
    ),
    server("a role, and nothing is said", role("system"), says_so(400, b""), "system"),
    # Streaming
    one(
        "stream",
        says_so(
            400,
            openai(
                ONLY_DEFAULT.format("stream", "true", "false"),
                param="stream",
                code="unsupported_value",
            ),
        ),
        "o1's stream",
    ),
    # Nothing is named
    one("stream_options", says_so(400, b""), "an empty body", extra=4),
    one("top_k", says_so(400, HTML, "text/html"), "a web page", extra=4),
    one("seed", says_so(422, {"error": "Bad Request"}), "two words", extra=4),
    one(
        "stop",
        says_so(400, {"error": {"message": "请求参数错误", "code": "InvalidParameter"}}),
        "chinese, unnamed",
        extra=4,
    ),
    one("stream", says_so(400, "null"), "null", extra=4),
    # Several
    server(
        "both samplings",
        both("temperature", "top_p"),
        says_so(
            400,
            {
                "error": {
                    "message": "`temperature` and `top_p` cannot both be specified for this model. Use one."
                }
            },
        ),
        "temperature",
        extra=1,
    ),
    Server(
        "two after one another",
        [
            Refuses(has("stream_options"), says_so(400, openai("Invalid parameter: stream_options"))),
            Refuses(role("system"), says_so(422, {"detail": "system role"})),
        ],
        frozenset({"stream_options", "system"}),
        2,
    ),
    Server(
        "one named, then one not",
        [
            Refuses(has("top_k"), says_so(400, openai("Unknown: top_k"))),
            Refuses(has("min_p"), says_so(422, b"")),
        ],
        frozenset({"top_k", "min_p"}),
        4,
    ),
    server(
        "two in one sentence",
        has("min_p", "top_k"),
        says_so(400, openai("Unrecognized request arguments supplied: min_p, top_k")),
        "min_p",
        "top_k",
        extra=3,
    ),
    Server(
        "four, one at a time",
        [
            Refuses(has(field), says_so(400, openai(f"Unsupported parameter: {field}")))
            for field in ("top_k", "min_p", "seed", "repetition_penalty")
        ],
        frozenset({"top_k", "min_p", "seed", "repetition_penalty"}),
        4,
    ),
    Server(
        "all the extras",
        [
            Refuses(
                has("min_p", "top_k", "repetition_penalty", "seed"),
                says_so(
                    400,
                    openai("Unrecognized request arguments supplied: min_p, top_k, repetition_penalty, seed"),
                ),
            )
        ],
        frozenset({"min_p", "top_k", "repetition_penalty", "seed"}),
        4,
    ),
)
