"""The tables, by subject. Times are UTC; ids are UUIDv7 strings; `deleted_at` marks what is waiting for its
purge. Importing any of them imports all, so `Base.metadata` is always whole."""

from webchat.store.database.tables import (
    conversations,
    judgements,
    links,
    operating,
    people,
    replays,
    search,
    sharing,
)

__all__ = ["conversations", "judgements", "links", "operating", "people", "replays", "search", "sharing"]
