"""Answers to a link's own questions."""

from __future__ import annotations

from collections.abc import Mapping

from backends.errors import ExplainedError
from webchat.store.link_records import LinkTerms, Question

SCALE = range(1, 6)


class BadAnswer(ExplainedError):
    """An answer that does not fit its question. question: its id."""

    code = "bad_answer"
    status = 422
    message = "An answer does not fit its question."
    cure = "Reload the page and answer again."

    def __init__(self, question: str) -> None:
        super().__init__(params={"question": question})


def checked_answers(
    terms: LinkTerms, given: Mapping[str, str | int | None], *, per_reply: bool = False
) -> dict[str, tuple[Question, str | int | None]]:
    """The answers with the questions they belong to, which are asked once or about each reply. Raises
    `BadAnswer`."""
    asked = {question.id: question for question in terms.questions if question.per_reply == per_reply}
    found: dict[str, tuple[Question, str | int | None]] = {}
    for id, value in given.items():
        question = asked.get(id)
        if question is None or not (value is None or fits(question, value)):
            raise BadAnswer(id)
        found[id] = (question, None if value == "" else value)
    return found


def fits(question: Question, value: str | int) -> bool:
    """Whether a value answers the question."""
    match question.kind:
        case "scale":
            return isinstance(value, int) and value in SCALE
        case "choice":
            return value in question.choices
        case "text":
            return isinstance(value, str)
