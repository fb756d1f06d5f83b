"""Read-only shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Id, Time
from webchat.store import records, share_records

Days = Annotated[int, Field(ge=1, le=3650)]
SharePassword = Annotated[str, Field(min_length=4, max_length=200)]
ShareTitle = Annotated[str, Field(max_length=200)]


class ShareBody(Body):
    """messages: ids of the chosen ones, of the active branch; all of it without. days: until it expires,
    never without. reasoning, models: whether these are shown, too. masked: replace personal data. preview:
    let other sites show its title and beginning where the link is posted. title: in place of the chat's."""

    conversation_id: Id
    messages: Annotated[tuple[Id, ...] | None, Field(min_length=1, max_length=2000)] = None
    reasoning: bool = False
    models: bool = False
    masked: bool = False
    days: Days | None = None
    password: SharePassword | None = None
    allow_copy: bool = False
    preview: bool = False
    title: ShareTitle = ""


class ShareChange(Body):
    """Only fields that are present change anything. title: empty for none. days: from now, `null` for never;
    password: `null` for none."""

    title: ShareTitle = ""
    days: Days | None = None
    password: SharePassword | None = None
    allow_copy: bool = False


class ShareCopyBody(Body):
    """password: of a share that has one."""

    password: Annotated[str, Field(max_length=200)] | None = None


class SharedChat(Answer):
    """path: of its page, relative to the server's address. password: whether it has one. over: it has
    expired."""

    id: str
    path: str
    conversation_id: str
    title: str
    created_at: Time
    expires_at: Time | None
    messages: int
    views: int
    password: bool
    allow_copy: bool
    preview: bool
    masked: bool
    over: bool

    @classmethod
    def read(cls, share: share_records.Share) -> Self:
        return cls(
            id=share.id,
            path=f"s/{share.id}",
            conversation_id=share.conversation_id,
            title=share.title,
            created_at=share.created_at,
            expires_at=share.expires_at,
            messages=share.messages,
            views=share.views,
            password=share.password_hash is not None,
            allow_copy=share.allow_copy,
            preview=share.preview,
            masked=share.masked,
            over=share.ended(datetime.now(UTC)),
        )


class SharedChats(Answer):
    """Shares, newest first."""

    items: tuple[SharedChat, ...]
    next: str | None

    @classmethod
    def read(cls, page: records.Page[share_records.Share]) -> Self:
        return cls(items=tuple(SharedChat.read(item) for item in page.items), next=page.next)
