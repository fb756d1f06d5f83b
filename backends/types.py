"""What a backend is given and what it says: frozen values, equal by content, standard library only.

Identity (ids, owners, parents) is the caller's concern and never appears here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
"""Why a reply ended, in the words of the OpenAI chat completions API."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Plain text inside a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image inside a message: encoded bytes and their media type (`image/png`, `image/jpeg`, ...)."""

    data: bytes
    media_type: str


Part = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `content` is text, or parts in reading order."""

    role: Role
    content: str | tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text of the message, its text parts joined without a separator."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; `None` leaves the choice to the model's own defaults.

    temperature: 0 means greedy. top_p in (0, 1]. top_k >= 1. min_p in [0, 1].
    repetition_penalty > 0, 1 is none. max_tokens: most tokens to generate. stop: strings that end the
    reply and are not part of it.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model.

    messages: the conversation, oldest first, at least one.
    continue_final: the last message is the beginning of the reply; the backend writes on from its last
    character instead of starting a new reply. Only sent to backends whose capabilities say `prefill`.
    logprobs: tell of each token of the reply how likely it was, and so many alternatives (0 to 20); `None`
    does not. Only sent where the capabilities say `logprobs`.
    trace: tell what the model is sent, as `Sent`, before it answers.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    continue_final: bool = False
    logprobs: int | None = None
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What the model was sent for this reply, word for word; only where `Request.trace` asks for it.

    messages: as they were given, with a line of text for each image. rendered: the text a model in this
    process reads. token_ids: its tokens. pieces: what each token adds to `rendered`, joined they are all of
    it: a token that ends inside a character adds nothing, the one that completes it the character. body: the
    JSON an endpoint was posted, and url where; no key is in either. template: where the chat template is
    from, where that is known. spans: for each message where its words begin and end in `rendered`, `None` for
    one that is not in it; empty where that is not known.
    """

    messages: tuple[Message, ...]
    rendered: str | None = None
    token_ids: tuple[int, ...] = ()
    pieces: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = None
    url: str | None = None
    template: str | None = None
    spans: tuple[tuple[int, int] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrying:
    """Refused for now, or not reached; it is asked again in `seconds`. code: of the `BackendError` that will
    be raised should that not help. attempt: how many there were."""

    code: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of the answer. Whole characters only, never half of one."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's reasoning, kept apart from the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TextWasReasoning:
    """All text of the answer so far, what a continued reply begins with included, was reasoning: a mark that
    closes it has come, and none that opened it. See `as_reasoning`."""


def as_reasoning(reasoning: str, text: str) -> str:
    """The reasoning of a reply when the text of its answer turns out to be more of it."""
    return "\n\n".join(part for part in (reasoning, text.strip()) if part)


SURE_MEDIA = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/wav", "audio/ogg", "audio/mpeg")
"""Types that a `Media` has only where its data begins as theirs does."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or sound of the reply. Where it belongs, the text that comes next names it, as
    `data:image/png;size=15360;id=<name>,`. name: 16 letters from a to p, made from the data. media_type: one
    of `SURE_MEDIA`, or as it was told, which may be anything else."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call, as the endpoint sent it; pieces of one call share `index`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was: the natural logarithm of its probability, before temperature and cuts.
    alternatives: the likeliest tokens with theirs, likeliest first."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Of the next tokens of the reply, in order. Their text may come before or after: some is held back."""

    tokens: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one reply, as counted by the model's own tokenizer (or told by the endpoint)."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every stream. `model`, `revision` and `adapter` (a LoRA adapter, name and hash)
    name what really answered, where known."""

    reason: FinishReason
    model: str | None = None
    revision: str | None = None
    adapter: str | None = None
    seed: int | None = None
    details: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


Event = (
    Sent
    | Retrying
    | TextDelta
    | ReasoningDelta
    | TextWasReasoning
    | Media
    | ToolCallDelta
    | Logprobs
    | Usage
    | Finished
)
