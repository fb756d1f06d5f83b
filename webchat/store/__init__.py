"""Everything that is kept: owners, conversations, messages, turns and their journals, ratings, links.

Every verb of `Store` is one transaction, takes the owner, returns frozen records (`webchat.store.records`),
and raises `NotFound` for what that owner may not see. Verbs are synchronous and thread-safe; from
asynchronous code they are run as `await store.call(store.verb, ...)`.
"""

from __future__ import annotations

from webchat.store.errors import (
    DatabaseBusy,
    NewerDatabase,
    NotFound,
    StoreError,
    StoreUnavailable,
    TemplateChanged,
)
from webchat.store.export import ExportedConversation, NamedMedia
from webchat.store.store import Store

__all__ = [
    "DatabaseBusy",
    "ExportedConversation",
    "NamedMedia",
    "NewerDatabase",
    "NotFound",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "TemplateChanged",
]
