"""Judging replies, and what operators make of judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from webchat.api.errors import not_found
from webchat.api.filenames import disposition
from webchat.api.reading import Caller, Cursor, Operator, PathId, QueryId, QueryText, bad_query
from webchat.api.services import Services
from webchat.api.wire.judgements import (
    Judgement,
    JudgementBody,
    JudgementPage,
    ReviewBody,
    Reviewed,
    ReviewedJudgement,
)
from webchat.api.wire.messages import Message, RatingBody
from webchat.moderation import Context
from webchat.sharing.answers import checked_answers
from webchat.sharing.judging import check_asked
from webchat.store.judgement_records import Answer, JudgementChange, JudgementFilter, Rating, ReviewState
from webchat.store.records import Owner


class Judgements:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def look(self, owner: Caller, id: PathId) -> Judgement:
        """What the caller said of a reply."""
        return Judgement.read(await self._store.call(self._store.own_judgement, owner.id, id))

    async def put(self, owner: Caller, id: PathId, body: JudgementBody) -> Judgement:
        """Say something of a reply, also while it is written. 403 before the consent sentence is accepted,
        422 for what the caller's link does not ask."""
        change = JudgementChange(
            cast("Rating | None", body.rating),
            None if body.reasons is None else tuple(body.reasons),
            body.comment,
            None if body.answers is None else _answers(owner, body.answers),
            body.better,
            body.seq,
        )
        return await self._judged(owner, id, change)

    async def _judged(self, owner: Owner, id: str, change: JudgementChange) -> Judgement:
        check_asked(owner, change)
        message = await self._store.call(self._store.message, owner.id, id)
        context = Context(
            "input",
            owner.id,
            conversation_id=message.conversation_id,
            message_id=id,
            counts=False,
            profile=owner.terms.moderation_profile,
        )
        comment, better = change.comment, change.better
        if comment:
            comment = await self._services.review.text(context, comment)
        if better:
            better = await self._services.review.text(context, better)
        answers = change.answers and tuple(
            [
                replace(one, value=await self._services.review.text(context, str(one.value)))
                if one.question.kind == "text" and one.value
                else one
                for one in change.answers
            ]
        )
        change = replace(change, comment=comment, better=better, answers=answers)
        judged = await self._store.call(self._store.judge, owner.id, id, change)
        self._services.turns.changed(owner.id, message.conversation_id)
        return Judgement.read(judged)

    async def withdraw(self, owner: Caller, id: PathId) -> None:
        """Delete what the caller said of a reply."""
        message = await self._store.call(self._store.message, owner.id, id)
        await self._store.call(self._store.withdraw_judgement, owner.id, id)
        self._services.turns.changed(owner.id, message.conversation_id)

    async def rate(self, owner: Caller, id: PathId, body: RatingBody) -> Message:
        """The rating alone, as `PUT /api/messages/{id}/judgement` takes it: 1, -1, or 0 for none."""
        await self._judged(owner, id, JudgementChange(rating=cast("Rating", body.value)))
        return Message.of(await self._store.call(self._store.message, owner.id, id), owner)

    async def list(
        self,
        operator: Operator,
        model: QueryText = "",
        link: QueryId = None,
        template: QueryText = "",
        since: QueryText = "",
        before: QueryText = "",
        rating: Annotated[int | None, Query(ge=-1, le=1)] = None,
        reason: QueryText = "",
        person: QueryId = None,
        review: Annotated[ReviewState | None, Query()] = None,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> JudgementPage:
        """Judgements, the newest first. since, before: times with a time zone."""
        wanted = JudgementFilter(
            model=model or None,
            link_id=link,
            template=template or None,
            since=_moment("since", since),
            before=_moment("before", before),
            rating=cast("Rating | None", rating),
            reason=reason or None,
            person=person,
            review=review,
        )
        page = await self._store.call(self._store.judgements, operator.id, wanted, cursor=cursor, limit=limit)
        return JudgementPage(items=tuple(map(ReviewedJudgement.read, page.items)), next=page.next)

    async def take(self, operator: Operator, id: PathId) -> Response:
        """The file of an export that was begun in the console, once: it is deleted when it was received."""
        exports = self._services.judgement_exports
        if exports is None:
            raise not_found()
        size, pieces = exports.take(operator.id, id)
        name = disposition(f"judgements {datetime.now(UTC):%Y-%m-%d}", ".zip")
        headers = {"content-disposition": name, "content-length": str(size), "cache-control": "no-store"}
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)

    async def review(self, operator: Operator, body: ReviewBody) -> Reviewed:
        """Say which judgements are accepted for exports. `edited` takes a better answer, for one of them."""
        if (body.state == "edited") != bool(body.better.strip()) or (body.better and len(body.shown) > 1):
            raise bad_query("better")
        shown = {one.id: one.changed_at for one in body.shown}
        done = await self._store.call(
            self._store.review_judgements, operator.id, shown, body.state, body.better
        )
        return Reviewed(reviewed=done.reviewed, changed=done.changed, unread=done.unread)


def _answers(owner: Owner, given: Mapping[str, str | int | None]) -> tuple[Answer, ...]:
    """Raises `BadAnswer`."""
    checked = checked_answers(owner.terms, given, per_reply=True)
    return tuple(Answer(question, "" if value is None else value) for question, value in checked.values())


def _moment(name: str, text: str) -> datetime | None:
    """Raises `ApiError`."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise bad_query(name) from None
    if moment.tzinfo is None:
        raise bad_query(name)
    return moment
