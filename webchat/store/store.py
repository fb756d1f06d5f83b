"""The face of the store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sqlalchemy import Engine, text

from webchat.store.conversations import ConversationVerbs
from webchat.store.database import HEAVY_READERS, READERS
from webchat.store.decisions import DecisionVerbs
from webchat.store.dialects import Postgres, Sqlite, dialect_for
from webchat.store.errors import StoreUnavailable
from webchat.store.export import ExportVerbs
from webchat.store.housekeeping import HousekeepingVerbs
from webchat.store.inspections import InspectionVerbs
from webchat.store.links import LinkVerbs
from webchat.store.media import MediaVerbs
from webchat.store.messages import MessageVerbs
from webchat.store.migrate import migrate, pending
from webchat.store.model_servers import ModelServerVerbs
from webchat.store.model_templates import ChatTemplateVerbs
from webchat.store.moving import MovingVerbs
from webchat.store.owners import OwnerVerbs
from webchat.store.placeholders import PlaceholderVerbs
from webchat.store.prompt_templates import TemplateVerbs
from webchat.store.search.indexing import IndexingVerbs
from webchat.store.search.verbs import SearchVerbs
from webchat.store.trash import TrashVerbs
from webchat.store.turns import TurnVerbs


class Store(
    OwnerVerbs,
    MovingVerbs,
    ConversationVerbs,
    MessageVerbs,
    TurnVerbs,
    SearchVerbs,
    IndexingVerbs,
    LinkVerbs,
    ExportVerbs,
    HousekeepingVerbs,
    DecisionVerbs,
    InspectionVerbs,
    MediaVerbs,
    TemplateVerbs,
    PlaceholderVerbs,
    ChatTemplateVerbs,
    ModelServerVerbs,
    TrashVerbs,
):
    """All verbs on one open database. Open it with `Store.open`, end with `close`."""

    @classmethod
    def open(cls, url: str, *, backup_dir: Path | None = None, serve: bool = True) -> Self:
        """Open a database, made or brought up to date as needed.

        url: `sqlite:///path` or `postgresql://user:password@host/name`.
        backup_dir: where copies of an SQLite file go before an update; beside it, in `backups`, if `None`.
        serve: be the one process that serves this database, until `close` or the end of the process.

        Raises NewerDatabase, DatabaseBusy, StoreUnavailable.
        """
        dialect = dialect_for(url)
        with ExitStack() as stack:
            if isinstance(dialect, Sqlite):
                dialect.prepare()
            if serve:
                stack.enter_context(dialect.lock())
            writer = dialect.engine(write=True, size=1)
            stack.callback(writer.dispose)
            with dialect.translating():
                if isinstance(dialect, Postgres):
                    _check_encoding(dialect, writer)
                if pending(writer):
                    # Not under the feet of a server, which would go on with the old tables.
                    with ExitStack() as alone:
                        if not serve:
                            alone.enter_context(dialect.lock())
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
            cure="Make one with CREATE DATABASE webchat ENCODING 'UTF8' TEMPLATE template0.",
        )
