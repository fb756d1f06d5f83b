"""The OpenAI chat completions format, both ways, without the network: pure functions and one small reader.

Source: the API reference of OpenAI, and what vLLM, llama.cpp, SGLang, TGI, Ollama and OpenRouter send.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from backends._holdback import StopCutter
from backends._limits import NAME_CHARS
from backends._thinking import Characters, ThinkingSplitter, storable
from backends.errors import BadResponse
from backends.openai_compat.errors import error_in
from backends.types import (
    Event,
    Finished,
    FinishReason,
    ImagePart,
    Logprobs,
    Message,
    ReasoningDelta,
    Request,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}

_MOST_TOKENS = 2**31

SAMPLING_FIELDS = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed", "stop"}
)


def payload(request: Request, model: str, *, server: str, without: Collection[str]) -> dict[str, Any]:
    """The body of a streamed completion.

    server: who serves it (`owned_by` in its list of models): the repetition penalty and prefills differ.
    without: fields this model has refused before, in the names of the wire; `system` folds the system message
    into the first user message, a refused `max_tokens` becomes `max_completion_tokens`.
    """
    sampling = request.sampling
    llama = server == "llamacpp"
    messages = _without_system(request.messages) if "system" in without else request.messages
    fields: dict[str, Any] = {
        "stream_options": {"include_usage": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty" if llama else "repetition_penalty": sampling.repetition_penalty,
        "max_completion_tokens" if "max_tokens" in without else "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "logprobs": None if request.logprobs is None else True,
        "top_logprobs": request.logprobs,
    }
    if llama and sampling.seed is not None:
        # It keeps 32 bits of a seed, and takes the last number for none given. A prefix it remembers is
        # rounded differently from one it computes, so it would break the repeat.
        fields |= {"seed": sampling.seed % (2**32 - 1), "cache_prompt": False}
    if request.continue_final and not llama:
        # llama.cpp takes a last message of the assistant as the beginning.
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": _content(message)} for message in messages],
        "stream": True,
    }
    return body | {key: value for key, value in fields.items() if value is not None and key not in without}


def _without_system(messages: Iterable[Message]) -> list[Message]:
    kept: list[Message] = []
    system: list[str] = []
    for message in messages:
        if message.role == "system":
            system.append(message.text)
        elif message.role == "user" and system:
            text = "\n\n".join(system) + "\n\n"
            if isinstance(message.content, str):
                kept.append(Message("user", text + message.content))
            else:
                kept += [Message("user", text), message]
            system = []
        else:
            kept.append(message)
    return kept


def _content(message: Message) -> str | list[dict[str, Any]]:
    if isinstance(message.content, str):
        return message.content
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, ImagePart):
            data = base64.b64encode(part.data).decode("ascii")
            url = f"data:{part.media_type};base64,{data}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        else:
            parts.append({"type": "text", "text": part.text})
    return parts


class Reply:
    """Reads the pieces of one reply and remembers how it ended. Everything unknown is passed over.

    stop: the strings that were asked to end it. Some servers send them along, with what follows in the same
    token, and some take none; so they are looked for here.
    """

    def __init__(self, key: str | None, stop: Sequence[str] = ()) -> None:
        self._key = key
        self._cutter = StopCutter(stop)
        self._characters = Characters()
        self._reasoning_characters = Characters()
        self._thinking = ThinkingSplitter()
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._model: str | None = None
        self._fingerprint: str | None = None
        self.done = False  # "[DONE]" came
        self.said_something = False

    @property
    def finished(self) -> bool:
        """Whether a finish reason came; a usage may still follow."""
        return self._reason is not None

    def data(self, data: str) -> list[Event]:
        """The data of one server-sent event. Raises what an error object in it means, or `BadResponse`."""
        if data.strip() == "[DONE]":
            self.done = True
            return []
        if not data.strip():
            return []
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            lines = data.split("\n")
            if len(lines) > 1:  # a server that does not put blank lines between its events
                return [event for line in lines for event in self.data(line)]
            raise BadResponse(
                "The endpoint sent something that is not JSON.", cure="Try again, or check the endpoint."
            ) from None
        return self.chunk(chunk)

    def chunk(self, chunk: Any) -> list[Event]:
        """One chunk of a stream, or a whole completion. Raises what an error object in it means."""
        if not isinstance(chunk, dict):
            return []
        if (error := error_in(chunk, key=self._key)) is not None:
            raise error
        if self._model is None and isinstance(model := chunk.get("model"), str):
            self._model = storable(model, NAME_CHARS)
            fingerprint = chunk.get("system_fingerprint")
            self._fingerprint = storable(fingerprint, NAME_CHARS) if isinstance(fingerprint, str) else None
        if chunk.get("usage"):
            self._usage = _usage(chunk["usage"]) or self._usage
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return []
        choice = choices[0]
        delta = choice.get("delta") or choice.get("message")
        events = self._delta(delta) if isinstance(delta, dict) else []
        if (told := logprobs_in(choice)) is not None:
            events.append(told)
        if self._cutter.stopped:
            self._reason = "stop"
        elif isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = storable(reason, NAME_CHARS)
        return events

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        content = delta.get("content")
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(content, list):
            content, in_parts = _parts(content)
            reasoning = reasoning or in_parts
        if isinstance(reasoning, str) and reasoning and (text := self._reasoning_characters.feed(reasoning)):
            events.append(ReasoningDelta(text))
        for piece in (content, delta.get("refusal")):
            if isinstance(piece, str) and piece:
                events += self._thinking.feed(self._cutter.feed(self._characters.feed(piece)))
        if isinstance(calls := delta.get("tool_calls"), list):
            events += [_tool_call(call, at) for at, call in enumerate(calls) if isinstance(call, dict)]
        if events:
            self.said_something = True
        return events

    def rest(self) -> list[Event]:
        """What was held back because more might have come."""
        half = self._reasoning_characters.flush()
        held: list[Event] = [ReasoningDelta(half)] if half else []
        text = self._cutter.feed(self._characters.flush()) + self._cutter.flush()
        held += [*self._thinking.feed(text), *self._thinking.flush()]
        self.said_something = self.said_something or bool(held)
        return held

    def end(self) -> list[Event]:
        """The usage and `Finished`, after `rest`. Raises `BadResponse` when the reply broke off."""
        if self._reason in ("error", "abort"):
            raise BadResponse("The endpoint gave up in the middle of its reply.", cure="Try again.")
        if self._reason is None and not self.done:
            raise BadResponse(
                "The reply broke off before it was finished.", cure="Continue it, or try again."
            )
        if self._reason is None and not self.said_something:
            raise BadResponse("The endpoint answered with nothing.", cure="Try again.")
        details: dict[str, str | int | float | bool | None] = {}
        if self._reason not in FINISH_REASONS:
            details["finish_reason"] = self._reason
        reason = FINISH_REASONS.get(self._reason or "", "stop")
        usage: list[Event] = [] if self._usage is None else [self._usage]
        return [*usage, Finished(reason, self._model, self._fingerprint, details=details)]


def logprobs_in(choice: dict[str, Any]) -> Logprobs | None:
    """What a choice tells of its tokens' probabilities; what is not as the reference says is left out."""
    told = choice.get("logprobs")
    content = told.get("content") if isinstance(told, dict) else None
    tokens = [] if not isinstance(content, list) else [_logprob(token) for token in content]
    known = tuple(token for token in tokens if token is not None)
    return Logprobs(known) if known else None


