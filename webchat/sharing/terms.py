"""The terms of a link as people write them: on the wire, in a file, in the console. Checked here alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any

from pydantic import Field, ValidationError

from backends.errors import ExplainedError
from webchat.prompts.content import Strict
from webchat.store.link_records import Feedback, LinkLanguage, LinkTerms, Question, QuestionKind

MOST_MODELS = 26
MOST_QUESTIONS = 5
MOST_COUNT = 2**31 - 1
TEXT_CHARS = 20_000

Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Text = Annotated[str, Field(max_length=TEXT_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class BadTerms(ExplainedError):
    """Terms that cannot be. field: which one."""

    code = "link_terms"
    status = 422
    cure = "Correct it and try again."

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", params={"field": field, "reason": message})


def _thumbs() -> list[Feedback]:
    return ["thumbs"]


class QuestionContent(Strict):
    """id: kept for answers; without one, the question gets its number."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,20}$")] = ""
    text: Annotated[str, Field(min_length=1, max_length=500)]
    kind: QuestionKind = "text"
    choices: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=20)] = (
        Field(default_factory=list)
    )
    per_reply: bool = False


class TermsContent(Strict):
    """What is left out stays as it is, or unrestricted for a new link. The fields are explained at
    `webchat.store.link_records.LinkTerms`."""

    models: Annotated[list[Name], Field(max_length=MOST_MODELS)] = Field(default_factory=list)
    blind: bool = False
    template: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    opening: Text = ""
    instructions: Text = ""
    language: LinkLanguage = ""
    people: Count | None = None
    conversations: Count | None = None
    messages: Count | None = None
    tokens: Count | None = None
    replies_at_once: Count | None = None
    conversations_each: Count | None = None
    messages_each: Count | None = None
    tokens_each: Count | None = None
    asks: Annotated[list[Feedback], Field(max_length=4)] = Field(default_factory=_thumbs)
    reasons: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=20)] = (
        Field(default_factory=list)
    )
    questions: Annotated[list[QuestionContent], Field(max_length=MOST_QUESTIONS)] = Field(
        default_factory=list
    )
    consent: Annotated[str, Field(max_length=2000)] = ""
    training: bool = False
    inspect: bool = True
    system_prompt: bool = True
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    moderation_profile: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    shares: bool = False

    def onto(self, terms: LinkTerms) -> LinkTerms:
        """The terms with what was given in place of the old. Raises `BadTerms`."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "reasons" in given:
            given["reasons"] = tuple(filter(None, map(str.strip, given["reasons"])))
        for name in ("models", "asks"):
            if name in given:
                given[name] = tuple(given[name])
        for name in ("title", "opening", "instructions", "consent"):
            if name in given:
                given[name] = given[name].strip()
        if "questions" in given:
            given["questions"] = tuple(
                Question(
                    one.id or f"q{number}", one.text.strip(), one.kind, tuple(one.choices), one.per_reply
                )
                for number, one in enumerate(self.questions, 1)
            )
        changed = replace(terms, **given)
        check_terms(changed)
        return changed


def check_terms(terms: LinkTerms) -> None:
    """Raise `BadTerms` for terms that contradict themselves."""
    if len(set(terms.models)) != len(terms.models):
        raise BadTerms("models", "a model is named twice")
    if terms.blind and not terms.models:
        raise BadTerms("blind", "name the models whose names are hidden")
    if len(set(terms.asks)) != len(terms.asks):
        raise BadTerms("asks", "something is asked twice")
    if len(set(terms.reasons)) != len(terms.reasons):
        raise BadTerms("reasons", "a reason is named twice")
    if "compare" in terms.asks and terms.replies_at_once == 1:
        raise BadTerms("replies_at_once", "a comparison writes two replies at once: allow 2, or ask for none")
    if terms.training and not terms.consent:
        raise BadTerms("training", "write the consent sentence that says so")
    ids = [question.id for question in terms.questions]
    for number, question in enumerate(terms.questions, 1):
        where, choices = f"questions.{number}", question.choices
        if ids.count(question.id) > 1:
            raise BadTerms(where, f"another question has the id {question.id!r}")
        if not question.text:
            raise BadTerms(where, "the question has no text")
        if len(set(choices)) != len(choices):
            raise BadTerms(where, "a choice is named twice")
        if question.kind == "choice" and len(choices) < 2:
            raise BadTerms(where, "a choice needs at least two choices")
        if question.kind == "scale" and len(choices) not in (0, 2):
            raise BadTerms(where, "a scale has two named ends, or none")
        if question.kind == "text" and choices:
            raise BadTerms(where, "a question that is answered in words has no choices")


def expected(told: str) -> str:
    """What pydantic says of a value, as the end of a sentence."""
    return re.sub("^(Input|Value|String|List|Dictionary) should ", "it has to ", told)


def read_terms(given: Mapping[str, object]) -> TermsContent:
    """Terms from a file or a form: JSON values by name. Raises `BadTerms`."""
    try:
        return TermsContent.model_validate_json(json.dumps(given, ensure_ascii=False))
    except (ValidationError, TypeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise BadTerms("terms", "a value is neither text, number, yes or no, nor a list") from None
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100] or "terms"
        unknown = first["type"] == "extra_forbidden"
        names = ", ".join(field.name for field in fields(LinkTerms) if field.name != "consent_version")
        raise BadTerms(
            place, f"there is no such term; there are {names}" if unknown else expected(first["msg"])
        ) from None
