"""What operators set up, and what they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from webchat.store.database.tables.base import Base, Id, Number


class PromptTemplateRow(Base):
    """Prompt templates; `version` is the number of the newest one."""

    __tablename__ = "prompt_templates"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    scope: Mapped[str] = mapped_column(String(16), index=True)
    name: Mapped[str]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class PromptTemplateVersionRow(Base):
    """What a prompt template was at each of its saves. Never changed; going back is another version."""

    __tablename__ = "prompt_template_versions"

    template_id: Mapped[str] = mapped_column(Id, ForeignKey("prompt_templates.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    author_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    created_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(server_default="")
    content: Mapped[dict[str, Any]]


class ModelServerRow(Base):
    """Servers that models run or ran on. `identity` tells one from all others and holds its address; `id` is
    what conversations keep of it. Rows stay, for the conversations of a server that is gone."""

    __tablename__ = "model_servers"

    id: Mapped[str] = mapped_column(String(10), primary_key=True)
    identity: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class ChatTemplateRow(Base):
    """Chat templates the operator gave models, by the model's name. The highest number counts; `text` NULL is
    the way back to the model's own."""

    __tablename__ = "chat_templates"

    model: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    author_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    created_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(server_default="")
    text: Mapped[str | None]


class DecisionRow(Base):
    """Decisions of moderators. Ids without foreign keys: the log outlives what it refers to. `content` is
    empty unless the operator keeps it."""

    __tablename__ = "decisions"
    __table_args__ = (
        # Newest first by whatever the log is asked for, and counts that read nothing but an index.
        Index("ix_decisions_rule", "rule", "number"),
        Index("ix_decisions_stage", "stage", "number"),
        Index("ix_decisions_action", "action", "number"),
        Index("ix_decisions_conversation_id", "conversation_id", "number"),
        Index("ix_decisions_at", "at", "rule", "moderator", "action"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    at: Mapped[datetime]
    moderator: Mapped[str]
    rule: Mapped[str]
    stage: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str | None] = mapped_column(Id)
    conversation_id: Mapped[str | None] = mapped_column(Id)
    message_id: Mapped[str | None] = mapped_column(Id)
    model: Mapped[str | None]
    start: Mapped[int]
    end: Mapped[int]
    detail: Mapped[str | None]
    content: Mapped[str | None]


class WebhookRow(Base):
    """Where operators want to be told what happens. secret: signs what is sent, so it is kept as it is."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    url: Mapped[str]
    secret: Mapped[str] = mapped_column(String(128))
    events: Mapped[list[Any]]
    content: Mapped[bool]
    created_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(server_default="")
    disabled_at: Mapped[datetime | None]


class DeliveryRow(Base):
    """What a webhook is still to be told; a row goes once it is. due_at: of the next attempt, NULL for one
    that was given up. subject: what it is about, which may be deleted meanwhile."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_due_at", "due_at", "webhook_id"),
        Index("ix_deliveries_webhook_id", "webhook_id", "due_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    webhook_id: Mapped[str] = mapped_column(Id, ForeignKey("webhooks.id"))
    event: Mapped[str] = mapped_column(String(24))
    subject: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    tries: Mapped[int]
