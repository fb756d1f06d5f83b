"""Owners, the people among them, and how they sign in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    String,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id, partial


class OwnerRow(Base):
    """Whoever conversations belong to. conversations, messages, tokens: what somebody who came by a link has
    used of it."""

    __tablename__ = "owners"
    __table_args__ = (
        # One local owner, also when two starts race for it.
        partial("uq_owners_local", "kind", unique=True, where="kind = 'local'"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str]
    link_id: Mapped[str | None] = mapped_column(Id, ForeignKey("links.id"), index=True)
    created_at: Mapped[datetime]
    conversations: Mapped[int] = mapped_column(server_default="0")
    messages: Mapped[int] = mapped_column(server_default="0")
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class PersonRow(Base):
    """People who sign in. Their name is their owner's, and an operator is an owner of that kind. trains:
    whether they let their judgements train models."""

    __tablename__ = "people"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    issuer: Mapped[str]
    subject: Mapped[str]
    email: Mapped[str | None]
    password_hash: Mapped[str | None]
    seen_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    trains: Mapped[bool] = mapped_column(server_default=false())


class SessionRow(Base):
    """Where people are signed in; of the token only its hash."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("people.owner_id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    device: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ApiKeyRow(Base):
    """Keys for programs; of the secret only a hash. tokens: what models wrote for it on `day`."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(String(32), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    models: Mapped[list[Any]]
    stored: Mapped[bool]
    requests_per_minute: Mapped[int | None]
    tokens_per_day: Mapped[int | None] = mapped_column(BigInteger)
    at_once: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    day: Mapped[str] = mapped_column(String(10), server_default="")
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class LoginRow(Base):
    """Sign-ins under way at a provider: what must be known when the browser comes back."""

    __tablename__ = "logins"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)
