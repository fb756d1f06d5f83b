"""The caller's identity, now and earlier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field

from webchat.api.wire.base import Answer, Body, Id, Time
from webchat.api.wire.links import GuestLink
from webchat.store import people_records, records
from webchat.store.people_records import PASSWORD_ISSUER
from webchat.store.records import OwnerKind


class Owner(Answer):
    id: str
    kind: OwnerKind
    name: str


class EarlierOwner(Owner):
    """An earlier sign-in of this browser that it can switch back to."""

    since: Annotated[Time, Field(validation_alias="created_at")]


class MovableChats(Answer):
    """Chats that the caller made as somebody else, and may move here. name: of that one."""

    giver: str
    kind: OwnerKind
    name: str
    since: Time
    chats: int

    @classmethod
    def read(cls, found: records.MovableChats) -> Self:
        giver = found.giver
        return cls(
            giver=giver.id, kind=giver.kind, name=giver.name, since=giver.created_at, chats=found.chats
        )


class Limits(Answer):
    message_chars: int


class Share(Answer):
    access: Literal["local", "link", "open"]


class Person(Answer):
    """Somebody who signs in. password: whether they do so with a password kept here; proxy: whether the proxy
    in front does it for them. trains: whether they let their judgements train models."""

    name: str
    email: str | None
    password: bool
    proxy: bool
    trains: bool

    @classmethod
    def read(cls, person: people_records.Person) -> Self:
        return cls(
            name=person.name,
            email=person.email,
            password=person.issuer == PASSWORD_ISSUER,
            proxy=person.proxied,
            trains=person.trains,
        )


class Session(Answer):
    """A device on which the caller is signed in. current: the one that asks."""

    id: str
    device: str
    created_at: Time
    used_at: Time
    current: bool


class SessionList(Answer):
    sessions: tuple[Session, ...]

    @classmethod
    def read(cls, found: Sequence[people_records.Session], current: str) -> Self:
        return cls(
            sessions=tuple(
                Session(
                    id=one.id,
                    device=one.device,
                    created_at=one.created_at,
                    used_at=one.used_at,
                    current=one.id == current,
                )
                for one in found
            )
        )


class PageEntry(Answer):
    """A page of another package at `/pages/<name>`. titles: by language."""

    name: str
    titles: dict[str, str]


class Saved(Answer):
    """Snapshots of the database. age: seconds since everything stored was in one, `null` before the first.
    failed: the last attempt. rivals: another server goes on with the same history in the same place."""

    age: float | None
    failed: bool
    rivals: bool


class Me(Answer):
    """boot: random ID of this start of the server. person: of a caller who signed in; sign_in: whether
    anybody can; sign_out_url: where people leave the proxy that signs them in. link: of a guest. shares:
    which read-only shares the caller may make. reviews: whether a queue has
    something for the caller to review. saved: for operators, where snapshots are made. ephemeral: all chats
    end with the next restart of the server."""

    owner: Owner
    person: Person | None
    sign_in: bool
    sign_out_url: str | None
    earlier: tuple[EarlierOwner, ...]
    operates: bool
    movable_chats: tuple[MovableChats, ...]
    version: str
    boot: str
    default_model: str
    language: str
    limits: Limits
    share: Share
    link: GuestLink | None
    pages: tuple[PageEntry, ...]
    shares: Literal["off", "masked", "on"]
    reviews: bool
    saved: Saved | None
    ephemeral: bool


class Moved(Answer):
    """moved: how many chats."""

    moved: int


class Health(Answer):
    status: Literal["ok", "degraded", "stopping", "database"]


class TakeOverBody(Body):
    giver: Id


class RedeemBody(Body):
    token: Annotated[str, Field(max_length=200)]
    confirmed: bool = False


class SignInBody(Body):
    name: Annotated[str, Field(max_length=200)]
    password: Annotated[str, Field(max_length=1000)]


class TrainingBody(Body):
    trains: bool


class PasswordBody(Body):
    current: Annotated[str, Field(max_length=1000)]
    new: Annotated[str, Field(max_length=1000)]


class NameBody(Body):
    name: Annotated[str, Field(min_length=1, max_length=100)]


class SwitchBody(Body):
    """id: one of the earlier owners; empty forgets an older cookie."""

    id: Annotated[str, Field(max_length=64)]
