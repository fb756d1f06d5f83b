"""The caller's identity, now and earlier."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Id, Time
from webchat.store import records
from webchat.store.records import OwnerKind


class Owner(Answer):
    id: str
    kind: OwnerKind
    name: str


class EarlierOwner(Owner):
    """An earlier sign-in of this browser that it can switch back to."""

    since: Annotated[Time, Field(validation_alias="created_at")]


class MovableChats(Answer):
    """Chats of another owner that an operator may take over."""

    giver: str
    kind: OwnerKind
    since: Time
    chats: int

    @classmethod
    def read(cls, found: records.MovableChats) -> Self:
        giver = found.giver
        return cls(giver=giver.id, kind=giver.kind, since=giver.created_at, chats=found.chats)


class Limits(Answer):
    message_chars: int


class Share(Answer):
    access: Literal["local", "link", "open"]


class Me(Answer):
    """boot: random ID of this start of the server."""

    owner: Owner
    earlier: tuple[EarlierOwner, ...]
    operates: bool
    movable_chats: tuple[MovableChats, ...]
    version: str
    boot: str
    default_model: str
    language: str
    limits: Limits
    share: Share


class Moved(Answer):
    """moved: how many chats."""

    moved: int


class Health(Answer):
    status: Literal["ok", "stopping", "database"]


class TakeOverBody(Body):
    giver: Id


class RedeemBody(Body):
    token: Annotated[str, Field(max_length=200)]
    confirmed: bool = False


class SwitchBody(Body):
    """id: one of the earlier owners; empty forgets an older cookie."""

    id: Annotated[str, Field(max_length=64)]
