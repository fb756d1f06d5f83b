"""The operator's view of moderation: what is on, what it would do, what it did.

For operators only; to anybody else there is nothing at these addresses.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from backends.types import Role
from webchat.api.errors import ApiError
from webchat.api.filenames import disposition
from webchat.api.reading import (
    Body,
    body_of,
    json_answer,
    operator_of,
    query_choice,
    query_cursor,
    query_id,
    query_int,
    query_text,
)
from webchat.api.services import Services
from webchat.api.wire import Json, time_json
from webchat.moderation import Context, Moderation
from webchat.moderation.describing import Description, described
from webchat.moderation.rules import BadRules
from webchat.moderation.trying import Outcome, Tried, try_rules
from webchat.moderation.trying_apart import RulesApart
from webchat.store.records import DecisionFilter, LoggedDecision, StoredText

STAGES = ("input", "prompt", "output", "stored")
ACTIONS = ("flag", "mask", "replace", "block", "allow")
TRY_SECONDS = 10.0
"""After this a dry run ends with what it has."""

AROUND = 200
"""Characters shown around what was found in a stored message."""

MOST_SHOWN = 4000
MOST_FINDINGS = 500
_EXPORT_PAGE = 50
_ROLES: dict[str, tuple[Role, ...]] = {"input": ("user",), "output": ("assistant",)}
_COLUMNS = (
    "number", "at", "moderator", "rule", "stage", "action", "owner_id", "conversation_id", "message_id",
    "model", "start", "end", "detail", "content",
)  # fmt: skip


class TryBody(Body):
    """A text, or the newest stored messages. rules: in the form of a file, instead of those in force."""

    stage: Literal["input", "prompt", "output", "stored"] = "input"
    text: Annotated[str, Field(max_length=100_000)] | None = None
    last: Annotated[int, Field(ge=1, le=500)] | None = None
    rules: Annotated[str, Field(max_length=50_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.text is None) == (self.last is None):
            raise ValueError("give either text or last")
        return self


class ModerationRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._apart = RulesApart()

    async def show(self, request: Request) -> Response:
        operator_of(request)
        services = self._services
        return json_answer(
            {
                "moderators": [_description_json(one) for one in described(services.moderators)],
                "masking": services.masking,
                "file": services.rules_file,
                "keeps_content": services.keeps_content,
                "days": services.decisions_days,
                "dropped": services.dropped_decisions(),
            }
        )

    async def try_out(self, request: Request) -> Response:
        operator = operator_of(request)
        body = await body_of(request, TryBody)
        context = Context(body.stage, operator.id)
        if body.text is not None:
            outcome = await self._tried(body.rules, context, body.text)
            return json_answer({"items": [_text_json(body.text, outcome)], "checked": 1, "whole": True})
        if body.rules is not None:  # wrong ones are told where there is nothing to try them with, too
            await self._tried(body.rules, context, "")
        texts = await self._store.call(
            self._store.newest_texts, body.last or 0, _ROLES.get(body.stage, ("user", "assistant"))
        )
        items: list[Json] = []
        checked = 0
        ends = asyncio.get_running_loop().time() + TRY_SECONDS
        for text in texts:
            outcome = await self._tried(body.rules, replace(context, owner=text.owner_id), text.text)
            checked += 1
            if outcome.found or outcome.blocked:
                items.append(_message_json(text, outcome))
            await asyncio.sleep(0)
            if asyncio.get_running_loop().time() > ends:
                break
        return json_answer({"items": items, "checked": checked, "whole": checked == len(texts)})

    async def _tried(self, rules: str | None, context: Context, text: str) -> Outcome:
        """By the rules in force, or by these."""
        if rules is None:
            return await try_rules(Moderation(self._services.moderators), context, text)
        try:
            return await self._apart.tried(rules, context, text)
        except BadRules as error:
            raise ApiError(
                422, "rules_broken", f"These rules cannot be used: {error}.", "Correct them and try again.",
                {"where": str(error)[:300]},
            ) from None  # fmt: skip

    async def decisions(self, request: Request) -> Response:
        operator_of(request)
        page = await self._store.call(
            self._store.decisions,
            _wanted(request),
            cursor=query_cursor(request),
            limit=query_int(request, "limit", 50, 1, 200),
        )
        items = [_decision_json(one) for one in page.items]
        for item in items:  # the export has all of it
            item["content"] = item["content"] and item["content"][:MOST_SHOWN]
        return json_answer({"items": items, "next": page.next})

    async def counts(self, request: Request) -> Response:
        operator_of(request)
        since = datetime.now(UTC) - timedelta(days=query_int(request, "days", 30, 1, 3650))
        counts = await self._store.call(self._store.decision_counts, since)
        return json_answer({"items": [asdict(one) for one in counts]})

    async def export(self, request: Request) -> Response:
        operator_of(request)
        form = query_choice(request, "format", "csv", "jsonl")
        pages = self._pages(_wanted(request))
        return StreamingResponse(
            _csv(pages) if form == "csv" else _jsonl(pages),
            media_type="text/csv; charset=utf-8" if form == "csv" else "application/jsonl",
            headers={
                "content-disposition": disposition(f"decisions {datetime.now(UTC):%Y-%m-%d}", f".{form}"),
                "cache-control": "no-store",
            },
        )

    async def _pages(self, wanted: DecisionFilter) -> AsyncIterator[list[Json]]:
        cursor = None
        while True:
            page = await self._store.call(self._store.decisions, wanted, cursor=cursor, limit=_EXPORT_PAGE)
            yield [_decision_json(one) for one in page.items]
            if (cursor := page.next) is None:
                return


def _wanted(request: Request) -> DecisionFilter:
    return DecisionFilter(
        rule=query_text(request, "rule") or None,
        stage=query_choice(request, "stage", "", *STAGES) or None,
        action=query_choice(request, "action", "", *ACTIONS) or None,
        conversation_id=query_id(request, "conversation"),
    )


async def _csv(pages: AsyncIterator[list[Json]]) -> AsyncIterator[bytes]:
    """With a byte order mark, without which spreadsheets misread what is not ASCII."""
    head = "\ufeff" + ",".join(_COLUMNS) + "\r\n"
    async for rows in pages:
        file = io.StringIO()
        csv.writer(file).writerows([_cell(row[name]) for name in _COLUMNS] for row in rows)
        yield (head + file.getvalue()).encode("utf-8", "replace")
        head = ""


def _cell(value: object) -> object:
    """A value no spreadsheet runs as a formula. Source: OWASP, CSV injection."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


