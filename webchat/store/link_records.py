"""Tester links, as the store hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from string import ascii_uppercase
from typing import Literal

LinkLanguage = Literal["", "en", "zh-CN"]
Feedback = Literal["thumbs", "tags", "better_answer", "compare"]
QuestionKind = Literal["choice", "scale", "text"]
LinkEnd = Literal["", "link_revoked", "link_expired", "link_paused"]


@dataclass(frozen=True, slots=True)
class Question:
    """A link's own question. choices: of a `choice`; the two ends of a `scale` from 1 to 5, if they have
    names. per_reply: asked about each reply, not once of each tester."""

    id: str
    text: str
    kind: QuestionKind = "text"
    choices: tuple[str, ...] = ()
    per_reply: bool = False


@dataclass(frozen=True, slots=True)
class LinkTerms:
    """What people who came by a link may use, and how much; the defaults restrict nothing.

    models: names, empty for all. blind: they are shown as "Model A", "Model B", in this order. template:
    id of the one shared prompt template or persona. title: what people are shown in place of the link's
    name, which is the operator's; empty for that name, or for none if the link is blind. opening: the
    first message shown. instructions: Markdown. people, conversations, messages, tokens, replies_at_once:
    limits of the whole link, `None` for none; tokens are those that models write. conversations_each,
    messages_each, tokens_each: limits of every one of its people. asks: what people are asked about replies.
    reasons: offered with a rating in place of the usual ones. consent: the sentence they have to accept;
    consent_version rises when it changes. training: whether that sentence says that what they write may
    train models.
    inspect: whether they see what models were sent and where replies come from. system_prompt: whether
    they see and set system prompts. retention_days: after so many days without a change, a conversation
    is deleted; `None` keeps it. moderation_profile: rules that apply to what they write and read, beside
    everybody's; empty for none. shares: whether they may share their chats.
    """

    models: tuple[str, ...] = ()
    blind: bool = False
    template: str | None = None
    title: str = ""
    opening: str = ""
    instructions: str = ""
    language: LinkLanguage = ""
    people: int | None = None
    conversations: int | None = None
    messages: int | None = None
    tokens: int | None = None
    replies_at_once: int | None = None
    conversations_each: int | None = None
    messages_each: int | None = None
    tokens_each: int | None = None
    asks: tuple[Feedback, ...] = ("thumbs",)
    reasons: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    consent: str = ""
    consent_version: int = 0
    training: bool = False
    inspect: bool = True
    system_prompt: bool = True
    retention_days: int | None = None
    moderation_profile: str = ""
    shares: bool = False

    @property
    def shown_models(self) -> tuple[str, ...]:
        """What the models are shown as, in order."""
        if not self.blind:
            return self.models
        return tuple(f"Model {ascii_uppercase[at]}" for at in range(len(self.models)))

    @property
    def hides(self) -> bool:
        """Whether something is kept from people: their models' names, prompts, or what models were sent."""
        return self.blind or not (self.inspect and self.system_prompt)

    @property
    def own_prompts(self) -> bool:
        """Whether people write system prompts and use any template; otherwise, only the link's template."""
        return self.template is None and self.system_prompt

    def shows_model(self, name: str | None) -> str | None:
        """A stored name of a model as its people may read it: chats may be older than the blinding."""
        return name if not self.blind or name in self.shown_models else None

    @property
    def compares(self) -> bool:
        """Whether people are asked to compare two replies, and may have both written at once."""
        return "compare" in self.asks and self.replies_at_once != 1

    @property
    def shows_inspect(self) -> bool:
        """Both tell which model it is."""
        return self.inspect and not self.blind


NO_TERMS = LinkTerms()


@dataclass(frozen=True, slots=True)
class Link:
    """A tester link. Only a hash of its token is stored. uses: the people it admitted; conversations,
    messages, tokens: what they have used, without the tokens reserved for running replies."""

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    uses: int
    paused_at: datetime | None = None
    terms: LinkTerms = NO_TERMS
    conversations: int = 0
    messages: int = 0
    tokens: int = 0

    @property
    def title(self) -> str:
        """What its people may read it is called; may be empty. The name of a blind link may name models."""
        return self.terms.title or ("" if self.terms.blind else self.name)

    def end(self, now: datetime) -> LinkEnd:
        """Why it admits nobody at present; empty while it does."""
        if self.revoked_at is not None:
            return "link_revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "link_expired"
        return "" if self.paused_at is None else "link_paused"


@dataclass(frozen=True, slots=True)
class ListedLink:
    """A link in the operator's list. ratings: by its people. running: replies being written. reserved: tokens
    reserved for those."""

    link: Link
    ratings: int
    running: int
    reserved: int


@dataclass(frozen=True, slots=True)
class LinkUse:
    """What one of a link's people has used, without the tokens reserved for running replies."""

    conversations: int = 0
    messages: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class LinkLimits:
    conversations: int | None = None
    messages: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LinkLeft:
    """What is left to somebody of a link's limits, `None` where there is none: of those of the whole link and
    of each person whatever is less. limits: those that this is left of. Tokens reserved for running replies
    are still left: most of them come back."""

    conversations: int | None
    messages: int | None
    tokens: int | None
    limits: LinkLimits


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """What a guest answered to a question; `value` is a number for a scale, else a text."""

    owner_id: str
    question: Question
    value: str | int
    at: datetime


@dataclass(frozen=True, slots=True)
class LinkRatings:
    """How often the people of a link rated the replies of a model. model: as it was named; may be empty."""

    link: str
    model: str
    good: int
    bad: int
