"""A reply as the writers of all faces have it, folded from the events of its turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from backends.errors import BackendError, ExplainedError
from backends.types import TokenLogprob, ToolCall
from webchat.api.errors import ApiError
from webchat.auth.failures import failure_for
from webchat.store.errors import StoreError
from webchat.store.records import Failure, Message, Owner, call_id

_OTHERS = {"blocked": 400, "link_ended": 403, "link_paused": 403, "store_unavailable": 503}


@dataclass(frozen=True, slots=True)
class Usage:
    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class CallPiece:
    """More of a tool call. index: from 0, in the order in which calls begin. call: all of it so far.
    arguments: those that are new. begins: it is the first piece."""

    index: int
    call: ToolCall
    arguments: str
    begins: bool


@dataclass(slots=True)
class Reply:
    """id, model, created: of the answer; model as it was asked for. reader: the caller, who may not see
    everything about a failure. prefix: what it goes on from. alternatives: how many a logprob names. called:
    the tool calls so far, by the model's own numbers."""

    id: str
    model: str
    created: int
    reader: Owner | None = None
    prefix: str = ""
    alternatives: int = 0
    called: dict[int, ToolCall] = field(default_factory=dict)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    message: Message | None = None

    def add_calls(self, lines: str) -> list[CallPiece]:
        """Fold a piece of the journal with tool calls; returns what it adds to them."""
        return [self._add_call(orjson.loads(line)) for line in lines.split("\n") if line]

    def _add_call(self, piece: dict[str, Any]) -> CallPiece:
        known = self.called.get(piece["index"])
        id = (known and known.id) or piece["id"] or call_id(self.id, piece["index"])
        before = ToolCall(id, "", "") if known is None else known
        call = ToolCall(id, before.name + (piece["name"] or ""), before.arguments + piece["arguments"])
        self.called[piece["index"]] = call
        index = list(self.called).index(piece["index"])
        return CallPiece(index, call, piece["arguments"], begins=known is None)

    def add_logprobs(self, tokens: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
        """Fold more of them; returns them as OpenAI says them."""
        told = [
            {
                **_token(one.token, one.logprob),
                "top_logprobs": [_token(*other) for other in one.alternatives[: self.alternatives]],
            }
            for one in tokens
        ]
        self.logprobs += told
        return told

    @property
    def calls(self) -> list[ToolCall]:
        return list(self.called.values())

    @property
    def text(self) -> str:
        return self._ended.text.removeprefix(self.prefix)

    @property
    def reasoning(self) -> str:
        return self._ended.reasoning

    @property
    def finish(self) -> str:
        """In the words of OpenAI's chat completions."""
        reason = self._ended.finish_reason or "stop"
        return "tool_calls" if self.calls and reason == "stop" else reason

    @property
    def usage(self) -> Usage | None:
        """`None` where the model did not say."""
        counted = self._ended.prompt_tokens, self._ended.completion_tokens
        return None if counted[0] is None or counted[1] is None else Usage(counted[0], counted[1])

    @property
    def failure(self) -> ApiError | None:
        """Why there is no whole reply, as its reader may know it. What was refused after some of it was shown
        is a reply that ended for that reason, and so is one that its owner stopped."""
        message = self._ended
        if message.state == "complete":
            return None
        # A tool call that was cut off is no call.
        if message.state == "stopped" and not self.called:
            return None
        if message.state == "blocked" and message.text.removeprefix(self.prefix):
            return None
        failure = message.failure
        if failure is None:
            return ApiError(503, "interrupted", "The reply was interrupted.", "Try again.")
        shown = failure_for(failure, self.reader)
        return ApiError(_status(failure), shown.code, shown.message, shown.cure, shown.params)

    @property
    def _ended(self) -> Message:
        assert self.message is not None, "only a reply that has ended is asked for these"
        return self.message


def _token(token: str, logprob: float) -> dict[str, Any]:
    # Zero has a logarithm, but JSON has no word for it.
    return {"token": token, "logprob": max(logprob, -9999.0), "bytes": list(token.encode("utf-8", "replace"))}


def _status(failure: Failure) -> int:
    if failure.code in _OTHERS:
        return _OTHERS[failure.code]
    known = {kind.code: kind.status for root in (BackendError, StoreError) for kind in _below(root)}
    return known.get(failure.code, 500)


def _below(kind: type[ExplainedError]) -> Iterator[type[ExplainedError]]:
    for one in kind.__subclasses__():
        yield from _below(one)
    yield kind
