"""Webhooks and their deliveries, as the store hands them out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

WebhookEvent = Literal["reply.ended", "judgement.saved", "vote.saved", "test"]
"""`reply.ended`: a reply is stored, however it ended. `judgement.saved`: what a person says of a reply was
stored, for the first time or changed. `vote.saved`: a comparison was voted on. `test`: sent by hand."""

EVENTS: tuple[WebhookEvent, ...] = tuple(one for one in get_args(WebhookEvent) if one != "test")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are sent. secret: signs them. content: whether they carry what people and models wrote, as
    far as operators may read it. told_at: of the last success; problem: of the last failure since then, as
    `webchat.webhooks.problem_text` reads it. disabled_at: since when nothing is sent."""

    id: str
    url: str
    secret: str = field(repr=False)
    events: tuple[WebhookEvent, ...]
    content: bool
    created_at: datetime
    told_at: datetime | None = None
    problem: str = ""
    disabled_at: datetime | None = None


MOST_DELIVERIES = 100_000
"""Kept for one webhook, about: the oldest beyond are dropped when old data is cleaned up."""


@dataclass(frozen=True, slots=True)
class ListedWebhook:
    """waiting, dead: how many of its deliveries are to be sent, and are not tried any more."""

    webhook: Webhook
    waiting: int
    dead: int

    @property
    def full(self) -> bool:
        """Whether its oldest deliveries are dropped."""
        return self.waiting + self.dead >= MOST_DELIVERIES


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to tell a webhook. id: the same in all attempts. subject: the message, judgement or
    comparison that it is about. tries: this one included."""

    id: str
    webhook_id: str
    event: WebhookEvent
    subject: str
    created_at: datetime
    tries: int


EventData = dict[str, Any]
