"""Verbs on webhooks and their deliveries. They are for operators and the server itself: no owner is checked.

A delivery is claimed by moving its next attempt to later, so two processes never send one at the same time,
and one that dies while it sends is followed by whoever looks next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, insert, select, update

from webchat.store.database.codec import clean, new_id, now
from webchat.store.database.tables.operating import DeliveryRow, WebhookRow
from webchat.store.database.transactions import Database, long, reads, writes
from webchat.store.errors import NotFound, TooManyWebhooks
from webchat.store.webhook_records import MOST_DELIVERIES, Delivery, ListedWebhook, Webhook, WebhookEvent

MOST_WEBHOOKS = 20

CLAIM_SECONDS = 60.0
"""For how long a claimed delivery is nobody else's: longer than an attempt may take."""

KEPT_DEAD = timedelta(days=14)
KEPT = timedelta(days=30)
"""Of what is still waiting, where nobody has sent it."""

SLICE_ROWS = 500
"""Changed in one transaction: a receiver that was away for days leaves many."""

MOST_TRIMMED = 20_000
"""Old deliveries looked up at once."""

MOST_PROBLEM = 300


class WebhookVerbs(Database):
    """Making, listing and removing webhooks; claiming and settling deliveries."""

    @writes
    def create_webhook(
        self,
        connection: Connection,
        url: str,
        secret: str,
        events: Sequence[WebhookEvent],
        *,
        content: bool = False,
    ) -> Webhook:
        """Raises TooManyWebhooks."""
        if (connection.scalar(select(func.count()).select_from(WebhookRow)) or 0) >= MOST_WEBHOOKS:
            raise TooManyWebhooks(MOST_WEBHOOKS)
        made = Webhook(new_id(), clean(url), secret, tuple(events), content, now())
        connection.execute(
            insert(WebhookRow).values(
                id=made.id,
                url=made.url,
                secret=secret,
                events=list(made.events),
                content=content,
                created_at=made.created_at,
                problem="",
            )
        )
        return made

    @reads
    def list_webhooks(self, connection: Connection) -> list[ListedWebhook]:
        """All, the newest first."""
        counted = select(
            DeliveryRow.webhook_id,
            func.count(DeliveryRow.due_at).label("waiting"),
            func.count().label("some"),
        ).group_by(DeliveryRow.webhook_id)
        counts = {row.webhook_id: row for row in connection.execute(counted)}
        rows = connection.execute(_WEBHOOKS.order_by(WebhookRow.id.desc()))
        return [_listed(row, counts.get(row.id)) for row in rows]

    @reads
    def webhook(self, connection: Connection, webhook_id: str) -> Webhook:
        """Raises NotFound."""
        return _load(_found(connection.execute(_WEBHOOKS.where(WebhookRow.id == webhook_id)).first()))

    @writes
    def set_webhook_disabled(self, connection: Connection, webhook_id: str, disabled: bool) -> Webhook:
        """Send it nothing, and note nothing for it, until it is enabled; what waits for it then is sent after
        all. Raises NotFound."""
        those = update(WebhookRow).where(WebhookRow.id == webhook_id)
        connection.execute(those.values(disabled_at=now() if disabled else None))
        return _load(_found(connection.execute(_WEBHOOKS.where(WebhookRow.id == webhook_id)).first()))

    def remove_webhook(self, webhook_id: str) -> Webhook:
        """Delete a webhook and what it was still to be told, in slices. Raises NotFound."""
        while self._forget_deliveries(webhook_id):
            pass
        return self._remove_webhook(webhook_id)

    @writes
    def _forget_deliveries(self, connection: Connection, webhook_id: str) -> int:
        some = select(DeliveryRow.id).where(DeliveryRow.webhook_id == webhook_id).limit(SLICE_ROWS)
        return connection.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(some))).rowcount

    @writes
    def _remove_webhook(self, connection: Connection, webhook_id: str) -> Webhook:
        # Locked first: what is being noted for it is waited for, and nothing more is noted.
        those = _WEBHOOKS.where(WebhookRow.id == webhook_id).with_for_update()
        found = _load(_found(connection.execute(those).first()))
        connection.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
        connection.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))
        return found

    @reads
    def due_webhooks(self, connection: Connection) -> list[Webhook]:
        """Those that have something to be told now."""
        due = select(DeliveryRow.webhook_id).where(DeliveryRow.due_at <= now()).distinct()
        those = _WEBHOOKS.where(WebhookRow.id.in_(due), WebhookRow.disabled_at.is_(None))
        return [_load(row) for row in connection.execute(those)]

    @writes
    def claim_deliveries(self, connection: Connection, webhook_id: str, most: int) -> list[Delivery]:
        """Those that are due, the longest waiting first, for `CLAIM_SECONDS` the caller's alone. Counts an
        attempt of each."""
        moment = now()
        told = select(WebhookRow.id).where(WebhookRow.id == webhook_id, WebhookRow.disabled_at.is_(None))
        ids = connection.scalars(
            select(DeliveryRow.id)
            .where(DeliveryRow.webhook_id == webhook_id, DeliveryRow.due_at <= moment, exists(told))
            .order_by(DeliveryRow.due_at)  # as in the index: many may be due at the same moment
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        if not ids:
            return []
        claim = {"due_at": moment + timedelta(seconds=CLAIM_SECONDS), "tries": DeliveryRow.tries + 1}
        connection.execute(update(DeliveryRow).where(DeliveryRow.id.in_(ids)).values(claim))
        rows = connection.execute(_DELIVERIES.where(DeliveryRow.id.in_(ids)).order_by(DeliveryRow.id))
        return [Delivery(*row) for row in rows]

    @writes
    def delivered(self, connection: Connection, delivery: Delivery, *, told: bool = True) -> None:
        """Forget a delivery. told: whether it was sent; otherwise there was nothing left to tell."""
        if told:  # the webhook's row first, as where one is removed
            those = update(WebhookRow).where(WebhookRow.id == delivery.webhook_id)
            connection.execute(those.values(told_at=now(), problem=""))
        connection.execute(delete(DeliveryRow).where(DeliveryRow.id == delivery.id))

    @writes
    def not_delivered(
        self, connection: Connection, delivery: Delivery, problem: str, again_at: datetime | None
    ) -> None:
        """Try again then, or never: `None` keeps it as dead."""
        hook = update(WebhookRow).where(WebhookRow.id == delivery.webhook_id)
        connection.execute(hook.values(problem=clean(problem)[:MOST_PROBLEM]))
        those = update(DeliveryRow).where(DeliveryRow.id == delivery.id)
        connection.execute(those.values(due_at=again_at))

    def retry_deliveries(self, webhook_id: str) -> int:
        """Have the dead deliveries of a webhook sent after all, from their first attempt, in slices. Returns
        how many. Raises NotFound."""
        count = 0
        while some := self._retry_deliveries(webhook_id):
            count += some
        return count

    @writes
    def _retry_deliveries(self, connection: Connection, webhook_id: str) -> int:
        _found(connection.execute(_WEBHOOKS.where(WebhookRow.id == webhook_id)).first())
        dead = (DeliveryRow.webhook_id == webhook_id) & DeliveryRow.due_at.is_(None)
        some = update(DeliveryRow).where(
            DeliveryRow.id.in_(select(DeliveryRow.id).where(dead).limit(SLICE_ROWS))
        )
        return connection.execute(some.values(due_at=now(), tries=0)).rowcount

    @long
    def trim_deliveries(self) -> int:
        """Delete those that are old, dead ones earlier, and the oldest of a webhook with more than
        `MOST_DELIVERIES`, in slices; at most `MOST_TRIMMED`. Returns how many."""
        ids = self._old_deliveries()
        slices = (ids[at : at + SLICE_ROWS] for at in range(0, len(ids), SLICE_ROWS))
        return sum(self.slices(partial(self._delete_deliveries, some) for some in slices))

    @reads
    def _old_deliveries(self, connection: Connection) -> Sequence[str]:
        moment = now()
        dead = (DeliveryRow.created_at <= moment - KEPT_DEAD) & DeliveryRow.due_at.is_(None)
        old = select(DeliveryRow.id).where(dead | (DeliveryRow.created_at <= moment - KEPT))
        if ids := connection.scalars(old.limit(MOST_TRIMMED)).all():
            return ids
        counted = select(DeliveryRow.webhook_id, func.count().label("some")).group_by(DeliveryRow.webhook_id)
        full = connection.execute(counted.having(func.count() > MOST_DELIVERIES)).first()
        if full is None:
            return []
        of_it = select(DeliveryRow.id).where(DeliveryRow.webhook_id == full.webhook_id)
        most = min(MOST_TRIMMED, full.some - MOST_DELIVERIES)
        return connection.scalars(of_it.order_by(DeliveryRow.id).limit(most)).all()

    @writes
    def _delete_deliveries(self, connection: Connection, ids: Sequence[str]) -> int:
        return connection.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(ids))).rowcount


_WEBHOOKS: Select[Any] = select(*WebhookRow.__table__.columns)
_DELIVERIES: Any = select(
    DeliveryRow.id,
    DeliveryRow.webhook_id,
    DeliveryRow.event,
    DeliveryRow.subject,
    DeliveryRow.created_at,
    DeliveryRow.tries,
)


def _found(row: Row[Any] | None) -> Row[Any]:
    if row is None:
        raise NotFound("webhook")
    return row


def _load(row: Row[Any]) -> Webhook:
    return Webhook(
        row.id,
        row.url,
        row.secret,
        tuple(row.events),
        row.content,
        row.created_at,
        row.told_at,
        row.problem,
        row.disabled_at,
    )


def _listed(row: Row[Any], counts: Any) -> ListedWebhook:
    waiting = 0 if counts is None else counts.waiting
    return ListedWebhook(_load(row), waiting, 0 if counts is None else counts.some - waiting)
