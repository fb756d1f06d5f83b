"""What moderators decided, the newest first, and how often each rule acted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from webchat.api import Services
from webchat.console.asking import Caller
from webchat.console.moderation.words import ACTIONS, STAGES, action_name, rule_name, stage_name
from webchat.console.times import moment, plain
from webchat.store.decision_records import DecisionCount, DecisionFilter, LoggedDecision
from webchat.store.errors import NotFound

MOST_SHOWN = 50
DAYS = (7, 30, 90)
LOG_COLUMNS = ("when", "rule", "action", "stage", "where", "detail", "number")
COUNT_COLUMNS = ("rule", "action", "count", "share", "id")
EXPORT = "../api/moderation/decisions/export"
_MOST_CHARS = 4000
_MOST_DAYS = 3650
_MOST_NAME = 200
_MOST_ID = 64
_BAR = 12
"""Characters of the longest bar."""


class Decisions:
    """The handlers. Each returns new values of components, in the order in which it is bound to them."""

    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def rules(self, caller: Caller, chosen: object) -> gr.Dropdown:
        """The choice of a rule: those that decided anything."""
        since = datetime.now(UTC) - timedelta(days=_MOST_DAYS)
        counts: list[DecisionCount] = await self._store.call(self._store.decision_counts, since)
        names = sorted({count.rule for count in counts})
        value = chosen if chosen in names else ""
        return gr.Dropdown(choices=_rule_choices(caller, names), value=value)

    async def show(self, caller: Caller, *filters: object) -> list[Any]:
        """The newest decisions that the filters leave, and where the files of all of these are."""
        wanted = read_filters(filters)
        named = {"rule": wanted.rule, "stage": wanted.stage, "action": wanted.action}
        asked = {**named, "conversation": wanted.conversation_id}
        given = {name: value for name, value in asked.items() if value is not None}
        files = [
            gr.Button(link=f"{EXPORT}?{urlencode({'format': form, **given})}") for form in ("csv", "jsonl")
        ]
        return [*await self._page(caller, wanted, None), *files]

    async def older(self, caller: Caller, cursor: object, *filters: object) -> list[Any]:
        """The page of decisions behind the one that is shown."""
        after = cursor if isinstance(cursor, str) and len(cursor) <= _MOST_ID else None
        return await self._page(caller, read_filters(filters), after)

    async def _page(self, caller: Caller, wanted: DecisionFilter, cursor: str | None) -> list[Any]:
        page = await self._store.call(self._store.decisions, wanted, cursor=cursor, limit=MOST_SHOWN)
        rows = [self._row(caller, one) for one in page.items]
        headers = [caller.t(f"moderation.column.{name}") for name in LOG_COLUMNS]
        none = "moderation.none" if wanted == DecisionFilter() else "moderation.none_such"
        return [
            gr.Dataframe(rows, headers=headers, visible=bool(rows)),
            gr.Markdown(caller.t(none), visible=not rows),
            page.next,
            gr.Button(visible=page.next is not None),
            gr.Column(visible=False),
        ]

    async def about(self, caller: Caller, row: Sequence[object]) -> list[Any]:
        """All that is known of the decision in a row of the table, and the text around where that is kept."""
        number = row[-1] if row else None
        if isinstance(number, bool) or not str(number).isdecimal() or len(str(number)) > 18:
            raise NotFound("decision")
        before = str(int(str(number)) + 1)
        page = await self._store.call(self._store.decisions, cursor=before, limit=1)
        if not page.items or page.items[0].number != int(str(number)):
            raise NotFound("decision")
        one: LoggedDecision = page.items[0]
        content = (one.content or "")[:_MOST_CHARS]
        return [
            gr.Column(visible=True),
            self._described(caller, one),
            gr.Textbox(content, visible=bool(content)),
        ]

    async def counts(self, caller: Caller, days: object) -> list[Any]:
        """How often each rule acted in the last days."""
        asked = days if isinstance(days, int) and days in DAYS else DAYS[1]
        since = datetime.now(UTC) - timedelta(days=asked)
        counts: list[DecisionCount] = await self._store.call(self._store.decision_counts, since)
        most = max((one.count for one in counts), default=0)
        rows = [
            [
                rule_name(caller, one.rule),
                action_name(caller, one.action),
                f"{one.count:,}",
                "█" * max(1, round(_BAR * one.count / most)),
                one.rule,
            ]
            for one in counts
        ]
        headers = [caller.t(f"moderation.column.{name}") for name in COUNT_COLUMNS]
        said = caller.t("moderation.none_in", count=asked)
        if rows:
            said = caller.t("moderation.sum", count=sum(one.count for one in counts), days=asked)
        return [said, gr.Dataframe(rows, headers=headers, visible=bool(rows))]

    async def in_log(self, caller: Caller, row: Sequence[object]) -> list[Any]:
        """The filters of the log, for the rule and the action in a row of the counts, and the log's tab."""
        if len(row) != len(COUNT_COLUMNS) or not _is_name(row[-1]):
            raise NotFound("rule")
        rule = str(row[-1])
        actions = {action_name(caller, action): action for action in ACTIONS}
        return [
            gr.Dropdown(choices=_rule_choices(caller, [rule]), value=rule),
            "",
            actions.get(str(row[1]), ""),
            "",
            gr.Tabs(selected="log"),
        ]

    def _row(self, caller: Caller, one: LoggedDecision) -> list[str]:
        return [
            moment(caller, one.at),
            rule_name(caller, one.rule),
            action_name(caller, one.action),
            stage_name(caller, one.stage),
            _short(caller, one.conversation_id),
            " · ".join(filter(None, (one.model, one.detail))),
            str(one.number),
        ]

    def _described(self, caller: Caller, one: LoggedDecision) -> str:
        maker = one.moderator if not one.rule.startswith(one.moderator) else ""
        parts = [
            action_name(caller, one.action),
            stage_name(caller, one.stage),
            *filter(None, (maker, one.model, one.detail)),
            f"{one.at:%Y-%m-%d %H:%M:%S} UTC",
            caller.t("moderation.place", start=one.start, end=one.end),
        ]
        lines = [f"**{plain(rule_name(caller, one.rule))}** · " + " · ".join(map(plain, parts))]
        for name, id in (("conversation_id", one.conversation_id), ("message_id", one.message_id)):
            if id is not None:
                lines.append(f"{caller.t(f'moderation.{name}')}: {plain(id)}")
        if one.conversation_id is not None and one.owner_id == caller.owner.id:
            asked = {"c": one.conversation_id, **({"m": one.message_id} if one.message_id else {})}
            lines.append(f"[{caller.t('moderation.open')}](../?{urlencode(asked)})")
        return "\n\n".join(lines)


def read_filters(filters: Sequence[object]) -> DecisionFilter:
    """Of rule, stage, action and conversation; what cannot be one filters nothing."""
    rule, stage, action, conversation = filters
    return DecisionFilter(
        str(rule) if _is_name(rule) else None,
        str(stage) if stage in STAGES else None,
        str(action) if action in ACTIONS else None,
        conversation[:_MOST_ID].strip() or None if isinstance(conversation, str) else None,
    )


def _rule_choices(caller: Caller, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(caller.t("moderation.all"), ""), *((rule_name(caller, name), name) for name in names)]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_NAME


def _short(caller: Caller, id: str | None) -> str:
    return caller.t("moderation.new_conversation") if id is None else f"…{id[-8:]}"
