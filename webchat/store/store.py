"""The public interface of the store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sqlalchemy import Engine, text

from webchat.store.database.migrate import migrate, pending
from webchat.store.database.postgres import Postgres
from webchat.store.database.sqlite import Sqlite
from webchat.store.database.transactions import HEAVY_READERS, READERS
from webchat.store.database.urls import dialect_for
from webchat.store.errors import StoreUnavailable
from webchat.store.imports.jobs import ImportJobVerbs
from webchat.store.imports.writing import ImportVerbs
from webchat.store.judgements.comparisons import ComparisonVerbs
from webchat.store.judgements.judging import JudgingVerbs
from webchat.store.judgements.queue_reviews import QueueReviewVerbs
from webchat.store.judgements.vote_reviews import VoteReviewVerbs
from webchat.store.judgements.votes import VoteVerbs
from webchat.store.links.guests import GuestVerbs
from webchat.store.links.links import LinkVerbs
from webchat.store.links.owners import OwnerVerbs
from webchat.store.people.keys import KeyVerbs
from webchat.store.people.people import PeopleVerbs
from webchat.store.people.sessions import SessionVerbs
from webchat.store.replays.results import ReplayResultVerbs
from webchat.store.replicas.verbs import ReplicaVerbs
from webchat.store.search.verbs import SearchVerbs
from webchat.store.shares.copies import ShareCopyVerbs
from webchat.store.shares.verbs import ShareVerbs
from webchat.store.templates.model_templates import ChatTemplateVerbs
from webchat.store.templates.prompt_templates import TemplateVerbs
from webchat.store.testers.verbs import TesterVerbs
from webchat.store.upkeep.indexing import IndexingVerbs
from webchat.store.upkeep.moving import MovingVerbs
from webchat.store.upkeep.purge import PurgeVerbs
from webchat.store.upkeep.removal import RemovalVerbs
from webchat.store.upkeep.rewriting import RewritingVerbs
from webchat.store.verbs.continued import ContinuedCallVerbs
from webchat.store.verbs.conversations import ConversationVerbs
from webchat.store.verbs.decisions import DecisionVerbs
from webchat.store.verbs.export import ExportVerbs
from webchat.store.verbs.health import HealthVerbs
from webchat.store.verbs.inspections import InspectionVerbs
from webchat.store.verbs.media import MediaVerbs
from webchat.store.verbs.messages import MessageVerbs
from webchat.store.verbs.model_servers import ModelServerVerbs
from webchat.store.verbs.placeholders import PlaceholderVerbs
from webchat.store.verbs.ratings import RatingVerbs
from webchat.store.verbs.trash import TrashVerbs
from webchat.store.verbs.usage import UsageVerbs
from webchat.store.webhooks.data import WebhookDataVerbs
from webchat.store.webhooks.verbs import WebhookVerbs


class Store(
    OwnerVerbs,
    RemovalVerbs,
    RewritingVerbs,
    PeopleVerbs,
    SessionVerbs,
    KeyVerbs,
    MovingVerbs,
    ConversationVerbs,
    MessageVerbs,
    ComparisonVerbs,
    ContinuedCallVerbs,
    ReplicaVerbs,
    SearchVerbs,
    IndexingVerbs,
    LinkVerbs,
    RatingVerbs,
    GuestVerbs,
    JudgingVerbs,
    QueueReviewVerbs,
    ReplayResultVerbs,
    VoteVerbs,
    VoteReviewVerbs,
    TesterVerbs,
    ExportVerbs,
    ImportVerbs,
    ImportJobVerbs,
    PurgeVerbs,
    DecisionVerbs,
    InspectionVerbs,
    MediaVerbs,
    ShareVerbs,
    ShareCopyVerbs,
    TemplateVerbs,
    PlaceholderVerbs,
    ChatTemplateVerbs,
    ModelServerVerbs,
    TrashVerbs,
    WebhookVerbs,
    WebhookDataVerbs,
    HealthVerbs,
    UsageVerbs,
):
    """All verbs on one open database. Open it with `Store.open`, end with `close`."""

    @classmethod
    def open(
        cls, url: str, *, backup_dir: Path | None = None, serve: bool = True, alone: bool = False
    ) -> Self:
        """Open a database, creating or migrating it as necessary.

        url: `sqlite:///path` or `postgresql://user:password@host/name`. backup_dir: where an SQLite file is
        backed up before a migration; if `None`, `backups` next to it. serve: serve this database until
        `close` or the end of the process; on PostgreSQL, others may do so too, unless `alone`.

        Raises NewerDatabase, DatabaseBusy, StoreUnavailable.
        """
        dialect = dialect_for(url)
        with ExitStack() as stack:
            if isinstance(dialect, Sqlite):
                dialect.prepare()
            if serve:
                stack.enter_context(dialect.lock(alone=alone))
            writer = dialect.engine(write=True, size=1)
            stack.callback(writer.dispose)
            with dialect.translating():
                if isinstance(dialect, Postgres):
                    _check_encoding(dialect, writer)
                if pending(writer):
                    # Not under the feet of a server, which would go on with the old tables.
                    with ExitStack() as locked:
                        if not serve:
                            # Those that share a database notice, finish what runs, and begin nothing more.
                            locked.enter_context(dialect.lock(alone=not dialect.shared))
                        migrate(dialect, writer, backup_dir)
            reader = dialect.engine(write=False, size=READERS + HEAVY_READERS)
            stack.callback(reader.dispose)
            opened = cls(dialect, writer, reader, stack.pop_all())
        if serve:
            opened.index_soon()
        return opened


def _check_encoding(dialect: Postgres, engine: Engine) -> None:
    with engine.connect() as connection:
        encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise StoreUnavailable(
            f"The database {dialect.url.database} stores text as {encoding}, which loses characters.",
            cure="Create one with CREATE DATABASE webchat ENCODING 'UTF8' TEMPLATE template0.",
        )
