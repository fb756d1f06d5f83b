"""Which moderators are active, in the order they act, and how to set some up where there are none."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.moderation.words import (
    kind_name,
    listed,
    rule_name,
    sentences,
    stage_name,
)
from webchat.console.times import plain
from webchat.moderation.describing import Description, described
from webchat.sentences import locale

COLUMNS = ("rule", "does", "checks", "looks_for", "sentence", "fails")
TIDY = "tidy"
"""The kind that readies texts for the others; no rule of anybody."""

_EXAMPLE = """\
[[moderators]]
kind = "phrases"
action = "block"
phrases = ["secret project", "机密项目"]
sentence = "{sentence}"

[[moderators]]
kind = "secrets"

[[moderators]]
kind = "limits"
most_a_minute = 20
"""


class Rules:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, caller: Caller) -> list[Any]:
        """What is lost, the table, what is to know about it, and where there are no rules, how to set some
        up."""
        services = self._services
        moderators = described(services.moderators)
        rows = [self._row(caller, one) for one in moderators]
        for name, some in services.profiles.items():
            rows += [self._row(caller, one, name) for one in described(some) if one.kind != TIDY]
        active = any(one.kind != TIDY for one in moderators) or bool(services.profiles)
        dropped = services.dropped_decisions()
        lost = caller.t("moderation.dropped", count=dropped) if dropped else ""
        return [
            gr.Markdown(lost, visible=bool(dropped)),
            gr.Dataframe(
                rows,
                headers=[caller.t(f"moderation.column.{name}") for name in COLUMNS],
                visible=active,
            ),
            self._about(caller, active),
            gr.Column(visible=not active),
            gr.Code(example(caller)),
        ]

    def _about(self, caller: Caller, active: bool) -> str:
        services = self._services
        parts = list[str]()
        if active and services.rules_file is not None:
            file = caller.t("moderation.file", path=plain(services.rules_file))
            parts.append(sentences(caller, caller.t("moderation.order"), file))
        if services.profiles:
            parts.append(caller.t("moderation.profile_is"))
        masking = services.masking
        if masking is not None:
            parts.append(f"#### {caller.t('moderation.masking')}")
            parts.append(caller.t(f"moderation.masking.{masking.when}"))
            if masking.when != "off":
                kinds = listed(caller, [rule_name(caller, f"personal.{kind}") for kind in masking.kinds])
                keep = caller.t(f"moderation.masking.keep.{masking.keep}")
                parts.append(sentences(caller, caller.t("moderation.masking.kinds", kinds=kinds), keep))
        keeps = "keeps_content" if services.keeps_content else "keeps_no_content"
        kept = caller.t(f"moderation.{keeps}", days=services.decisions_days)
        return "\n\n".join([*parts, f"#### {caller.t('moderation.privacy')}", kept])

    def _row(self, caller: Caller, one: Description, profile: str = "") -> list[str]:
        kind = kind_name(caller, one.kind)
        if one.kind == TIDY:
            return [kind, "", "", caller.t("moderation.what_tidy"), "", ""]
        name = kind if one.kind == one.name else f"{one.name} ({kind})"
        said = dict.fromkeys(rule.sentence for rule in one.rules if rule.action == "block")
        fails = caller.t(f"moderation.fail.{one.fail}")
        return [
            f"{caller.t('moderation.profile', name=profile)}\n{name}" if profile else name,
            caller.t(f"moderation.does.{one.action or 'mixed'}"),
            listed(caller, [stage_name(caller, stage) for stage in one.stages]),
            looked_for(caller, one),
            "\n".join(filter(None, said)),
            caller.t("moderation.fails_after", fails=fails, seconds=f"{one.seconds:g}"),
        ]


def looked_for(caller: Caller, one: Description) -> str:
    limits = [rule for rule in one.rules if rule.most is not None]
    if limits:
        return listed(caller, [caller.t(f"moderation.limit.{rule.id}", most=rule.most) for rule in limits])
    if one.kind != "secrets" and f"moderation.count.{one.kind}" in locale(caller.language):
        return caller.t(f"moderation.count.{one.kind}", count=one.count)
    names = [rule_name(caller, rule.id) for rule in one.rules]
    return listed(caller, names) if len(names) > 1 or one.kind == "secrets" else ""


def example(caller: Caller) -> str:
    """A file of rules to begin with."""
    return _EXAMPLE.format(sentence=caller.t("moderation.example_sentence"))