async def _jsonl(pages: AsyncIterator[list[Json]]) -> AsyncIterator[bytes]:
    async for rows in pages:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        yield text.encode("utf-8", "replace")


def _decision_json(one: LoggedDecision) -> Json:
    return {name: time_json(one.at) if name == "at" else getattr(one, name) for name in _COLUMNS}


def _description_json(one: Description) -> Json:
    return {**asdict(one), "stages": list(one.stages), "rules": [asdict(rule) for rule in one.rules]}


def _text_json(text: str, outcome: Outcome) -> Json:
    return {"text": text, "from": 0, "result": outcome.result, **_outcome_json(outcome, outcome.found)}


def _message_json(stored: StoredText, outcome: Outcome) -> Json:
    """Of a stored message only the words around what was found: `text`, which begins at the character
    `from`."""
    first = max(0, min((one.start for one in outcome.found), default=0) - AROUND)
    last = max((one.end for one in outcome.found), default=0) + AROUND
    shown = stored.text[first : min(last, first + MOST_SHOWN)]
    found = [one for one in outcome.found if one.start <= first + len(shown)]
    return {
        "message_id": stored.message_id,
        "conversation_id": stored.conversation_id,
        "owner_id": stored.owner_id,
        "role": stored.role,
        "at": time_json(stored.at),
        "text": shown,
        "from": first,
        "length": len(stored.text),
        "result": None,
        **_outcome_json(outcome, found),
    }


def _outcome_json(outcome: Outcome, found: Sequence[Tried]) -> Json:
    return {
        "blocked": outcome.blocked,
        "sentence": outcome.sentence,
        "own": outcome.own,
        "findings": [asdict(one) for one in found[:MOST_FINDINGS]],
        "found": len(outcome.found),
    }
