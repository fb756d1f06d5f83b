"""The operator's view of moderation: what is active, what it would do, what it did.

For operators only; for anyone else these addresses do not exist.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Query
from pydantic import JsonValue
from starlette.responses import Response, StreamingResponse

from backends.types import Role
from webchat.api.errors import ApiError
from webchat.api.filenames import disposition
from webchat.api.reading import Cursor, Operator, QueryId, QueryText
from webchat.api.services import Services
from webchat.api.wire.moderation import (
    DecisionCounts,
    DecisionPage,
    Moderation,
    ModerationDecision,
    Trial,
    TrialBody,
    TriedText,
)
from webchat.moderation import Context
from webchat.moderation import Moderation as Rules
from webchat.moderation.describing import described
from webchat.moderation.rules import BadRules
from webchat.moderation.trying import Outcome, Tried, try_rules
from webchat.moderation.verdicts import Action, Stage
from webchat.store.decision_records import DecisionFilter, StoredText

AnyStage = Annotated[Literal[Stage, ""], Query()]
AnyAction = Annotated[Literal[Action, ""], Query()]
Pages = AsyncIterator[list[dict[str, JsonValue]]]

TRY_SECONDS = 10.0
"""Time limit of a dry run, which then reports what it has."""

AROUND = 200
"""Characters shown around what was found in a stored message."""

MOST_SHOWN = 4000
MOST_FINDINGS = 500
_EXPORT_PAGE = 50
_ROLES: dict[str, tuple[Role, ...]] = {"input": ("user",), "output": ("assistant",)}
_COLUMNS = tuple(ModerationDecision.model_fields)


class ModerationRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def show(self, operator: Operator) -> Moderation:
        """The active moderators, and what is masked."""
        services = self._services
        return Moderation.of(
            {
                "moderators": described(services.moderators),
                "profiles": {name: described(some) for name, some in services.profiles.items()},
                "masking": services.masking,
                "file": services.rules_file,
                "keeps_content": services.keeps_content,
                "days": services.decisions_days,
                "dropped": services.dropped_decisions(),
            }
        )

    async def try_out(self, operator: Operator, body: TrialBody) -> Trial:
        """What the rules would do with a text, or with the newest stored messages. Stores nothing."""
        context = Context(body.stage, operator.id)
        if body.text is not None:
            outcome = await self._tried(body.rules, context, body.text)
            return Trial(items=(_of_text(body.text, outcome),), checked=1, whole=True)
        if body.rules is not None:  # wrong ones are told where there is nothing to try them with, too
            await self._tried(body.rules, context, "")
        texts = await self._store.call(
            self._store.newest_texts, body.last or 0, _ROLES.get(body.stage, ("user", "assistant"))
        )
        items: list[TriedText] = []
        checked = 0
        ends = asyncio.get_running_loop().time() + TRY_SECONDS
        for text in texts:
            outcome = await self._tried(body.rules, replace(context, owner=text.owner_id), text.text)
            checked += 1
            if outcome.found or outcome.blocked:
                items.append(_of_message(text, outcome))
            await asyncio.sleep(0)
            if asyncio.get_running_loop().time() > ends:
                break
        return Trial(items=tuple(items), checked=checked, whole=checked == len(texts))

    async def _tried(self, rules: str | None, context: Context, text: str) -> Outcome:
        """With the active rules, or with the given ones."""
        if rules is None:
            return await try_rules(Rules(self._services.moderators), context, text)
        try:
            return await self._services.rules_apart.tried(rules, context, text)
        except BadRules as error:
            raise ApiError(
                422, "rules_broken", f"These rules cannot be used: {error}.", "Correct them and try again.",
                {"where": str(error)[:300]},
            ) from None  # fmt: skip

    async def decisions(
        self,
        operator: Operator,
        rule: QueryText = "",
        stage: AnyStage = "",
        action: AnyAction = "",
        conversation: QueryId = None,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DecisionPage:
        """What moderators decided, the latest first."""
        wanted = DecisionFilter(rule or None, stage or None, action or None, conversation)
        page = await self._store.call(self._store.decisions, wanted, cursor=cursor, limit=limit)
        # The export has all of it.
        items = [replace(one, content=one.content and one.content[:MOST_SHOWN]) for one in page.items]
        return DecisionPage.of({"items": items, "next": page.next})

    async def counts(
        self, operator: Operator, days: Annotated[int, Query(ge=1, le=3650)] = 30
    ) -> DecisionCounts:
        """How often each rule acted in the last days."""
        since = datetime.now(UTC) - timedelta(days=days)
        return DecisionCounts.of({"items": await self._store.call(self._store.decision_counts, since)})

    async def export(
        self,
        operator: Operator,
        form: Annotated[Literal["csv", "jsonl"], Query(alias="format")] = "csv",
        rule: QueryText = "",
        stage: AnyStage = "",
        action: AnyAction = "",
        conversation: QueryId = None,
    ) -> Response:
        """All decisions as a file."""
        pages = self._pages(DecisionFilter(rule or None, stage or None, action or None, conversation))
        return StreamingResponse(
            _csv(pages) if form == "csv" else _jsonl(pages),
            media_type="text/csv; charset=utf-8" if form == "csv" else "application/jsonl",
            headers={
                "content-disposition": disposition(f"decisions {datetime.now(UTC):%Y-%m-%d}", f".{form}"),
                "cache-control": "no-store",
            },
        )

    async def _pages(self, wanted: DecisionFilter) -> Pages:
        cursor = None
        while True:
            page = await self._store.call(self._store.decisions, wanted, cursor=cursor, limit=_EXPORT_PAGE)
            yield [ModerationDecision.of(one).model_dump(mode="json") for one in page.items]
            if (cursor := page.next) is None:
                return


async def _csv(pages: Pages) -> AsyncIterator[bytes]:
    """With a byte order mark, without which spreadsheets misread non-ASCII text."""
    head = "\ufeff" + ",".join(_COLUMNS) + "\r\n"
    async for rows in pages:
        file = io.StringIO()
        csv.writer(file).writerows([_cell(row[name]) for name in _COLUMNS] for row in rows)
        yield (head + file.getvalue()).encode("utf-8", "replace")
        head = ""


def _cell(value: object) -> object:
    """A value that no spreadsheet executes as a formula. Source: OWASP, CSV injection."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


async def _jsonl(pages: Pages) -> AsyncIterator[bytes]:
    async for rows in pages:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        yield text.encode("utf-8", "replace")


def _of_text(text: str, outcome: Outcome) -> TriedText:
    return TriedText.of(
        {**_outcome(outcome, outcome.found), "text": text, "start": 0, "result": outcome.result}
    )


def _of_message(stored: StoredText, outcome: Outcome) -> TriedText:
    """Only the words around each finding in a stored message."""
    first = max(0, min((one.start for one in outcome.found), default=0) - AROUND)
    last = max((one.end for one in outcome.found), default=0) + AROUND
    shown = stored.text[first : min(last, first + MOST_SHOWN)]
    found = [one for one in outcome.found if one.start <= first + len(shown)]
    return TriedText.of(
        {
            **asdict(stored),
            **_outcome(outcome, found),
            "text": shown,
            "start": first,
            "length": len(stored.text),
            "result": None,
        }
    )


def _outcome(outcome: Outcome, found: Sequence[Tried]) -> dict[str, object]:
    return {
        "blocked": outcome.blocked,
        "sentence": outcome.sentence,
        "own": outcome.own,
        "findings": found[:MOST_FINDINGS],
        "found": len(outcome.found),
    }
