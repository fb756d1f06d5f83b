"""Persistent data: owners, people and their sessions, conversations, messages, turns and their journals,
judgements, links.

Every verb of `Store` is one transaction, takes the owner, returns frozen records (`webchat.store.records`),
and raises `NotFound` for what that owner may not see. Verbs are synchronous and thread-safe; from
asynchronous code they are run as `await store.call(store.verb, ...)`.

Read `verbs` first, then `database`, which they work on. `links`, `people`, `templates`, `testers`, `shares`,
`imports`, `judgements` and `replays` hold the verbs on those, `replicas` those of several processes on one
database; `search` finds conversations by their words, `upkeep` does what takes long. Each imports only what
is below it; `*_records` are what verbs return.
"""

from __future__ import annotations

from webchat.store.errors import (
    ComparisonOpen,
    DatabaseBusy,
    LeaseLost,
    NewerDatabase,
    NotFound,
    PersonDisabled,
    PersonExists,
    StoreError,
    StoreUnavailable,
    TemplateChanged,
)
from webchat.store.store import Store
from webchat.store.verbs.export import ExportedConversation, NamedMedia

__all__ = [
    "ComparisonOpen",
    "DatabaseBusy",
    "ExportedConversation",
    "LeaseLost",
    "NamedMedia",
    "NewerDatabase",
    "NotFound",
    "PersonDisabled",
    "PersonExists",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "TemplateChanged",
]
