"""More endpoints that take less than they are asked for, beside those of `refusing`."""

from __future__ import annotations

from tests.backends.hostile_server import sse
from tests.backends.refusing import Refuses, Server, both, has, one, openai, role, says_so, server

UNEXPECTED = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}
NGINX = (
    "<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body><hr>nginx/1.24.0</body>\r\n</html>\r\n"
)
SPRING: dict[str, object] = {
    "timestamp": "2026-01-02T03:04:05",
    "status": 400,
    "error": "Bad Request",
    "path": "/v1/chat",
}
LITELLM = (
    'litellm.BadRequestError: OpenAIException - {"object":"error","message":"[{\'type\': \'extra_forbidden\','
    " 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not permitted', 'input': 40}]\"}"
)
ROLE = 'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter.'
SERDE = "Failed to deserialize the JSON body: logprobs: invalid type: boolean `true`, expected u32 at line 1"
JACKSON = 'JSON parse error: Unrecognized field "seed" (class ChatRequest), not marked as ignorable'


def told(message: str) -> dict[str, object]:
    return {"message": message}


MORE: tuple[Server, ...] = (
    server(
        "fastapi's list of two",
        has("top_k", "min_p"),
        says_so(422, {"detail": [UNEXPECTED | {"loc": ["body", name]} for name in ("top_k", "min_p")]}),
        "top_k",
        "min_p",
        extra=1,
    ),
    one(
        "logprobs",
        says_so(
            400,
            {
                "error": {
                    "code": "BadRequest",
                    "message": "See below",
                    "innererror": {"message": "logprobs not supported"},
                }
            },
        ),
        "azure's inner error",
    ),
    one(
        "top_k",
        says_so(400, told("Malformed input request: #: extraneous key [top_k] is not permitted")),
        "bedrock",
    ),
    server(
        "bedrock, both",
        both("temperature", "top_p"),
        says_so(400, told("`temperature` and `top_p` cannot both be specified for this model.")),
        "temperature",
        extra=1,
    ),
    server(
        "anthropic's role",
        role("system"),
        says_so(400, {"type": "error", "error": told(ROLE)}),
        "system",
        extra=1,
    ),
    one(
        "repetition_penalty",
        says_so(400, {"type": "error", "error": told("repetition_penalty: Extra inputs are not permitted")}),
        "anthropic's field",
    ),
    one("min_p", says_so(400, NGINX, "text/html"), "nginx", extra=4),
    one(
        "seed",
        says_so(
            400,
            {"title": "Your request is not valid.", "status": 400, "invalid-params": [{"name": "seed"}]},
            "application/problem+json",
        ),
        "problem+json",
    ),
    one("top_k", says_so(400, openai(LITELLM)), "json in a string"),
    one("stop", says_so(400, openai("매개변수 stop은(는) 지원되지 않습니다.")), "korean"),
    one("top_k", says_so(400, openai("top_k는 지원되지 않습니다")), "korean without spaces"),
    one("seed", says_so(400, {"hata": "'seed' parametresi desteklenmiyor"}), "turkish"),
    one("min_p", says_so(400, {"त्रुटि": "पैरामीटर min_p समर्थित नहीं है"}), "hindi"),
    one(
        "logprobs",
        says_so(400, {"fehler": "Die Anfrage enthält ein unbekanntes Feld."}),
        "german, unnamed",
        extra=4,
    ),
    one("stop", says_so(400, openai("stopSequences: not supported")), "camel case"),
    one(
        "max_tokens",
        says_so(400, {"errors": [{"pointer": "#/max_tokens", "detail": "not allowed"}]}),
        "a pointer",
    ),
    one("stream_options", says_so(400, 'json: unknown field "stream_options"\n', "text/plain"), "go"),
    one("logprobs", says_so(422, SERDE, "text/plain"), "a type of another"),
    one("seed", says_so(400, SPRING | told(JACKSON)), "java"),
    one("top_p", says_so(400, SPRING), "java, unnamed", extra=4),
    one(
        "top_k",
        sse({"error": told('{"error":{"message":"Unsupported parameter: top_k"}}')}),
        "json in a stream",
    ),
    one(
        "top_k", says_so(200, {"code": 400, "msg": "unsupported parameter: top_k"}), "inside a 200, otherwise"
    ),
    server(
        "a role by its place",
        role("system"),
        says_so(400, openai("messages.0.role: Input should be 'user'")),
        "system",
        extra=1,
    ),
)


def together(*names: str) -> Server:
    """Refuses each of these, and never says which."""
    tests = [role(name) if name == "system" else has(name) for name in names]
    refuses = [Refuses(test, says_so(400, b"")) for test in tests]
    return Server(" and ".join(names), refuses, frozenset(names))


TOGETHER = (
    together("seed", "top_k"),
    together("seed", "logprobs"),
    together("stop", "temperature"),
    together("stream", "stop"),
    together("system", "stream_options"),
    together("system", "top_k", "stop", "seed"),
    together("top_k", "min_p", "repetition_penalty"),
    together("top_k", "min_p", "repetition_penalty", "seed", "logprobs"),
)
