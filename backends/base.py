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

from backends.inputs import Input
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
    """What a backend supports. Requests are adapted to it, never sent blindly.

    speaks_first: a conversation may start with a message of the assistant, after the system prompt.
    context_length: tokens of prompt and reply together, `None` if unknown. sampling: names of the `Sampling`
    fields it honours. prefill: supports `Request.continue_final`. bare_prompts: supports
    `Options.bare_prompt`. slots: concurrent replies, `None` for any
    number (an endpoint). Callers that queue requests beyond that can show people their position; otherwise a
    request waits inside the backend. engine: backends with the same engine share its slots (adapters of one
    base model); `None`: an engine of its own. inputs: values it takes beside the conversation. examples:
    messages to begin with.
    """

    system_role: bool = True
    speaks_first: bool = True
    images: bool = False
    tools: bool = False
    response_format: bool = False
    logprobs: bool = False
    seed: bool = False
    prefill: bool = False
    bare_prompts: bool = False
    context_length: int | None = None
    sampling: frozenset[str] = frozenset({"temperature", "top_p", "max_tokens", "stop"})
    slots: int | None = None
    engine: str | None = None
    inputs: tuple[Input, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """How much memory of a device a backend holds.

    device: `cpu`, `cuda:0`, `mps`. parts: bytes by purpose; backends that share a part (the weights under two
    adapters) give it the same name, and it counts once.
    """

    device: str
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Progress of loading a model into memory. `done` and `total` are in bytes, `None` if unknown."""

    phase: Literal["connecting", "downloading", "loading", "warming"]
    done: int | None = None
    total: int | None = None


ProgressCallback = Callable[[LoadProgress], None]
"""Called from any thread, often; must return at once."""


class Backend(Protocol):
    """A model that generates replies. `kind` names the family: `openai`, `function`, `local`, ..."""

    @property
    def kind(self) -> str: ...

    @property
    def model(self) -> str:
        """The model's id, as recorded in provenance."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it supports; may become more precise after `start` or a first request."""
        ...

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Load weights or open connections. Raises `BackendError`."""
        ...

    def footprint(self) -> Footprint | None:
        """The memory it uses, or would use once started. `None`: none on this machine, or not known yet.
        Cheap enough for an event loop."""
        ...

    async def count(self, request: Request) -> int | None:
        """Tokens of the prompt according to the model's own tokenizer, however long it is: equals
        `Usage.prompt_tokens` of its reply. `None` if only the remote side knows. Raises `BackendError`."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request. See the contract above. Raises `BackendError`."""
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
