"""What a new set is made of: which replies, and what they are checked for."""

from __future__ import annotations

from typing import Any, TypeGuard

import gradio as gr

from webchat.console.feedback.reviewing import after, day_of
from webchat.console.labels import Labels
from webchat.feedback.replay import Check
from webchat.store.replay_records import ReplayChoice

FILTERS = ("link", "rating", "of_model", "reason", "since", "until", "judged")
CHECKS = ("contains", "lacks", "matches", "json")
RATINGS = {"good": 1, "bad": -1}
_TEXT_CHARS = 20_000


def choice_of(
    every_reply: bool,
    link: object = "",
    rating: object = "",
    model: object = "",
    reason: object = "",
    since: object = "",
    until: object = "",
    judged: object = False,
) -> ReplayChoice:
    """What the fields ask for, in the order of `FILTERS`; what they cannot mean is left out. until: the last
    day."""
    return ReplayChoice(
        judged=judged is True,
        link_id=link if is_id(link) else None,
        model=model if isinstance(model, str) and model else None,
        rating=RATINGS.get(rating) if isinstance(rating, str) else None,
        reason=reason if isinstance(reason, str) and reason else None,
        since=day_of(since),
        before=after(day_of(until)),
        every_reply=every_reply,
    )


def checks_of(
    contains: object = "", lacks: object = "", matches: object = "", json: object = False
) -> list[Check]:
    """The checks in the fields, in the order of `CHECKS`: one for each line."""
    return [
        *(Check("contains", line) for line in _lines(contains)),
        *(Check("lacks", line) for line in _lines(lacks)),
        *(Check("matches", line) for line in _lines(matches)),
        *([Check("json")] if json is True else ()),
    ]


def is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 64


def _lines(text: object) -> list[str]:
    found = text.splitlines() if isinstance(text, str) else ()
    return [line.strip() for line in found if line.strip()]


def create_fields(label: Labels) -> tuple[list[Any], list[Any]]:
    """The fields of both, in their order."""

    def named(name: str) -> Any:
        return {"label": label(f"console.replay.{name}"), "elem_id": f"wc-replay-{name}"}

    def choice(name: str) -> gr.Dropdown:
        return gr.Dropdown([(label("console.replay.all"), "")], value="", **named(name))

    def lines(name: str) -> gr.Textbox:
        return gr.Textbox(lines=2, max_lines=6, max_length=_TEXT_CHARS, **named(name))

    with gr.Row(elem_classes=["wc-bar"]):
        chosen: list[Any] = [choice(name) for name in FILTERS[:4]]
    with gr.Row(elem_classes=["wc-bar"]):
        chosen += [gr.DateTime(include_time=False, type="string", **named(name)) for name in FILTERS[4:6]]
    chosen.append(gr.Checkbox(**named("judged")))
    gr.Markdown(label("console.replay.checks_are"), elem_classes=["wc-note"])
    with gr.Row(elem_classes=["wc-bar"]):
        checks: list[Any] = [lines(name) for name in CHECKS[:3]]
    checks.append(gr.Checkbox(**named("json")))
    return chosen, checks
