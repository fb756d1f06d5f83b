"""What webhooks are to be told, noted in the transaction in which it happens: nothing stored is forgotten,
nothing is told that was not stored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, insert, select

from webchat.store.database.codec import new_id
from webchat.store.database.tables.operating import DeliveryRow, WebhookRow
from webchat.store.webhook_records import WebhookEvent

# None is removed under a transaction that notes something for it, which then fails nobody's reply.
_WEBHOOKS = (
    select(WebhookRow.id, WebhookRow.events)
    .where(WebhookRow.disabled_at.is_(None))
    .with_for_update(read=True, key_share=True)
)


def tell_webhooks(
    connection: Connection, event: WebhookEvent, subjects: Collection[str], moment: datetime
) -> None:
    """Note an event for every webhook that wants it and is not disabled."""
    if not subjects:
        return
    those = [row.id for row in connection.execute(_WEBHOOKS) if event in row.events]
    rows = [
        {
            "id": new_id(),
            "webhook_id": webhook,
            "event": event,
            "subject": subject,
            "created_at": moment,
            "due_at": moment,
            "tries": 0,
        }
        for webhook in those
        for subject in subjects
    ]
    if rows:
        connection.execute(insert(DeliveryRow), rows)
