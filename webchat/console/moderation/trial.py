"""Rules on trial: on a text, or on the newest messages of everybody. Nothing is stored or recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.api.errors import ApiError
from webchat.api.moderation import ModerationRoutes
from webchat.api.wire.moderation import Trial, TrialBody, TriedText
from webchat.console.asking import Caller, refuse
from webchat.console.moderation.words import STAGES, action_name, rule_name, sentences
from webchat.console.times import moment, plain

MOST_TEXT = 40_000
MOST_RULES = 20_000
MOST_LAST = 500
MOST_SHOWN = 50
"""Messages whose words are shown, of those that rules would act on."""

COLOURS = {
    "block": "#dc2626",
    "mask": "#7c3aed",
    "replace": "#2563eb",
    "flag": "#b45309",
    "allow": "#15803d",
}
"""Of actions. Gradio puts white words on them, and the marked words on a paler one."""

Tokens = list[tuple[str, str | float | None]]
"""A text in pieces, each with the label of what was found there."""


class Trials:
    """The handlers. Each returns the verdict in words, the texts with what was found, and what would pass."""

    def __init__(self, services: Services) -> None:
        self._routes = ModerationRoutes(services)

    async def text(self, caller: Caller, text: object, stage: object, rules: object) -> list[Any]:
        if not isinstance(text, str) or not text or len(text) > MOST_TEXT:
            raise refuse(caller, "moderation.text_missing", most=f"{MOST_TEXT:,}")
        return await self._tried(caller, stage, rules, text=text)

    async def last(self, caller: Caller, last: object, stage: object, rules: object) -> list[Any]:
        if not isinstance(last, int | float) or not 1 <= last <= MOST_LAST or last != int(last):
            raise refuse(caller, "moderation.last_wrong", most=MOST_LAST)
        return await self._tried(caller, stage, rules, last=int(last))

    async def _tried(self, caller: Caller, stage: object, rules: object, **tried: Any) -> list[Any]:
        if stage not in STAGES or not isinstance(rules, str | None) or len(rules or "") > MOST_RULES:
            raise refuse(caller, "error.bad_request")
        given = rules if rules and rules.strip() else None
        try:
            trial = await self._routes.try_out(caller.owner, TrialBody(stage=stage, rules=given, **tried))
        except ApiError as error:
            if error.code != "rules_broken":
                raise
            where = plain(str(error.params["where"]))
            return [f"**{caller.t('error.rules_broken')}** {where}", *_nothing()]
        return _of_messages(caller, trial) if "last" in tried else _of_text(caller, trial.items[0])


def _of_text(caller: Caller, item: TriedText) -> list[Any]:
    said = list[str]()
    if item.blocked:
        said.append(_refused(caller, item))
    elif not item.findings:
        said.append(caller.t("moderation.nothing_found"))
    said += _tally(caller, [item])
    if item.blocked and not item.result:
        said.append(caller.t("moderation.result_none"))
    label = caller.t("moderation.result_before" if item.blocked else "moderation.result")
    tokens = marked(caller, item) if item.findings else []
    return [
        "\n\n".join(said),
        _highlighted(caller, tokens, [item]),
        gr.Textbox(item.result or "", label=label, visible=bool(item.result)),
    ]


def _of_messages(caller: Caller, trial: Trial) -> list[Any]:
    checked = caller.t("moderation.checked", count=trial.checked, found=len(trial.items))
    said = sentences(caller, checked, "" if trial.whole else caller.t("moderation.not_whole"))
    shown = trial.items[:MOST_SHOWN]
    notes = _tally(caller, trial.items)
    if len(shown) < len(trial.items):
        notes.append(caller.t("moderation.first_shown", count=MOST_SHOWN))
    tokens: Tokens = []
    for item in shown:
        who = caller.t(f"moderation.by.{item.role}")
        when = "" if item.at is None else moment(caller, item.at)
        tokens.append((f"{who} · {when} · …{(item.message_id or '')[-8:]}\n", None))
        tokens += [("… ", None)] if item.start else []
        tokens += marked(caller, item)
        tokens += [(" …", None)] if item.start + len(item.text) < (item.length or 0) else []
        tokens.append(("\n\n", None))
    return [
        "\n\n".join([said, *notes]),
        _highlighted(caller, tokens[:-1], shown),
        gr.Textbox("", visible=False),
    ]


def marked(caller: Caller, item: TriedText) -> Tokens:
    """The text with its findings; of those that overlap the first is marked whole."""
    tokens: Tokens = []
    at = 0
    for one in item.findings:
        start = max(at, one.start - item.start)
        end = max(start, min(one.end - item.start, len(item.text)))
        if end > start:
            tokens += [(item.text[at:start], None)] if start > at else []
            tokens.append((item.text[start:end], _label(caller, one)))
            at = end
    return [*tokens, (item.text[at:], None)] if at < len(item.text) else tokens


def _label(caller: Caller, one: Any) -> str:
    names = {"action": action_name(caller, one.action), "rule": rule_name(caller, one.rule)}
    said = caller.t("moderation.finding", **names) + (f" ({one.detail})" if one.detail else "")
    return f"{said} → {one.instead}" if one.instead else said


def _highlighted(caller: Caller, tokens: Tokens, items: Sequence[TriedText]) -> gr.HighlightedText:
    colours = {_label(caller, one): COLOURS[one.action] for item in items for one in item.findings}
    return gr.HighlightedText(tokens, color_map=colours, visible=bool(tokens))


def _tally(caller: Caller, items: Sequence[TriedText]) -> list[str]:
    """How often each rule would do what, the most frequent first."""
    counts = Counter((one.rule, one.action) for item in items for one in item.findings)
    lines = [
        "- "
        + caller.t(
            "moderation.tally",
            rule=plain(rule_name(caller, rule)),
            action=action_name(caller, action),
            count=count,
        )
        for (rule, action), count in counts.most_common()
    ]
    partly = any(item.found > len(item.findings) for item in items)
    return [*(["\n".join(lines)] if lines else []), *([caller.t("moderation.not_all")] if partly else [])]


def _refused(caller: Caller, item: TriedText) -> str:
    rule = plain(rule_name(caller, item.blocked or ""))
    # Built-in sentences are in English.
    sentence = plain(item.sentence) if item.own or caller.language == "en" else ""
    return sentences(caller, f"**{caller.t('moderation.blocked_by', rule=rule)}**", sentence)


def _nothing() -> list[Any]:
    return [gr.HighlightedText([], visible=False), gr.Textbox("", visible=False)]
