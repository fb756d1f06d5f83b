"""Recently deleted."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Literal, Self

from backends.types import Role
from webchat.api.wire.base import Answer, Time
from webchat.store import records


class TrashItem(Answer):
    """ends_at: when it is deleted permanently. The other fields are explained at
    `webchat.store.records.TrashItem`."""

    kind: Literal["conversation", "messages"]
    id: str
    conversation_id: str
    title: str
    deleted_at: Time
    ends_at: Time
    role: Role | None
    excerpt: str
    count: int


class TrashPage(Answer):
    """days: how long deleted items can be restored."""

    items: tuple[TrashItem, ...]
    next: str | None
    days: int

    @classmethod
    def kept(cls, page: records.Page[records.TrashItem], keeps: timedelta) -> Self:
        items = [{**asdict(item), "ends_at": item.deleted_at + keeps} for item in page.items]
        return cls.of({"items": items, "next": page.next, "days": keeps.days})
