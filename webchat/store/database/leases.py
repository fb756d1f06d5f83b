"""The fence: among several processes that serve one database, each writes only while its lease is alive.

A lease is a row. Its holder moves `expires_at` ahead, by the database's clock; whoever finds it over deletes
it. Every transaction that writes locks its own lease's row against that, so a process that was paused, or cut
off, either commits before its lease ends, or not at all.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from webchat.store.errors import LeaseLapsed, LeaseLost

# Renewing does not wait for this lock, deleting does.
_HOLDS = text("SELECT expires_at > clock_timestamp() FROM replicas WHERE id = :id FOR KEY SHARE")


_PURGES = text("SELECT purges_before FROM replicas FOR SHARE")


def purging_elsewhere(connection: Connection) -> list[datetime]:
    """Before when what is being purged was deleted. What any process purges next waits for the end of the
    transaction."""
    return [moment for moment in connection.scalars(_PURGES) if moment is not None]


def check_lease(connection: Connection, id: str) -> None:
    """Hold a lease until the end of the transaction. Raises LeaseLapsed and LeaseLost."""
    held = connection.scalar(_HOLDS, {"id": id})
    if held is None:
        raise LeaseLost
    if not held:
        raise LeaseLapsed
