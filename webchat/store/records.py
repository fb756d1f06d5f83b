"""The records the store returns: frozen, never rows. Times are aware datetimes in UTC; ids are opaque
strings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from backends.types import InputValue, Role, Sampling, ToolCall, as_reasoning
from webchat.store.key_records import ApiKey
from webchat.store.link_records import NO_TERMS, Link, LinkTerms

T = TypeVar("T")

TurnState = Literal["queued", "streaming", "complete", "stopped", "blocked", "failed", "interrupted"]
"""State of a message. A user's message is always `complete`."""

RUNNING: frozenset[TurnState] = frozenset({"queued", "streaming"})

OwnerKind = Literal["local", "operator", "member", "visitor", "guest"]
"""`local`: the one person of a loopback start. `operator`: used the operator's link, or a person who may
operate. `member`: every other person who signs in. `visitor`: used the start link, or an open server.
`guest`: used a tester link."""

ConversationKind = Literal["chat", "replay"]
"""`chat`: what a person sees as theirs, calls that a key keeps included. `replay`: another model's reply to
what is in a chat. Only chats are listed, searched, exported, counted and moved, have titles made, and are
told of to the pages of their owner."""

LONGEST_REPLY = 4096
"""Tokens that are reserved for a reply of a link with a token limit, if nothing else limits its length."""

REPEATED = "repetition"
"""Why a judge's answer ended (its `finish_reason`) that only said the same again: with what it had said."""

JournalKind = Literal["text", "reasoning", "tool", "moved"]
"""`moved`, without text: all text so far is reasoning."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of conversations. name: of a guest, the title of the link, or none. `link_id` is the link
    they used, whose validity admits them; `None` for an operator whose link no longer creates operators.
    link: that link, where one owner was asked for. key: the API key they asked with."""

    id: str
    kind: OwnerKind
    name: str
    link_id: str | None
    created_at: datetime
    link: Link | None = field(default=None, repr=False, compare=False)
    key: ApiKey | None = field(default=None, repr=False, compare=False)

    @property
    def operates(self) -> bool:
        """Whether they may see and change what applies to everyone: moderation, chat templates."""
        return self.kind in ("local", "operator")

    @property
    def terms(self) -> LinkTerms:
        """What they may use: the terms of the link that made them a guest, or the models of their key."""
        if self.kind != "guest":
            return NO_TERMS if self.key is None else LinkTerms(models=self.key.terms.models)
        if self.link is None:
            raise ValueError("the link of this guest was not read")
        return self.link.terms


@dataclass(frozen=True, slots=True)
class MovableChats:
    """How many chats of another owner can be taken over."""

    giver: Owner
    chats: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """How many conversations were deleted. running: whether a turn still runs in any of what was deleted."""

    conversations: int
    running: bool


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A version of a prompt template that a text was made from. values: of its variables, if stored."""

    id: str
    version: int
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, Any]:
        """Its identity, as JSON values."""
        return {"id": self.id, "version": self.version, "name": self.name}


@dataclass(frozen=True, slots=True)
class ConversationSettings:
    """The settings of a conversation; `None` means the model's own default. model: a `ModelKey` of
    `webchat.models` as text, or a bare name as older versions stored it. persona: the template that the
    system prompt equals, word for word. inputs: values of the inputs that a function takes beside the
    conversation, see `backends.inputs`; a missing one has its default."""

    model: str | None = None
    system_prompt: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    persona: TemplateUse | None = None
    inputs: Mapping[str, InputValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation in a list, without anything long. `running` is true while any of its turns runs."""

    id: str
    owner_id: str
    title: str
    title_by: Literal["auto", "model", "user"]
    pinned: bool
    archived: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    active_leaf_id: str | None
    running: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Conversation(ListedConversation):
    """One conversation as its owner sees it."""

    settings: ConversationSettings
    kind: ConversationKind = field(default="chat", kw_only=True)


