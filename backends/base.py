"""The one interface of every model.

The law, checked for every backend by `tests/backends/test_contract.py`:

- `stream(request)` yields any number of `TextDelta`, `ReasoningDelta`, `ToolCallDelta` and (where asked for)
  `Logprobs`, a `TextWasReasoning` where text turns out to be more of the reasoning, a `Media` before the text
  that names it, at most one `Usage`, and exactly one `Finished`, last.
- With `Request.trace` the first event is a `Sent`, told before the model has answered anything; without it
  there is none. In this process its pieces join to the text the model reads, and its tokens are as many as
  `Usage.prompt_tokens`; of an endpoint its body equals the JSON that is posted. Whoever posts another body,
  because the endpoint takes less, tells another `Sent`: the last one is what was answered.
- Whoever waits to ask again says so by a `Retrying`, before anything of the reply.
- Failures are raised as `BackendError`, never yielded.
- Closing the iterator stops the work soon (in process: within one decode step, in a prefill too; remote: the
  connection is closed) and frees its slot. `aclose()` returns after the slot is free.
- Half a character (a lone surrogate) in an old message does no harm and never appears in a reply.
- Two streams at once never mix. `max_tokens` is respected. Where `capabilities.seed`, the same seed repeats.
- `start()` may be called again after it failed; `stream()` before `start()` starts by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backends.types import (
    Event,
    Finished,
    ReasoningDelta,
    Request,
    TextDelta,
    TextWasReasoning,
    Usage,
    as_reasoning,
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend takes. Requests are fitted to it, never sent blind.

    context_length: tokens of prompt and reply together, `None` when unknown.
    sampling: names of the `Sampling` fields it honours.
    prefill: takes `Request.continue_final`.
    slots: replies it writes at once, `None` for as many as come (an endpoint). Callers that keep more than
    that from it can tell people their place; a request beyond it waits inside the backend.
    engine: backends of the same engine share its slots (adapters of one base); `None`: an engine of its own.
    """

    system_role: bool = True
    images: bool = False
    tools: bool = False
    logprobs: bool = False
    seed: bool = False
    prefill: bool = False
    context_length: int | None = None
    sampling: frozenset[str] = frozenset({"temperature", "top_p", "max_tokens", "stop"})
    slots: int | None = None
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a backend holds of a device's memory.

    device: `cpu`, `cuda:0`, `mps`. parts: bytes by what they are for; backends that share a part (the weights
    under two adapters) name it alike, and it counts once.
    """

    device: str
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a model is on its way into memory. `done` and `total` in bytes, `None` when unknown."""

    phase: Literal["connecting", "downloading", "loading", "warming"]
    done: int | None = None
    total: int | None = None


ProgressCallback = Callable[[LoadProgress], None]
"""Called from any thread, often; must return at once."""


class Backend(Protocol):
    """A model that answers. `kind` names the family (`echo`, `openai`, `llamacpp`, `local`)."""

    @property
    def kind(self) -> str: ...

    @property
    def model(self) -> str:
        """The model's id, as provenance records it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it takes; may become more exact once started or after a first request."""
        ...

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Load weights or open connections. Raises `BackendError`."""
        ...

    def footprint(self) -> Footprint | None:
        """The memory it takes, or would take once started. `None`: none here, or not known before. Cheap
        enough for an event loop."""
        ...

    async def count(self, request: Request) -> int | None:
        """Tokens of the prompt by the model's own tokenizer, however long it is: what `Usage.prompt_tokens`
        of its reply would say. `None` where only the other side can tell. Raises `BackendError`."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request. See the law above. Raises `BackendError`."""
        ...

    async def aclose(self) -> None:
        """Stop all work and free everything. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole reply: the fold of a stream."""

    text: str
    reasoning: str
    usage: Usage | None
    finished: Finished


async def collect(events: AsyncIterator[Event]) -> Completion:
    """Fold a stream into one reply. Raises what the stream raises."""
    text: list[str] = []
    reasoning: list[str] = []
    usage: Usage | None = None
    finished: Finished | None = None
    async for event in events:
        match event:
            case TextDelta(text=piece):
                text.append(piece)
            case ReasoningDelta(text=piece):
                reasoning.append(piece)
            case TextWasReasoning():
                reasoning, text = [as_reasoning("".join(reasoning), "".join(text))], []
            case Usage():
                usage = event
            case Finished():
                finished = event
            case _:
                pass
    if finished is None:
        raise RuntimeError("the backend ended its stream without Finished")
    return Completion("".join(text), "".join(reasoning), usage, finished)
