"""Tester links: for operators, and as their guests see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Time
from webchat.sharing import LinkState, NewLink, TermsContent, state_of
from webchat.store.link_records import Feedback, LinkAnswer, LinkLanguage, LinkLeft, ListedLink, QuestionKind
from webchat.store.link_records import Link as LinkRecord

LinkName = Annotated[str, Field(max_length=200)]
Lifetime = Annotated[str, Field(max_length=40)]


class Question(Answer):
    """choices: of a `choice`; the named ends of a `scale` from 1 to 5. per_reply: asked about each reply, not
    once."""

    id: str
    text: str
    kind: QuestionKind
    choices: tuple[str, ...]
    per_reply: bool


class Consent(Answer):
    """accepted: the version the caller accepted, 0 for none; sending needs the current one."""

    text: str
    version: int
    accepted: int


class Left(Answer):
    """Limits, or what is left of them; `null` where there is none."""

    conversations: int | None
    messages: int | None
    tokens: int | None


class GuestLink(Answer):
    """The link of a guest. left: to the caller, of the limits of the whole link and of each person whatever
    is less; limits: those that it is left of. name: its title for them, may be empty. answers: theirs to the
    questions asked once, by the question's id. reasons: offered with a rating; empty for the usual ones.
    blind: models are "Model A", "Model B"."""

    name: str
    instructions: str
    opening: str
    language: LinkLanguage
    questions: tuple[Question, ...]
    answers: dict[str, str | int]
    asks: tuple[Feedback, ...]
    reasons: tuple[str, ...]
    consent: Consent | None
    limits: Left
    left: Left
    blind: bool
    inspect: bool
    system_prompt: bool
    template: str | None
    expires_at: Time | None

    @classmethod
    def read(cls, link: LinkRecord, left: LinkLeft, accepted: int, answers: Mapping[str, str | int]) -> Self:
        terms = link.terms
        consent = None
        if terms.consent:
            consent = Consent(text=terms.consent, version=terms.consent_version, accepted=accepted)
        return cls(
            name=link.title,
            instructions=terms.instructions,
            opening=terms.opening,
            language=terms.language,
            questions=tuple(Question.of(question) for question in terms.questions),
            answers={
                question.id: answers[question.id]
                for question in terms.questions
                if question.id in answers and not question.per_reply
            },
            asks=tuple(one for one in terms.asks if one != "compare" or terms.compares),
            reasons=terms.reasons,
            consent=consent,
            limits=Left.of(left.limits),
            left=Left.of(left),
            blind=terms.blind,
            inspect=terms.shows_inspect,
            system_prompt=terms.system_prompt,
            template=terms.template,
            expires_at=link.expires_at,
        )


class LinkTerms(Answer):
    """Explained at `webchat.store.link_records.LinkTerms`."""

    models: tuple[str, ...]
    blind: bool
    template: str | None
    title: str
    opening: str
    instructions: str
    language: LinkLanguage
    people: int | None
    conversations: int | None
    messages: int | None
    tokens: int | None
    replies_at_once: int | None
    conversations_each: int | None
    messages_each: int | None
    tokens_each: int | None
    asks: tuple[Feedback, ...]
    reasons: tuple[str, ...]
    questions: tuple[Question, ...]
    consent: str
    consent_version: int
    training: bool
    inspect: bool
    system_prompt: bool
    retention_days: int | None
    moderation_profile: str
    shares: bool


class Link(Answer):
    """A link in the operator's list. people, conversations, messages, tokens: used so far; running: replies
    being written; reserved: tokens reserved for those."""

    id: str
    name: str
    state: LinkState
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    paused_at: Time | None
    last_used_at: Time | None
    people: int
    conversations: int
    messages: int
    tokens: int
    ratings: int
    running: int
    reserved: int
    terms: LinkTerms

    @classmethod
    def read(cls, listed: ListedLink, now: datetime) -> Self:
        link = listed.link
        return cls(
            id=link.id,
            name=link.name,
            state=state_of(link, now),
            created_at=link.created_at,
            expires_at=link.expires_at,
            revoked_at=link.revoked_at,
            paused_at=link.paused_at,
            last_used_at=link.last_used_at,
            people=link.uses,
            conversations=link.conversations,
            messages=link.messages,
            tokens=link.tokens,
            ratings=listed.ratings,
            running=listed.running,
            reserved=listed.reserved,
            terms=LinkTerms.of(link.terms),
        )


class LinkPage(Answer):
    """next: cursor of the next page, `null` at the end."""

    items: tuple[Link, ...]
    next: str | None


class MadeLink(Answer):
    """A new link. url: what to hand out; it is never shown again."""

    link: Link
    url: str

    @classmethod
    def read(cls, made: NewLink, base: str, now: datetime) -> Self:
        return cls(link=Link.read(ListedLink(made.link, 0, 0, 0), now), url=made.url(base))


class GivenAnswer(Answer):
    """One guest's answer. question: as it was asked."""

    person: str
    question: Question
    value: str | int
    at: Time

    @classmethod
    def read(cls, answer: LinkAnswer) -> Self:
        return cls(
            person=answer.owner_id, question=Question.of(answer.question), value=answer.value, at=answer.at
        )


class GivenAnswerPage(Answer):
    items: tuple[GivenAnswer, ...]
    next: str | None


class Handover(Answer):
    """code: to be typed on another device at `url` before `expires_at`, once. qr: an SVG of both."""

    code: str
    expires_at: Time
    url: str
    qr: str


class NewLinkBody(Body):
    """expires: `12h`, `7d`, `2w`, a date such as `2027-01-31`, or `never`."""

    name: LinkName
    expires: Lifetime = "7d"
    terms: TermsContent = TermsContent()


class LinkBody(Body):
    """Missing fields stay unchanged, those of `terms` too."""

    name: LinkName | None = None
    expires: Lifetime | None = None
    paused: bool | None = None
    terms: TermsContent | None = None


class DuplicateLinkBody(Body):
    """name: of the new link; without it, the same."""

    name: LinkName | None = None


class ConsentBody(Body):
    """version: of the sentence that was read."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


GivenAnswers = Annotated[
    dict[
        Annotated[str, Field(max_length=20)],
        Annotated[str, Field(max_length=4000)] | Annotated[int, Field(ge=1, le=5)] | None,
    ],
    Field(max_length=5),
]


class AnswersBody(Body):
    """answers: by the question's id; a number from 1 to 5 for a scale, one of the choices, or words; `null`
    takes an answer back."""

    answers: GivenAnswers


class HandoverBody(Body):
    """code: spaces, dashes and case do not matter. confirmed: whoever is signed in here is left."""

    code: Annotated[str, Field(max_length=60)]
    confirmed: bool = False