@dataclass(frozen=True, slots=True)
class TrashItem:
    """A deletion that can be restored: a conversation, or messages of one that remains.

    id: of the conversation, or of the message the deletion started with. title: the conversation's. role,
    excerpt, count: for messages: the role and beginning of the first, and how many were deleted with it.
    """

    kind: Literal["conversation", "messages"]
    id: str
    conversation_id: str
    title: str
    deleted_at: datetime
    role: Role | None = None
    excerpt: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a turn failed: `code` is translated; `message` and `cure` are English."""

    code: str
    message: str
    cure: str = ""
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """The open comparison that a reply is a side of. running: whether one of its two sides still runs."""

    id: str
    running: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One node of a conversation's tree.

    text, reasoning: everything released so far; of a running turn this is the journal folded up to `seq`.
    seq: the number of journal entries folded into `text` and `reasoning` (0 for a user's message).
    siblings: ids of all messages under the same parent with the same role, oldest first, this one included.
    continues: the reply this one wrote on from; its text is the beginning of this text.
    reasoning_seconds: from the first to the last piece of reasoning.
    judged: whether its owner said anything of it, a rating or more.
    prompt_tokens, completion_tokens: what the reply took of the model's window. first_sent: the oldest
    message of its path that the model was sent, where older ones were left out. masked: in how many places
    personal data was kept from the model.
    template: the prompt template a person's message was made from. compared: set until its person has voted:
    nothing may tell them which model wrote it.
    tool_calls, tool_call_id: as in `backends.types.Message`. cut_calls: how many tool calls were not whole
    when the reply broke off; they are not kept.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    author_id: str | None
    text: str
    reasoning: str
    state: TurnState
    created_at: datetime
    finished_at: datetime | None = None
    finish_reason: str | None = None
    failure: Failure | None = None
    model: str | None = None
    continues: str | None = None
    reasoning_seconds: float | None = None
    rating: int = 0
    judged: bool = False
    seq: int = 0
    siblings: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_sent: str | None = None
    masked: int = 0
    template: TemplateUse | None = None
    compared: Compared | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    cut_calls: int = 0

    @property
    def running(self) -> bool:
        return self.state in RUNNING


@dataclass(frozen=True, slots=True)
class PathMessage:
    """The parts of a message that prompts need: role, text, and how a reply ended. before: for the first of a
    path, how many older ones were not read. tool_calls, tool_call_id: as in `backends.types.Message`."""

    id: str
    role: Role
    text: str
    state: TurnState
    template: TemplateUse | None = None
    before: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @classmethod
    def of(cls, message: Message) -> PathMessage:
        return cls(
            message.id,
            message.role,
            message.text,
            message.state,
            message.template,
            tool_calls=message.tool_calls,
            tool_call_id=message.tool_call_id,
        )

    @property
    def chars(self) -> int:
        """Of everything a model reads of it."""
        return len(self.text) + calls_chars(self.tool_calls)

    @property
    def read_by_models(self) -> bool:
        """Models are not sent empty and refused replies."""
        return (
            self.role != "assistant"
            or bool(self.tool_calls)
            or bool(self.text.strip() and self.state != "blocked")
        )


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a reply, stored with it. Times in seconds from the start of the turn.

    model is the name in the picker, model_id the one the backend reported. template names the prompt template
    and its version: the persona's, if there is one. prompt holds the messages as sent. options: the fields of
    `backends.types.Options` that a program asked with, as JSON; `None` if it asked with none.
    """

    backend: str | None = None
    model: str | None = None
    model_id: str | None = None
    revision: str | None = None
    adapter: str | None = None
    template: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    seed: int | None = None
    prompt: tuple[Mapping[str, Any], ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    queued_seconds: float | None = None
    first_token_seconds: float | None = None
    total_seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a reply's model was sent, as recorded at the time.

    messages: `{"role", "content", "id", "at"}` each, as the backend received them; `id` of the stored message
    it comes from, `None` if there is none; `at` the characters of `rendered` where its words start and end,
    if known. rendered: the text a model in this process read. token_ids: its tokens, and pieces what each
    adds to it. body: the JSON posted to an endpoint, and url its address. template: the source of the chat
    template.
    """

    messages: tuple[Mapping[str, Any], ...] = ()
    rendered: str | None = None
    token_ids: tuple[int, ...] = ()
    pieces: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = None
    url: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A piece of a running reply. `seq` counts from 1 within the message. Appended, never rewritten."""

    message_id: str
    seq: int
    kind: JournalKind
    text: str


class Piece(Protocol):
    """A piece of a journal."""

    @property
    def kind(self) -> str: ...

    @property
    def text(self) -> str: ...


def fold(text: str, reasoning: str, pieces: Iterable[Piece]) -> tuple[str, str]:
    """The text and reasoning of a reply: the given beginning followed by its journal."""
    said, thought = [text], [reasoning]
    for piece in pieces:
        if piece.kind == "text":
            said.append(piece.text)
        elif piece.kind == "reasoning":
            thought.append(piece.text)
        elif piece.kind == "moved":
            said, thought = [], [as_reasoning("".join(thought), "".join(said))]
    return "".join(said), "".join(thought)


def fold_calls(message_id: str, pieces: Iterable[Piece], *, ended: bool) -> tuple[tuple[ToolCall, ...], int]:
    """The tool calls in a journal, in the order in which they begin, and how many others were cut off. ended:
    whether the model has ended its reply; a call without its end is not kept."""
    calls: dict[int, ToolCall] = {}
    for piece in pieces:
        if piece.kind == "tool":
            for line in filter(None, piece.text.split("\n")):
                more = json.loads(line)
                index = more["index"]
                known = calls.get(index) or ToolCall(call_id(message_id, index), "", "")
                id = known.id if index in calls else more["id"] or known.id
                name = known.name + (more["name"] or "")
                calls[index] = ToolCall(id, name, known.arguments + more["arguments"])
    whole = tuple(call for call in calls.values() if ended or _is_whole(call))
    return whole, len(calls) - len(whole)


def call_id(message_id: str, index: int) -> str:
    """The id of a reply's tool call whose model gave it none."""
    return f"call_{message_id.replace('-', '')[-12:]}_{index}"


def answered_calls(path: Iterable[PathMessage | Message]) -> set[str]:
    """The ids of messages with tool calls that all have results right behind them, and of these."""
    answered: set[str] = set()
    group: list[str] = []
    missing: set[str] = set()
    for message in path:
        if message.tool_calls:
            group, missing = [message.id], {call.id for call in message.tool_calls}
        elif message.role == "tool" and message.tool_call_id in missing:
            group.append(message.id)
            missing.remove(message.tool_call_id)
            if not missing:
                answered.update(group)
        else:
            missing = set()
    return answered


def calls_chars(calls: Iterable[ToolCall]) -> int:
    return sum(len(call.name) + len(call.arguments) for call in calls)


def _is_whole(call: ToolCall) -> bool:
    """Whether the arguments are a JSON object, of which no beginning is one."""
    try:
        return bool(call.name) and isinstance(json.loads(call.arguments), dict)
    except (ValueError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class NewTurn:
    """Everything `Store.begin_turn` writes in one transaction.

    conversation_id: `None` makes a new conversation (idempotent by owner and client key).
    settings: the conversation's from now on; `None` leaves them as they are.
    parent_id: the message the new messages hang under; `None` at the root.
    user_text: text of a new user message under `parent_id`, the reply then hangs under it; `None` when the
    reply itself hangs under `parent_id` (regenerate, continue).
    continues: the reply whose text and reasoning begin the new one.
    template: what the user's text was made from.
    client_key: chosen by the page, 1 to 64 characters; the same key under the same parent begins no second
    turn. asked: a digest of what was asked with it, to tell a repeated ask from another one.
    link_id: the link it counts for. tokens: the longest reply, which is reserved if that link has a limit.
    key_id: the API key it counts for. comparison: the open one that the reply is a side of.
    kind: of a new conversation. path_hash: of what a kept call brings along, see `path_hashes`.
    """

    conversation_id: str | None
    parent_id: str | None
    user_text: str | None
    client_key: str
    model: str
    settings: ConversationSettings | None = None
    continues: str | None = None
    template: TemplateUse | None = None
    asked: str | None = None
    link_id: str | None = None
    tokens: int = LONGEST_REPLY
    key_id: str | None = None
    comparison: str | None = None
    kind: ConversationKind = "chat"
    path_hash: str | None = None


@dataclass(frozen=True, slots=True)
class NewSide:
    """One side of a new comparison. label: what its reply says it is by; model: its name. settings: what it
    is made with. tokens: its longest reply."""

    label: str
    model: str
    settings: ConversationSettings
    tokens: int = LONGEST_REPLY


@dataclass(frozen=True, slots=True)
class BegunSide:
    """A begun side of a comparison: its reply, the name of its model, what it is made with, and the most
    tokens it may have, if its link limits them."""

    reply: Message
    model: str
    settings: ConversationSettings
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class BegunTurn:
    """`created` is false when the client key was seen before: the same messages, nothing written. asked: the
    digest of what was asked then, where that is known. tokens: the most the reply may have, if its link
    limits them. sides: left and right, if it is a comparison that is still open; `reply` is the left one.
    path: the messages that the reply answers, if they were stored with it. here: whether this process runs
    it, or has to, if it does not run yet."""

    conversation: Conversation
    user: Message | None
    reply: Message
    created: bool
    asked: str | None = None
    tokens: int | None = None
    sides: tuple[BegunSide, BegunSide] | None = None
    path: tuple[PathMessage, ...] | None = None
    here: bool = True


@dataclass(frozen=True, slots=True)
class TurnElsewhere:
    """A reply that another process runs: its new entries, or the message once it has ended."""

    message_id: str
    state: TurnState
    entries: tuple[JournalEntry, ...]
    message: Message | None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A reply that runs and nobody writes."""

    message_id: str
    conversation_id: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class Lease:
    """What a process learns when it renews its lease. late: it was over, and nobody had ended it. leads: it
    is the oldest one. newer: the database has the tables of a newer version."""

    late: bool
    leads: bool
    newer: bool


@dataclass(frozen=True, slots=True)
class KeptInspection:
    """An encoded `Inspection`: content builds on that of the reply `base_id`, if any. provenance: what is
    known about the reply when its model is sent this."""

    message_id: str
    base_id: str | None
    content: bytes
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """How a turn ended; the store folds the journal into the message in the same transaction. provenance:
    `None` leaves it unchanged."""

    message_id: str
    state: TurnState
    finish_reason: str | None = None
    failure: Failure | None = None
    reasoning_seconds: float | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A server that runs or ran models. identity: distinguishes it from all others; contains addresses."""

    id: str
    identity: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A matching conversation. `snippet` is plain text around the match; `ranges` are (start, end) offsets of
    the matches within it, in characters. `message_id` is `None` if the title matched."""

    conversation_id: str
    message_id: str | None
    title: str
    snippet: str
    ranges: tuple[tuple[int, int], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; `next` is the cursor of the page after it, `None` at the end."""

    items: tuple[T, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Found(Page[SearchHit]):
    """The result of a search. Not `whole`: some conversations were not searched, because it took too long or
    the index is incomplete."""

    whole: bool = True
