"""The form of a link's terms: its fields, what they hold, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.labels import Labels
from webchat.sharing import BadTerms, TermsContent, read_terms
from webchat.sharing.links import MOST_NAME
from webchat.sharing.terms import TEXT_CHARS
from webchat.store.link_records import NO_TERMS, Feedback, Link, LinkTerms, Question

LIMITS = ("people", "conversations", "messages", "tokens", "replies_at_once", "retention_days")
EACH = ("conversations_each", "messages_each", "tokens_each")
FIELDS = (
    "name", "expires", "models", "blind", "template", "language", *LIMITS, *EACH,
    "title", "instructions", "opening", "asks", "reasons", "questions", "reply_questions",
    "consent", "training", "inspect", "system_prompt", "moderation_profile", "shares",
)  # fmt: skip
"""In the order of the form's values."""

DEFAULT_LIFETIME = "7d"
_SAME = ""
"""A lifetime that was not touched."""
_SCALE = "1-5"
_MOST_QUESTIONS_CHARS = 12_000


def create_form(label: Labels) -> list[Any]:
    """The components, in the order of `FIELDS`."""

    def named(name: str) -> Any:
        return {"label": label(f"console.link.{name}"), "elem_id": f"wc-link-{name}"}

    def hinted(name: str) -> Any:
        return {**named(name), "info": label(f"console.link.{name}_hint")}

    with gr.Row():
        name = gr.Textbox(max_length=MOST_NAME, **named("name"))
        expires = gr.Textbox(DEFAULT_LIFETIME, max_length=40, **hinted("expires"))
    with gr.Row():
        models = gr.Dropdown(choices=[], multiselect=True, **hinted("models"))
        template = gr.Dropdown(choices=[], **hinted("template"))
    with gr.Row():
        blind = gr.Checkbox(**hinted("blind"))
        language = gr.Radio(choices=[], **named("language"))
    gr.Markdown(label("console.link.limits"), elem_classes=["wc-heading"])
    with gr.Row(elem_classes=["wc-numbers"]):
        limits = [gr.Number(0, precision=0, minimum=0, min_width=140, **named(one)) for one in LIMITS]
    gr.Markdown(label("console.link.limits_each"), elem_classes=["wc-heading"])
    with gr.Row(elem_classes=["wc-numbers"]):
        limits += [gr.Number(0, precision=0, minimum=0, min_width=140, **named(one)) for one in EACH]
    gr.Markdown(label("console.link.shown"), elem_classes=["wc-heading"])
    title = gr.Textbox(max_length=MOST_NAME, **hinted("title"))
    instructions = gr.Textbox(lines=3, max_lines=10, max_length=TEXT_CHARS, **hinted("instructions"))
    opening = gr.Textbox(lines=1, max_lines=6, max_length=TEXT_CHARS, **hinted("opening"))
    consent = gr.Textbox(lines=1, max_lines=6, max_length=2000, **hinted("consent"))
    training = gr.Checkbox(**hinted("training"))
    with gr.Row():
        inspect = gr.Checkbox(True, **named("inspect"))
        system_prompt = gr.Checkbox(True, **named("system_prompt"))
    shares = gr.Checkbox(**hinted("shares"))
    # One that the rules file lost has to show, too.
    profile = gr.Dropdown(choices=[], allow_custom_value=True, **hinted("moderation_profile"))
    gr.Markdown(label("console.link.asked"), elem_classes=["wc-heading"])
    asks = gr.CheckboxGroup(choices=[], **named("asks"))
    reasons = gr.Textbox(lines=1, max_lines=8, max_length=2100, **hinted("reasons"))
    questions = gr.Textbox(lines=2, max_lines=8, max_length=_MOST_QUESTIONS_CHARS, **hinted("questions"))
    reply_questions = gr.Textbox(
        lines=1, max_lines=8, max_length=_MOST_QUESTIONS_CHARS, **hinted("reply_questions")
    )
    return [
        name, expires, models, blind, template, language, *limits,
        title, instructions, opening, asks, reasons, questions, reply_questions, consent, training, inspect,
        system_prompt, profile, shares,
    ]  # fmt: skip


