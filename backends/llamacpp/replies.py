"""Translates a request for llama.cpp's server, and its answer into events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from backends.errors import BackendError, BadRequest, BadResponse, ContextTooLong, Unavailable
from backends.markers.holdback import StopCutter
from backends.markers.marks import TABLE, Table
from backends.markers.thinking import AllText, Characters, ThinkingSplitter
from backends.openai_compat.replies.chunks import logprobs_in
from backends.types import Event, Finished, FinishReason, Request, Usage

_SEEDS = 2**32 - 1
"""The engine keeps 32 bits of a seed, and takes this number for none given."""

_REASONS: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls"}
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "max_tokens": "max_tokens",
}

Content = str | list[str | int]
"""A prompt: a text, or texts and tokens in their order."""

PASSING = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""What the engine is given as its chat template. A model's own is applied by `chat_templates.write`, in a
process that may be killed: the engine would read it in this one, without bounds of time, memory or depth."""

_log = logging.getLogger(__name__)


class Reply:
    """Turns the engine's chunks into events. opens: the prompt, which may open the reasoning. table: the
    reasoning marks."""

    def __init__(
        self,
        request: Request,
        model: str,
        seed: int,
        *,
        adapter: str | None = None,
        template: str = "model",
        opens: str = "",
        table: Table = TABLE,
    ) -> None:
        self.ended = False
        self._model = model
        self._seed = seed
        self._adapter = adapter
        self._template = template
        self._characters = Characters()
        bare = request.options.bare_prompt
        self._thinking: AllText | ThinkingSplitter = AllText() if bare else ThinkingSplitter(opens, table)
        self._cutter = StopCutter(request.sampling.stop)
        self._reason: FinishReason = "stop"
        self._usage: Usage | None = None
        self._details: dict[str, str | int | float | bool | None] = {}

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        if "error" in chunk:
            raise error_of(chunk["error"])
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            events += self._text(choice.get("text") or "")
            if (told := logprobs_in(choice)) is not None:
                events.append(told)
            if reason := choice.get("finish_reason"):
                self._reason = _REASONS.get(reason, "stop")
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
            self._details = _timings(chunk.get("timings") or {})
            self.ended = True
        return events

    def end(self) -> list[Event]:
        if not self.ended:
            raise BadResponse("llama.cpp ended the reply without giving a reason.", cure="Try again.")
        events: list[Event] = [
            *self._split(self._cutter.feed(self._characters.flush()) + self._cutter.flush())
        ]
        events += self._thinking.flush()
        if self._usage is not None:
            events.append(self._usage)
        return [
            *events,
            Finished(
                self._reason,
                model=self._model,
                adapter=self._adapter,
                seed=self._seed,
                details={"chat_template": self._template, **self._details},
            ),
        ]

    def _text(self, content: str) -> list[Event]:
        return self._split(self._cutter.feed(self._characters.feed(content)))

    def _split(self, text: str) -> list[Event]:
        return [*self._thinking.feed(text)] if text else []


def payload(
    request: Request, prompt: Content, seed: int, *, shown: Sequence[str] = (), scales: Sequence[float] = ()
) -> dict[str, Any]:
    """prompt: the conversation as rendered by its chat template. shown: control tokens to keep in the reply.
    scales: the strength of each of the server's adapters."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "prompt": prompt,
        "preserved_tokens": list(shown),
        "stream": True,
        "stream_options": {"include_usage": True},
        # A chunk for each batch of the prompt, which is where a prefill can be stopped.
        "return_progress": True,
        "seed": seed % _SEEDS,
        # A cached prefix is rounded differently from a computed one, so it would break a promised repeat.
        "cache_prompt": sampling.seed is None,
    }
    for ours, theirs in SAMPLING.items():
        if (value := getattr(sampling, ours)) is not None:
            body[theirs] = value
    if scales:
        # All are named: one that is not would act with the strength it was loaded with.
        body["lora"] = [{"id": number, "scale": scale} for number, scale in enumerate(scales)]
    if request.logprobs is not None:
        body["logprobs"] = max(1, request.logprobs)  # none would be none of the token itself
    if (wanted := request.options.response_format) is not None:
        body["json_schema"] = {"type": "object"} if wanted.schema is None else dict(wanted.schema)
    if sampling.stop:
        body["stop"] = [whole(stop) for stop in sampling.stop]
    return body


def whole(text: str) -> str:
    """Replaces lone surrogates, which old text may contain and the engine's JSON parser rejects."""
    return text.encode("utf-8", "replace").decode()


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(usage["prompt_tokens"], usage["completion_tokens"], details.get("cached_tokens"))


def _timings(timings: dict[str, Any]) -> dict[str, str | int | float | bool | None]:
    return {
        ours: round(float(timings[theirs]) / 1000, 4)
        for ours, theirs in (("prefill_seconds", "prompt_ms"), ("decode_seconds", "predicted_ms"))
        if theirs in timings
    }


def error_of(error: object) -> BackendError:
    error = error if isinstance(error, dict) else {"message": str(error)}
    said = str(error.get("message", ""))
    if error.get("type") == "exceed_context_size_error":
        tokens, limit = int(error.get("n_prompt_tokens", 0)), int(error.get("n_ctx", 0))
        return ContextTooLong(
            f"The conversation has {tokens} tokens; this model can read {limit}.",
            cure="Shorten it, or start a new conversation.",
            params={"tokens": tokens, "limit": limit},
        )
    _log.warning("llama.cpp refused a request: %s", said)
    if error.get("code") == 400:
        return BadRequest(
            "llama.cpp does not accept this request.", cure="Check the sampling settings and the messages."
        )
    return Unavailable("llama.cpp failed while writing the reply.", cure="Try again.")
