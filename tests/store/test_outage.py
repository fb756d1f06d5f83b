"""A database that fails is in the log when that begins, once a minute, and when it is over."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.store.talk import Talk
from webchat.store import Store, StoreUnavailable
from webchat.store.database.outage import Outage


def test_a_full_disk_is_three_lines_however_many_calls_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "webchat.store")
    now = 1000.0
    with closing(Store.open(f"sqlite:///{tmp_path / 'webchat.db'}")) as store:
        store._outage = Outage(lambda: now)
        talk = Talk(store, store.local_owner().id)

        def limit(pages: int) -> None:
            with store._engines[True].connect() as connection:
                connection.execute(text(f"PRAGMA max_page_count = {pages}"))

        def fail(times: int) -> None:
            for _ in range(times):
                with pytest.raises(StoreUnavailable):
                    talk.say("x" * 1_000_000, "y")
            store.count_chats("local")  # reading still works

        limit(1)  # SQLite takes as many as there are
        fail(20)
        now += 59
        fail(20)
        now += 1
        fail(20)
        limit(1_000_000)
        talk.say("short", "y")
        now += 1
        talk.say("short", "y")
        limit(1)
        fail(3)
        limit(1_000_000)
        talk.say("short", "y")  # it comes and goes: no two lines each time
        assert len(caplog.records) == 3
        now += 60
        talk.say("short", "y")
    lines = [record.getMessage() for record in caplog.records]
    assert "the database fails: The disk is full" in lines[0]
    assert "still fails, 41 failed calls in 60 s: The disk is full" in lines[1]
    assert lines[2:] == [
        "the database works again, after 60 failed calls in 60 s",
        "the database works again, after 3 failed calls in 60 s",
    ]
    assert not any(record.exc_info for record in caplog.records)
