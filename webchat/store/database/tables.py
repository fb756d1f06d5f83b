"""The tables. Times are UTC; ids are UUIDv7 strings; `deleted_at` marks what is waiting for its purge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite has no time zones and keeps it naive; it sorts as text there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be aware")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


DISCARDED = datetime(1970, 1, 1, tzinfo=UTC)
"""`deleted_at` of data discarded by its owner: nobody can restore it, and the next purge deletes it."""

FLEETING = datetime(1970, 1, 2, tzinfo=UTC)
"""`deleted_at` of a program's conversation that nobody is to keep, from its beginning: it is there only while
its reply is written."""

Id = String(36)
Word = Text().with_variant(Text(collation="C"), "postgresql")
"""Sorted by its characters' numbers, as in SQLite."""
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Number = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER is the row id of SQLite


class Base(DeclarativeBase):
    """Names of constraints are fixed, so that migrations can name them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012


class LinkRow(Base):
    """Tester links; of the token only its hash."""

    __tablename__ = "links"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text, index=True)
    token_hash: Mapped[str] = mapped_column(String(128), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    uses: Mapped[int] = mapped_column(Integer, server_default="0")
    paused_at: Mapped[datetime | None]
    terms: Mapped[dict[str, Any] | None]
    conversations: Mapped[int] = mapped_column(Integer, server_default="0")
    messages: Mapped[int] = mapped_column(Integer, server_default="0")
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class OwnerRow(Base):
    """Whoever conversations belong to. conversations, messages, tokens: what somebody who came by a link has
    used of it."""

    __tablename__ = "owners"
    __table_args__ = (
        # One local owner, also when two starts race for it.
        Index(
            "uq_owners_local",
            "kind",
            unique=True,
            sqlite_where=text("kind = 'local'"),
            postgresql_where=text("kind = 'local'"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    link_id: Mapped[str | None] = mapped_column(Id, ForeignKey("links.id"), index=True)
    created_at: Mapped[datetime]
    conversations: Mapped[int] = mapped_column(Integer, server_default="0")
    messages: Mapped[int] = mapped_column(Integer, server_default="0")
    tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")


class PersonRow(Base):
    """People who sign in. Their name is their owner's, and an operator is an owner of that kind. trains:
    whether they let their judgements train models."""

    __tablename__ = "people"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    trains: Mapped[bool] = mapped_column(server_default=false())


class SessionRow(Base):
    """Where people are signed in; of the token only its hash."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("people.owner_id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    device: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ApiKeyRow(Base):
    """Keys for programs; of the secret only a hash. tokens: what models wrote for it on `day`."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(String(32), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    models: Mapped[list[Any]]
    stored: Mapped[bool]
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens_per_day: Mapped[int | None] = mapped_column(BigInteger)
    at_once: Mapped[int | None] = mapped_column(Integer)
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


class ConsentRow(Base):
    """Which version of a link's consent sentence its people accepted, with the sentence."""

    __tablename__ = "consents"

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class AnswerRow(Base):
    """Answers to a link's own questions, each with the question as it was."""

    __tablename__ = "answers"

    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    question_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    question: Mapped[dict[str, Any]]
    number: Mapped[int | None] = mapped_column(Integer)
    text: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]