def _logprob(told: Any) -> TokenLogprob | None:
    match told:
        case {"token": str(token), "logprob": int() | float() as logprob}:
            best = told.get("top_logprobs")
            pairs = [_logprob(other) for other in (best if isinstance(best, list) else ())]
            known = tuple((other.token, other.logprob) for other in pairs if other is not None)
            return TokenLogprob(storable(token, NAME_CHARS), float(logprob), known)
    return None


def _parts(parts: list[Any]) -> tuple[str, str]:
    """Text and reasoning of a content that comes in parts (Mistral)."""
    text: list[str] = []
    thought: list[str] = []
    for part in parts:
        match part:
            case {"type": "text", "text": str(piece)}:
                text.append(piece)
            case {"type": "thinking", "thinking": list(inner)}:
                thought.append(_parts(inner)[0])
            case {"type": "thinking", "thinking": str(piece)}:
                thought.append(piece)
            case _:
                pass
    return "".join(text), "".join(thought)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    return Usage(
        prompt, completion, _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    )


def _count(value: Any) -> int | None:
    """A number from a server, if it can be a number of tokens."""
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else None


def _tool_call(call: dict[str, Any], at: int) -> ToolCallDelta:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    index, identity = _count(call.get("index")), call.get("id")
    name, arguments = function.get("name"), function.get("arguments")
    return ToolCallDelta(
        at if index is None else index,
        storable(identity, NAME_CHARS) if isinstance(identity, str) else None,
        storable(name, NAME_CHARS) if isinstance(name, str) else None,
        storable(arguments) if isinstance(arguments, str) else "",
    )
