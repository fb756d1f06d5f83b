"""The input and output of a backend: frozen values, equal by content, standard library only.

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
class ToolCall:
    """A complete tool call of a model. arguments: JSON, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `content` is text, or parts in reading order.

    tool_calls: what the assistant called, after its text. tool_call_id: of the call that a message of the
    role `tool` answers.
    """

    role: Role
    content: str | tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text parts of the message, joined without a separator."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


def opened_with(text: str) -> str:
    """How a model whose conversations start with a user message is told that it has spoken first."""
    return f"You began this conversation with this message:\n\n{text}"


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


InputValue = str | int | float | bool | None | tuple[str, ...]
"""A value of an input that a model takes beside the conversation, see `backends.inputs`."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a person connects from, as far as the server knows."""

    host: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a reply: what a function receives as `request`, with the names of `gr.Request`.

    headers: in lower case, without cookies and keys. session_hash: the same for all requests of one person.
    username: `None` for people without an account. All are empty where nobody is known to ask, as in a
    replay.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    client: Client | None = None
    query_params: Mapping[str, str] = field(default_factory=dict)
    username: str | None = None
    session_hash: str | None = None
    cookies: Mapping[str, str] = field(default_factory=dict)
    path_params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. parameters: the JSON schema of its arguments. strict: whether the
    arguments have to follow it."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The one tool that the model has to call."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """What the whole answer has to be: JSON that follows a schema, or with `None` any JSON object."""

    schema: Mapping[str, Any] | None = None
    name: str = "answer"
    description: str = ""
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What programs may ask of a model beside sampling; each only of backends whose capabilities say so.

    tool_choice: `None` is `auto`. parallel_tool_calls: whether one reply may call several tools; `None`
    leaves that to the model. bare_prompt: the text of the request's one message is all that the model reads,
    without a chat template; control tokens in it count, and so does reasoning in the reply as text.
    """

    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    bare_prompt: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model.

    messages: the conversation, oldest first, at least one.
    continue_final: the last message is the beginning of the reply; the backend writes on from its last
    character instead of starting a new reply. Only sent to backends whose capabilities say `prefill`.
    logprobs: tell of each token of the reply how likely it was, and so many alternatives (0 to 20); `None`
    does not. Only sent where the capabilities say `logprobs`.
    trace: tell what the model is sent, as `Sent`, before it answers.
    inputs: values of the inputs that the capabilities name; a missing one has its default. caller: who asks;
    only a function is told. routing: the same for all requests of one conversation, for an endpoint with a
    `routing_header`.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    continue_final: bool = False
    logprobs: int | None = None
    trace: bool = False
    inputs: Mapping[str, InputValue] = field(default_factory=dict)
    caller: Caller | None = field(default=None, repr=False)
    options: Options = field(default_factory=Options)
    routing: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What the model was sent for this reply, word for word; only if `Request.trace` asks for it.

    messages: as given, with a line of text for each image. rendered: the text that a model in this process
    reads. token_ids: its tokens. pieces: what each token adds to `rendered`, whose concatenation they form: a
    token that ends inside a character adds nothing, and the one that completes it adds the character. body:
    the JSON posted to an endpoint, and url its address; neither contains a key. Of a function, its arguments;
    it has no address. template: the source of the
    chat template, if known. spans: start and end of each message's words in `rendered`, `None` for a message
    that is not in it; empty if unknown.
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
    """Refused for now, or unreachable; the request is repeated in `seconds`. code: of the `BackendError` that
    will be raised if that does not help. attempt: how many were made."""

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
    """All text of the answer so far, including the start of a continued reply, was reasoning: a closing mark
    arrived without an opening one. See `as_reasoning`."""


def as_reasoning(reasoning: str, text: str) -> str:
    """The reasoning of a reply whose answer text turns out to be more reasoning."""
    return "\n\n".join(part for part in (reasoning, text.strip()) if part)


SURE_MEDIA = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/wav", "audio/ogg", "audio/mpeg")
"""Types that a `Media` has only if its data starts accordingly."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or sound in the reply. The text that follows refers to it at its position, as
    `data:image/png;size=15360;id=<name>,`. name: 16 letters from a to p, derived from the data. media_type:
    one of `SURE_MEDIA`, or the type reported by the endpoint, which may be anything else."""

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
    """How likely a token was: the natural logarithm of its probability, before temperature and truncation.
    alternatives: the most likely tokens with theirs, in descending order."""

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Logprobs:
    """For the next tokens of the reply, in order. Their text may arrive earlier or later, because some is
    held back."""

    tokens: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one reply, from the model's own tokenizer (or as reported by the endpoint)."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every stream. `model`, `revision` and `adapter` (a LoRA adapter, name and hash)
    identify what generated the reply, if known."""

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