async def offered(services: Services, caller: Caller) -> list[Any]:
    """The choices of models, templates, languages, feedback and profiles, in the caller's words."""
    listed = await services.store.call(services.store.list_templates, caller.owner.id)
    templates = [(one.name, one.id) for one in listed if one.scope == "shared"]
    languages = [(caller.t("console.link.any_language"), ""), ("English", "en"), ("简体中文", "zh-CN")]
    asks = [(caller.t(f"console.link.ask_{one}"), one) for one in get_args(Feedback)]
    return [
        gr.Dropdown(choices=[info.name for info in services.models.infos() if not info.unlisted]),
        gr.Dropdown(choices=[(caller.t("console.link.no_template"), ""), *templates], value=""),
        gr.Radio(choices=languages, value=""),
        gr.CheckboxGroup(choices=asks, value=list(NO_TERMS.asks)),
        gr.Dropdown(
            choices=[
                (caller.t("console.link.no_profile"), ""),
                *((name, name) for name in services.profiles),
            ],
            value="",
        ),
    ]


OFFERED = tuple(map(FIELDS.index, ("models", "template", "language", "asks", "moderation_profile")))
"""Which fields `offered` fills."""


def values_of(link: Link | None) -> list[Any]:
    """What the form holds for a link; for a new one without."""
    terms = NO_TERMS if link is None else link.terms
    return [
        "" if link is None else link.name,
        DEFAULT_LIFETIME if link is None else _SAME,
        list(terms.models),
        terms.blind,
        terms.template or "",
        terms.language,
        *(getattr(terms, name) or 0 for name in (*LIMITS, *EACH)),
        terms.title,
        terms.instructions,
        terms.opening,
        list(terms.asks),
        "\n".join(terms.reasons),
        *(_lines_of(terms.questions, per_reply=per_reply) for per_reply in (False, True)),
        terms.consent,
        terms.training,
        terms.inspect,
        terms.system_prompt,
        terms.moderation_profile,
        terms.shares,
    ]


def read_form(values: Sequence[object], old: LinkTerms = NO_TERMS) -> tuple[str, str, TermsContent]:
    """Name, lifetime and terms; the lifetime is empty where it was not touched. Raises BadTerms."""
    if len(values) != len(FIELDS):
        raise BadTerms("terms", "fields are missing")
    given = dict(zip(FIELDS, values, strict=True))
    name, expires = str(given.pop("name") or ""), str(given.pop("expires") or "").strip()
    given["template"] = given["template"] or None
    given["questions"] = _questions(
        str(given["questions"] or ""), str(given.pop("reply_questions") or ""), old.questions
    )
    for one in (*LIMITS, *EACH):
        given[one] = given[one] or None
    given["reasons"] = [one for line in str(given["reasons"] or "").splitlines() if (one := line.strip())]
    for one in ("models", "asks"):
        given[one] = given[one] or []
    for one in ("title", "instructions", "opening", "consent", "language", "moderation_profile"):
        given[one] = given[one] or ""
    return name, expires, read_terms(given)


def _lines_of(questions: Sequence[Question], *, per_reply: bool) -> str:
    return "\n".join(_line_of(one) for one in questions if one.per_reply == per_reply)


def _line_of(question: Question) -> str:
    if question.kind == "scale":
        return " | ".join((question.text, _SCALE, *question.choices))
    return " | ".join((question.text, *question.choices))


def _questions(once: str, per_reply: str, old: Sequence[Question]) -> list[dict[str, Any]]:
    """One on each line: words alone, choices, or a scale. A question whose words stay keeps its id, and with
    it the answers given to it."""
    known = {question.text: question.id for question in old}
    taken = set(known.values())
    fresh = (name for number in range(1, 100) if (name := f"q{number}") not in taken)
    read = []
    lines = [(line, each) for text, each in ((once, False), (per_reply, True)) for line in text.splitlines()]
    for line, each in lines:
        if not line.strip():
            continue
        words, *choices = (part.strip() for part in line.split("|"))
        kind = "choice" if choices else "text"
        if choices and choices[0].replace("–", "-") == _SCALE:
            kind, choices = "scale", choices[1:]
        id = known.pop(words, None) or next(fresh)
        read.append({"id": id, "text": words, "kind": kind, "choices": choices, "per_reply": each})
    return read