class HandoverRow(Base):
    """Codes by which a guest continues on another device; of each only its hash."""

    __tablename__ = "handovers"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ConversationRow(Base):
    """Conversations. `active_leaf_id` has no foreign key: messages point here already, and a circle of keys
    makes every create and purge a puzzle; the verbs keep it true. kind: see `ConversationKind`."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("owner_id", "client_key"),
        Index(
            "ix_conversations_listing",
            "owner_id",
            "kind",
            "archived",
            "pinned",
            "updated_at",
            "id",
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_conversations_deleted",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "ix_conversations_trash",
            "owner_id",
            "deleted_at",
            "id",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    kind: Mapped[str] = mapped_column(String(8), server_default="chat")
    client_key: Mapped[str | None] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(Text)
    title_by: Mapped[str] = mapped_column(String(8))
    pinned: Mapped[bool]
    archived: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    active_leaf_id: Mapped[str | None] = mapped_column(Id)
    settings: Mapped[dict[str, Any]]


class MessageRow(Base):
    """The nodes of the trees. `under_id` is the parent, or the conversation at the root: never NULL, so that
    one unique constraint and one index serve roots as well (NULLs are all different to a unique
    constraint). tool_calls: what the assistant called, each with id, name and arguments, the text in which
    the model wrote them; tool_call_id: of the call that a message of the role `tool` answers."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("under_id", "role", "client_key"),
        Index("ix_messages_siblings", "under_id", "role", "created_at", "id"),
        Index(
            "ix_messages_deleted",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "ix_messages_trash",
            "conversation_id",
            "deleted_at",
            sqlite_where=text("deleted_at IS NOT NULL"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "ix_messages_author_id",
            "author_id",
            sqlite_where=text("author_id IS NOT NULL"),
            postgresql_where=text("author_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    parent_id: Mapped[str | None] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    under_id: Mapped[str] = mapped_column(Id)
    role: Mapped[str] = mapped_column(String(16))
    client_key: Mapped[str | None] = mapped_column(String(64))
    author_id: Mapped[str | None] = mapped_column(Id, ForeignKey("owners.id"))
    text: Mapped[str] = mapped_column(Text)
    reasoning: Mapped[str] = mapped_column(Text, server_default="")
    seq: Mapped[int] = mapped_column(Integer, server_default="0")
    model: Mapped[str | None] = mapped_column(Text)
    continues: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    template: Mapped[dict[str, Any] | None]
    tool_calls: Mapped[list[Any] | None]
    tool_call_id: Mapped[str | None] = mapped_column(Text)


class TurnRow(Base):
    """One per reply of a model: how it went and where it came from. It runs while `finished_at` is NULL.
    link_id: the link it was counted for; reserved: tokens, while it runs. key_id: the API key it was asked
    with. compared_in: the comparison that it is a side of, while that is open. replica_id: the lease under
    which it runs, where several processes serve the database; ending: how another one asked it to end.
    options: tools and formats that a program asked with. path_hash: of what a kept call was asked."""

    __tablename__ = "turns"
    __table_args__ = (
        Index(
            "ix_turns_running",
            "conversation_id",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_turns_conversation", "conversation_id"),
        Index("ix_turns_client_key", "client_key"),
        Index(
            "ix_turns_link_running",
            "link_id",
            sqlite_where=text("finished_at IS NULL AND link_id IS NOT NULL"),
            postgresql_where=text("finished_at IS NULL AND link_id IS NOT NULL"),
        ),
        Index(
            "ix_turns_path_hash",
            "path_hash",
            sqlite_where=text("path_hash IS NOT NULL"),
            postgresql_where=text("path_hash IS NOT NULL"),
        ),
        Index(
            "ix_turns_compared_in",
            "compared_in",
            sqlite_where=text("compared_in IS NOT NULL"),
            postgresql_where=text("compared_in IS NOT NULL"),
        ),
    )

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    client_key: Mapped[str] = mapped_column(String(64))
    asked: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    failure: Mapped[dict[str, Any] | None]
    reasoning_seconds: Mapped[float | None]
    backend: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    model_id: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[str | None] = mapped_column(Text)
    adapter: Mapped[str | None] = mapped_column(Text)
    template: Mapped[str | None] = mapped_column(Text)
    sampling: Mapped[dict[str, Any] | None]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    prompt: Mapped[list[Any] | None]
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    queued_seconds: Mapped[float | None]
    first_token_seconds: Mapped[float | None]
    total_seconds: Mapped[float | None]
    details: Mapped[dict[str, Any] | None]
    options: Mapped[dict[str, Any] | None]
    path_hash: Mapped[str | None] = mapped_column(String(64))
    link_id: Mapped[str | None] = mapped_column(Id)
    reserved: Mapped[int | None]
    key_id: Mapped[str | None] = mapped_column(Id)
    compared_in: Mapped[str | None] = mapped_column(Id)
    replica_id: Mapped[str | None] = mapped_column(Id)
    ending: Mapped[str | None] = mapped_column(String(16))


class ReplicaRow(Base):
    """Leases of the processes that serve this database together. One whose row is gone, or over, writes
    nothing more. Times are of the database's clock. about: what all of them must have in common.
    purges_before: what was deleted before is being purged by it."""

    __tablename__ = "replicas"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    about: Mapped[str] = mapped_column(String(64), server_default="")
    taken_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    purges_before: Mapped[datetime | None]


class JournalRow(Base):
    """Pieces of running replies, appended and never rewritten; gone once folded into their message."""

    __tablename__ = "journal"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("turns.message_id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)


class JudgementRow(Base):
    """What people think of replies: one row per message and person. What they judged is read from the message
    and its path, which never change; `model` and `template` are its turn's, for the operators' filters.
    day: the date of `at`, in UTC. covers: what `consent` has, which is NULL without a sentence."""

    __tablename__ = "judgements"
    __table_args__ = (
        UniqueConstraint("message_id", "owner_id"),
        # Newest first by whatever they are listed by, and counts that read nothing but an index.
        Index("ix_judgements_day", "day", "model", "rating", "corrects"),
        Index("ix_judgements_at", "at", "id"),
        Index("ix_judgements_model", "model", "at", "id"),
        Index("ix_judgements_template", "template", "at", "id"),
        Index("ix_judgements_link_id", "link_id", "at", "id"),
        Index("ix_judgements_owner_id", "owner_id", "at", "id"),
        Index("ix_judgements_rating", "rating", "at", "id"),
        Index("ix_judgements_review", "review", "at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"))
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    link_id: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime]
    day: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime]
    seq: Mapped[int | None]
    rating: Mapped[int]
    reasons: Mapped[list[Any]]
    comment: Mapped[str] = mapped_column(Text)
    answers: Mapped[list[Any]]
    better: Mapped[str] = mapped_column(Text)
    corrects: Mapped[bool]
    consent: Mapped[dict[str, Any] | None]
    covers: Mapped[bool]
    model: Mapped[str] = mapped_column(Text)
    template: Mapped[str] = mapped_column(Text)
    review: Mapped[str] = mapped_column(String(16))
    reviewed_by: Mapped[str | None] = mapped_column(Id)
    reviewed_at: Mapped[datetime | None]
    review_better: Mapped[str] = mapped_column(Text)


class JudgementReasonRow(Base):
    """The reasons of judgements once more, to find judgements by them."""

    __tablename__ = "judgement_reasons"
    __table_args__ = (Index("ix_judgement_reasons_reason", "reason", "at", "judgement_id"),)

    judgement_id: Mapped[str] = mapped_column(
        Id, ForeignKey("judgements.id", ondelete="CASCADE"), primary_key=True
    )
    reason: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[datetime]


class ComparisonRow(Base):
    """Two replies to one message, side by side, and the vote on them. The sides' words and origins are those
    of their messages, which never change. asked_id: the message they answer. models: their names, as the
    server knows them; settings: what the replies were made with. `closed_at` is NULL while the sides are
    still hidden from their person."""

    __tablename__ = "comparisons"
    __table_args__ = (
        Index("ix_comparisons_at", "at", "id"),
        Index("ix_comparisons_link_id", "link_id", "left_model", "right_model", "preferred"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"))
    asked_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    left_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    right_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    left_model: Mapped[str] = mapped_column(Text)
    right_model: Mapped[str] = mapped_column(Text)
    left_settings: Mapped[dict[str, Any]]
    right_settings: Mapped[dict[str, Any]]
    link_id: Mapped[str | None] = mapped_column(Id)
    at: Mapped[datetime]
    preferred: Mapped[str | None] = mapped_column(String(8))
    left_good: Mapped[bool | None]
    right_good: Mapped[bool | None]
    comment: Mapped[str] = mapped_column(Text, server_default="")
    voted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    consent: Mapped[dict[str, Any] | None]
    review: Mapped[dict[str, Any] | None]


class QueueRow(Base):
    """Replies or comparisons that reviewers judge. wanted: the filter its items were found by. reviews: how
    many each item gets. reviewers: ids of owners; empty for everybody who signs in."""

    __tablename__ = "queues"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    wanted: Mapped[dict[str, Any]]
    reviews: Mapped[int]
    reviewers: Mapped[list[Any]]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)


class QueueItemRow(Base):
    """What is reviewed: a reply, or a comparison. given: its reviews, without skips."""

    __tablename__ = "queue_items"
    __table_args__ = (Index("ix_queue_items_queue_id", "queue_id", "given", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    queue_id: Mapped[str] = mapped_column(Id, ForeignKey("queues.id"))
    message_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("messages.id", ondelete="CASCADE"), index=True
    )
    comparison_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("comparisons.id", ondelete="CASCADE"), index=True
    )
    given: Mapped[int]


class ReviewRow(Base):
    """A reviewer's place at an item: reserved until a time, while `verdict` is empty. What they said besides
    is a judgement or a comparison of theirs."""

    __tablename__ = "reviews"
    __table_args__ = (
        Index("ix_reviews_reviewer_id", "reviewer_id", "queue_id", "verdict"),
        Index("ix_reviews_queue_id", "queue_id", "verdict"),
    )

    item_id: Mapped[str] = mapped_column(
        Id, ForeignKey("queue_items.id", ondelete="CASCADE"), primary_key=True
    )
    reviewer_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), primary_key=True)
    queue_id: Mapped[str] = mapped_column(Id, ForeignKey("queues.id"))
    until: Mapped[datetime]
    verdict: Mapped[str] = mapped_column(String(8))


class ReplaySetRow(Base):
    """Replies that other models are asked to give again. chosen: how they were found, as it was asked."""

    __tablename__ = "replay_sets"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    chosen: Mapped[dict[str, Any]]
    assertions: Mapped[list[Any]]
    created_at: Mapped[datetime]


class ReplayItemRow(Base):
    """The replies of a set, numbered from 1. They go with their message."""

    __tablename__ = "replay_items"

    set_id: Mapped[str] = mapped_column(Id, ForeignKey("replay_sets.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)


class ReplayRunRow(Base):
    """A set on one model with one choice of settings. variant: see `ReplayVariant`; name: it has in the set,
    and in results. judges: see `ReplayRun`; such a run is named for the program."""

    __tablename__ = "replay_runs"
    __table_args__ = (
        UniqueConstraint("set_id", "name"),
        Index(
            "ix_replay_runs_open",
            "created_at",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    set_id: Mapped[str] = mapped_column(Id, ForeignKey("replay_sets.id"))
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    variant: Mapped[dict[str, Any]]
    judges: Mapped[str | None] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]


class ReplayReplyRow(Base):
    """What became of an item in a run: the conversation that its path was copied to, and the reply there. Its
    state is that of the reply's turn; failure: why none could be begun. Items without a row are not begun."""

    __tablename__ = "replay_replies"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("replay_runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    asked_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    reply_id: Mapped[str | None] = mapped_column(Id, ForeignKey("messages.id"), index=True)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    failure: Mapped[dict[str, Any] | None]


class SearchEntryRow(Base):
    """What the search index knows: one row per message, and one per conversation for its title (`message_id`
    NULL). Numbers grow with time, so newest first is number order; a reply gets its own once it is whole. The
    words stand in `search_words`, which each database keeps in its own way (see `search.index`).

    The words of a long text stand there in parts, which come in one by one. parts: how many have; 0 of a text
    whose words are one row. owed: the number, from 1, of the part to put in next; NULL when none is missing.
    """

    __tablename__ = "search_entries"
    __table_args__ = (
        Index(
            "uq_search_entries_title",
            "conversation_id",
            unique=True,
            sqlite_where=text("message_id IS NULL"),
            postgresql_where=text("message_id IS NULL"),
        ),
        Index(
            "ix_search_entries_owed",
            "owed",
            sqlite_where=text("owed IS NOT NULL"),
            postgresql_where=text("owed IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    message_id: Mapped[str | None] = mapped_column(Id, ForeignKey("messages.id"), unique=True)
    parts: Mapped[int] = mapped_column(Integer, server_default="0")
    owed: Mapped[int | None] = mapped_column(Integer)


class NameWordRow(Base):
    """What people and links are called, word by word (`search.names`)."""

    __tablename__ = "name_words"
    __table_args__ = (Index("ix_name_words_word", "kind", "word", "about_id"),)

    about_id: Mapped[str] = mapped_column(Id, primary_key=True)
    word: Mapped[str] = mapped_column(Word, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))


class PromptTemplateRow(Base):
    """Prompt templates; `version` is the number of the newest one."""

    __tablename__ = "prompt_templates"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    scope: Mapped[str] = mapped_column(String(16), index=True)
    name: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class PromptTemplateVersionRow(Base):
    """What a prompt template was at each of its saves. Never changed; going back is another version."""

    __tablename__ = "prompt_template_versions"

    template_id: Mapped[str] = mapped_column(Id, ForeignKey("prompt_templates.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    author_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    created_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(Text, server_default="")
    content: Mapped[dict[str, Any]]


class ModelServerRow(Base):
    """Servers that models run or ran on. `identity` tells one from all others and holds its address; `id` is
    what conversations keep of it. Rows stay, for the conversations of a server that is gone."""

    __tablename__ = "model_servers"

    id: Mapped[str] = mapped_column(String(10), primary_key=True)
    identity: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime]


class ChatTemplateRow(Base):
    """Chat templates the operator gave models, by the model's name. The highest number counts; `text` NULL is
    the way back to the model's own."""

    __tablename__ = "chat_templates"

    model: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    author_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"), index=True)
    created_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(Text, server_default="")
    text: Mapped[str | None] = mapped_column(Text)


class InspectionRow(Base):
    """What a model was sent for a reply, compressed. `base_id` names an earlier reply of the same path whose
    content this one goes on from."""

    __tablename__ = "inspections"

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("turns.message_id"), primary_key=True)
    base_id: Mapped[str | None] = mapped_column(Id)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class MediaRow(Base):
    """Pictures and sounds of replies, in parts: a whole one would hold the writer too long. `name` is made
    from the data, and the text of the message says where it belongs."""

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_name", "name"),)

    message_id: Mapped[str] = mapped_column(Id, ForeignKey("messages.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    media_type: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ShareRow(Base):
    """Read-only shares: `id` is the secret in their address. One whose messages are still being stored counts
    as ended."""

    __tablename__ = "shares"
    __table_args__ = (
        Index("ix_shares_listing", "owner_id", "created_at", "id"),
        Index("ix_shares_ended_at", "ended_at"),
        Index("ix_shares_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), index=True)
    title: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    password_hash: Mapped[str | None] = mapped_column(Text)
    messages: Mapped[int]
    chars: Mapped[int]
    views: Mapped[int] = mapped_column(Integer, server_default="0")
    allow_copy: Mapped[bool]
    preview: Mapped[bool]
    masked: Mapped[bool]


class ShareMessageRow(Base):
    """The messages of shares, as they were: nothing that happens to the originals changes them."""

    __tablename__ = "share_messages"

    share_id: Mapped[str] = mapped_column(Id, ForeignKey("shares.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    reasoning: Mapped[str] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    tool_calls: Mapped[list[Any] | None]
    tool_call_id: Mapped[str | None] = mapped_column(Text)


class ShareMediaRow(Base):
    """The pictures and sounds that messages of shares name, in parts as in `media`."""

    __tablename__ = "share_media"

    share_id: Mapped[str] = mapped_column(Id, ForeignKey("shares.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    media_type: Mapped[str] = mapped_column(Text)
    data: Mapped[bytes] = mapped_column(LargeBinary)


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
    moderator: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str | None] = mapped_column(Id)
    conversation_id: Mapped[str | None] = mapped_column(Id)
    message_id: Mapped[str | None] = mapped_column(Id)
    model: Mapped[str | None] = mapped_column(Text)
    start: Mapped[int]
    end: Mapped[int]
    detail: Mapped[str | None] = mapped_column(Text)
    content: Mapped[str | None] = mapped_column(Text)


class PlaceholderRow(Base):
    """Placeholders for a person's data, per conversation; `value` is encrypted."""

    __tablename__ = "placeholders"

    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), primary_key=True)
    placeholder: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class TesterNoteRow(Base):
    """What operators wrote about testers' conversations. `tags_text`: each tag on a line of its own, with a
    line break before the first and behind the last."""

    __tablename__ = "tester_notes"

    conversation_id: Mapped[str] = mapped_column(Id, ForeignKey("conversations.id"), primary_key=True)
    note: Mapped[str] = mapped_column(Text)
    tags_text: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(Id)


class LookRow(Base):
    """Who looked at what testers wrote. Appended, never changed. Ids without foreign keys: the log outlives
    what it refers to."""

    __tablename__ = "looks"
    __table_args__ = (
        Index("ix_looks_operator_id", "operator_id", "action", "at"),
        Index("ix_looks_link_id", "link_id", "number"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    at: Mapped[datetime]
    operator_id: Mapped[str] = mapped_column(Id)
    operator: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(8))
    link_id: Mapped[str] = mapped_column(Id)
    conversation_id: Mapped[str | None] = mapped_column(Id)
    searched: Mapped[str | None] = mapped_column(Text)


class ImportRow(Base):
    """Files that are imported, or were lately: how far each is, and what was found in it. size, received:
    bytes. done: entries of the file that are dealt with; entries: how many it has, once that is known.
    counts: what was found and done; problems: the first of them. first_id: the first conversation it
    brought. tries: how often the server began to read it and died before the end."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_owner_id", "owner_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id, ForeignKey("owners.id"))
    name: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    on_bad: Mapped[str] = mapped_column(String(8))
    done: Mapped[int]
    entries: Mapped[int | None]
    counts: Mapped[dict[str, Any]]
    problems: Mapped[list[Any]]
    first_id: Mapped[str | None] = mapped_column(Id)
    failure: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int | None]


class ImportSourceRow(Base):
    """What was imported, by the product's own ids; a row outlives its conversation, so that what was deleted
    is not imported again. details: what the file said of a conversation that has no place of its own."""

    __tablename__ = "import_sources"

    owner_id: Mapped[str] = mapped_column(Id, primary_key=True)
    product: Mapped[str] = mapped_column(String(24), primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(Id, index=True)
    at: Mapped[datetime]
    details: Mapped[dict[str, Any] | None]


class ImportMessageRow(Base):
    """The messages of imported conversations, by the product's own ids; a row outlives its message, not its
    conversation."""

    __tablename__ = "import_messages"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    conversation_id: Mapped[str] = mapped_column(Id, primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    message_id: Mapped[str] = mapped_column(Id)


class WebhookRow(Base):
    """Where operators want to be told what happens. secret: signs what is sent, so it is kept as it is."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(128))
    events: Mapped[list[Any]]
    content: Mapped[bool]
    created_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(Text, server_default="")
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
