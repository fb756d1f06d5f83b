"""Of several processes that serve one database, each writes only under a lease that is alive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url, text

from tests.postgres import PostgresServer
from tests.store.talk import Talk
from webchat.store import LeaseLost, Store, StoreUnavailable
from webchat.store.database import postgres as dialect
from webchat.store.errors import LeaseLapsed
from webchat.store.events import tell_webhooks
from webchat.store.records import FinishedTurn, JournalEntry


@pytest.fixture
def stores(postgres: PostgresServer) -> Iterator[tuple[Store, Store]]:
    """Two servers of one database, each with a lease."""
    url = postgres.fresh()
    with closing(Store.open(url)) as one, closing(Store.open(url)) as other:
        one.take_lease()
        other.take_lease()
        yield one, other


def expire(store: Store, replica: str | None) -> None:
    """The lease is over, by the database's clock."""
    with store.unfenced(write=True) as connection:
        over = "UPDATE replicas SET expires_at = clock_timestamp() - interval '1 second' WHERE id = :id"
        connection.execute(text(over), {"id": replica})


def test_what_a_lapsed_lease_left_is_interrupted_once_and_nothing_more_is_written(
    stores: tuple[Store, Store],
) -> None:
    paused, living = stores
    talk = Talk(paused, paused.create_owner("visitor", "Ada").id)
    id, untouched = talk.begin("hello").reply.id, Talk(living, talk.owner).begin("hi").reply.id
    paused.write_batch([JournalEntry(id, 1, "text", "shown")])
    expire(living, paused.replica)
    with pytest.raises(LeaseLapsed):
        paused.write_batch([JournalEntry(id, 2, "text", " late")])
    assert living.end_lapsed_leases() == 1
    with pytest.raises(LeaseLost):
        paused.write_batch([JournalEntry(id, 2, "text", " late")])
    assert paused.renew_lease() is None
    assert [orphan.message_id for orphan in living.interrupt_orphans()] == [id]
    # Nor under the lease that it takes next.
    paused.take_lease()
    with pytest.raises(ValueError, match="its turn has ended"):
        paused.write_batch([JournalEntry(id, 2, "text", " late")], [FinishedTurn(id, "complete")])
    (reply,) = paused.write_batch((), [FinishedTurn(id, "complete")])
    assert (reply.state, reply.text) == ("interrupted", "shown")
    assert living.message(talk.owner, untouched).state == "queued"
    assert living.interrupt_orphans() == []


def test_a_turn_of_a_lease_that_was_lost_is_not_written_under_the_next(stores: tuple[Store, Store]) -> None:
    """Also while nobody has interrupted it yet."""
    paused, living = stores
    talk = Talk(paused, paused.create_owner("visitor", "Ada").id)
    id = talk.begin("hello").reply.id
    expire(living, paused.replica)
    living.end_lapsed_leases()
    paused.take_lease()
    with pytest.raises(ValueError, match="its turn has ended"):
        paused.write_batch([JournalEntry(id, 1, "text", "late")])
    (reply,) = paused.write_batch((), [FinishedTurn(id, "complete")])
    assert reply.state == "queued"


def test_a_lease_that_is_late_and_not_ended_goes_on(stores: tuple[Store, Store]) -> None:
    one, other = stores
    expire(other, one.replica)
    renewed = [one.renew_lease(), one.renew_lease()]
    assert [lease and lease.late for lease in renewed] == [True, False]
    assert other.end_lapsed_leases() == 0
    assert [lease and lease.leads for lease in (one.renew_lease(), other.renew_lease())] == [True, False]


def test_no_lease_ends_under_a_transaction_and_none_is_held_by_one_that_stands_still(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "IDLE_MS", 500)
    url = postgres.fresh()
    with closing(Store.open(url)) as paused, closing(Store.open(url)) as living:
        paused.take_lease()
        living.take_lease()
        owner = paused.create_owner("visitor", "Ada").id

        def standing_still() -> None:
            with paused.transaction(write=True) as connection:
                connection.execute(text("UPDATE owners SET name = 'late' WHERE id = :id"), {"id": owner})
                expire(living, paused.replica)
                assert living.end_lapsed_leases() == 0
                while not living.end_lapsed_leases():
                    time.sleep(0.02)

        with pytest.raises(StoreUnavailable):
            standing_still()
        assert living.owner(owner).name == "Ada"


def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(postgres: PostgresServer) -> None:
    url = postgres.fresh()
    with closing(Store.open(url)) as store, store.unfenced(write=True) as connection:
        connection.execute(text(f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = off"))
    with closing(Store.open(url)) as store, store.unfenced(write=True) as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"


def test_servers_that_start_together_know_a_model_by_one_id(stores: tuple[Store, Store]) -> None:
    one, other = stores
    taken = "INSERT INTO model_servers (id, identity, created_at) VALUES ('first', 'models:8000', now())"
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as thread:
        with one.transaction(write=True) as connection:
            connection.execute(text(taken))
            asked = thread.submit(other.model_servers, ["models:8000"])
            while not connection.scalar(text(waits)):
                time.sleep(0.02)
        assert [server.id for server in asked.result()] == ["first"]


def test_a_webhook_that_is_removed_meanwhile_costs_no_reply(stores: tuple[Store, Store]) -> None:
    one, other = stores
    hook = one.create_webhook("https://example.org", "secret", ["reply.ended"])
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as thread:
        with one.transaction(write=True) as connection:
            tell_webhooks(connection, "reply.ended", ["reply"], datetime.now(UTC))
            removing = thread.submit(other.remove_webhook, hook.id)
            while not connection.scalar(text(waits)):
                time.sleep(0.02)
        removing.result()
    assert one.list_webhooks() == []
    with other.transaction(write=True) as removes:
        again = one.create_webhook("https://example.org", "secret", ["reply.ended"])
        removes.execute(text("DELETE FROM webhooks WHERE id = :id"), {"id": again.id})
        talk = Talk(one, one.create_owner("visitor", "Ada").id)
        id = talk.begin("hello").reply.id
        with ThreadPoolExecutor(1) as thread:
            ending = thread.submit(one.write_batch, (), [FinishedTurn(id, "complete")])
            while not removes.scalar(text(waits)):
                time.sleep(0.02)
            removes.commit()
            (reply,) = ending.result()
    assert reply.state == "complete"
