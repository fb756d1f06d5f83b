"""OpenAI's completions: a model writes on from a bare prompt, without a chat template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field

from backends.types import Message, Options
from webchat.api.v1.call import Call, refused
from webchat.api.v1.chat import UNSUPPORTED, ChatWriter, StreamBody, usage_of
from webchat.api.v1.reading import Allows, check_unsupported, ignored_in, validated
from webchat.api.v1.replies import CallPiece, Reply
from webchat.api.v1.sampling import ModelName, Sampled, Tokens

USUAL_TOKENS = 16
"""Of a completion whose length is not limited, by OpenAI's reference: many base models never end a text."""

MOST_LOGPROBS = 20

_UNSUPPORTED: Mapping[str, Allows] = {**UNSUPPORTED, "suffix": lambda value: value == ""}


class CompletionBody(Sampled):
    model: ModelName | None = None
    prompt: str | list[Any]
    max_tokens: Tokens | None = None
    stream: bool | None = None
    stream_options: StreamBody | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None = None


def call_of(body: Mapping[str, object]) -> Call:
    """Raises `ApiError`, which names the field."""
    check_unsupported(body, _UNSUPPORTED)
    asked = validated(CompletionBody, body)
    if asked.echo and asked.logprobs is not None:
        raise refused("logprobs", "those of a prompt are not told.", "Leave out echo or logprobs.")
    calm = {name for name in _UNSUPPORTED if name in body}
    calm |= {name for name in ("frequency_penalty", "presence_penalty") if not body.get(name)}
    return Call(
        model=asked.model,
        path=(Message("user", _prompt(asked.prompt)),),
        sampling=asked.sampling(asked.max_tokens or USUAL_TOKENS),
        options=Options(bare_prompt=True),
        logprobs=asked.logprobs,
        streams=bool(asked.stream),
        usage=asked.stream_options is not None and bool(asked.stream_options.include_usage),
        ignored=tuple(ignored_in(body, CompletionBody, but=frozenset(calm))),
        names={"messages": "prompt", "top_logprobs": "logprobs"},
        echo=bool(asked.echo),
    )


def _prompt(prompt: str | list[Any]) -> str:
    if isinstance(prompt, str):
        return prompt
    match prompt:
        case [str(only)]:
            return only
        case [str(), *others] if all(isinstance(one, str) for one in others):
            raise refused("prompt", "several prompts at once are not supported.", "Ask once for each.")
        case _:
            raise refused("prompt", "arrays of tokens are not supported.", "Send text.")


def answer_of(call: Call) -> Callable[[Reply], dict[str, Any]]:
    """How a whole reply to this call is told."""

    def answer(reply: Reply) -> dict[str, Any]:
        choice = {
            "index": 0,
            "text": _echoed(call) + reply.text,
            "logprobs": _lists(reply.logprobs, 0) if reply.logprobs else None,
            "finish_reason": reply.finish,
        }
        told = {**_fixed(reply), "choices": [choice]}
        return told if reply.usage is None else {**told, "usage": usage_of(reply.usage)}

    return answer


def _echoed(call: Call) -> str:
    return call.path[0].text if call.echo else ""


def _fixed(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"cmpl-{reply.id}",
        "object": "text_completion",
        "created": reply.created,
        "model": reply.model,
    }


def _lists(tokens: Iterable[dict[str, Any]], at: int) -> dict[str, Any]:
    """Logprobs of a chat in the form of completions. at: where the first token begins in the text."""
    told: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for one in tokens:
        told["tokens"].append(one["token"])
        told["token_logprobs"].append(one["logprob"])
        told["top_logprobs"].append({other["token"]: other["logprob"] for other in one["top_logprobs"]})
        told["text_offset"].append(at)
        at += len(one["token"])
    return told


class CompletionWriter(ChatWriter):
    """A reply as the chunks of a completion."""

    OPENS, CLOSES = b"", b',"logprobs":null'
    LAST: Mapping[str, Any] = {"text": "", "logprobs": None}

    def __init__(self, reply: Reply, call: Call) -> None:
        super().__init__(reply, call)
        self._echoed = _echoed(call)
        self._at = 0

    def fixed(self) -> dict[str, Any]:
        return _fixed(self._reply)

    def begin(self) -> bytes:
        return self.text(self._echoed)

    def text(self, text: str) -> bytes:
        return self._chunk(b'"text":' + orjson.dumps(text))

    def reasoning(self, text: str) -> bytes:
        return b""

    def call(self, piece: CallPiece) -> bytes:
        return b""

    def logprobs(self, tokens: list[dict[str, Any]]) -> bytes:
        told = _lists(tokens, self._at)
        self._at += sum(map(len, told["tokens"]))
        return self._event([{"index": 0, "text": "", "logprobs": told, "finish_reason": None}])
