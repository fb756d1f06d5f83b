"""What the database says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.store.talk import Talk
from webchat.store import Store, StoreUnavailable, checkup
from webchat.store.checkup import check_up
from webchat.store.database.migrate import VERSION_TABLE
from webchat.store.database.tables.conversations import TurnRow
from webchat.store.records import Failure, FinishedTurn, Provenance, TurnState
from webchat.store.verbs import usage as usage_verbs
from webchat.store.verbs.usage import id_at


def test_a_probe_leaves_nothing(store: Store) -> None:
    store.probe()
    with store.transaction(write=False) as connection:
        probes = connection.exec_driver_sql("SELECT count(*) FROM owners WHERE kind = 'probe'").scalar()
    assert probes == 0


@pytest.mark.usefixtures("unused")
def test_a_probe_fails_where_the_tables_are_older(store: Store) -> None:
    with store.transaction(write=True) as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0018'")
    with pytest.raises(StoreUnavailable, match="older version"):
        store.probe()


def test_usage_is_summed_by_model_and_person_and_failures_by_code(
    store: Store, talk: Talk, stranger: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who, tokens, failure in (
        (talk, 7, None),
        (talk, 5, None),
        (stranger, 1, Failure("timeout", "Late.", "")),
    ):
        begun = who.begin("hello")
        state: TurnState = "complete" if failure is None else "failed"
        made = Provenance(prompt_tokens=10, completion_tokens=tokens, first_token_seconds=tokens / 10)
        store.write_batch([], [FinishedTurn(begun.reply.id, state, failure=failure, provenance=made)])
    found = store.usage_since(datetime.now(UTC) - timedelta(hours=1))
    assert found.replies == 3
    assert found.whole
    (model,) = found.models
    assert (model.name, model.replies, model.prompt_tokens, model.completion_tokens) == ("echo", 3, 30, 13)
    assert [(one.name, one.completion_tokens, one.kind) for one in found.people] == [
        ("Ada", 12, "visitor"),
        ("Eve", 1, "visitor"),
    ]
    assert found.links == ()
    assert found.errors == (("timeout", "echo", 1),)
    assert found.first_token == (0.1, 0.5, 0.7)
    assert store.usage_since(datetime.now(UTC) + timedelta(minutes=1)).replies == 0
    # However many there are, the newest are read, by their key.
    monkeypatch.setattr(usage_verbs, "MOST_TURNS", 2)
    cut = store.usage_since(datetime.now(UTC) - timedelta(hours=1))
    assert not cut.whole
    assert cut.replies == 2
    if store.dialect.url.drivername.startswith("sqlite"):
        with store.transaction(write=False) as connection:
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN SELECT model FROM {TurnRow.__tablename__} WHERE message_id >= ?"
                " ORDER BY message_id DESC LIMIT 9",
                (id_at(datetime.now(UTC)),),
            ).all()
        assert all("USING INDEX" in row[3] for row in plan), plan


def test_a_checkup_beside_the_server_says_what_the_database_is(store: Store, talk: Talk, url: str) -> None:
    talk.begin("hello")
    found = check_up(url, whole=True)
    assert found is not None
    assert found.tables == "current"
    assert found.size > 0
    assert found.damage == ""
    assert found.server.partition(" ")[0] in ("SQLite", "PostgreSQL")


def test_a_checkup_does_not_wait_for_ever_for_a_table(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url.startswith("sqlite"):
        return
    monkeypatch.setattr(checkup, "WAIT_MS", 100)
    with store.transaction(write=True) as connection:
        connection.exec_driver_sql("LOCK TABLE webhooks IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match="too busy"):
            check_up(url)


def test_a_checkup_finds_damage(store: Store, talk: Talk, url: str) -> None:
    if not url.startswith("sqlite"):
        return
    talk.begin("hello")
    path = store.dialect.path  # type: ignore[attr-defined]
    store.close()
    size = path.stat().st_size
    with path.open("rb+") as file:
        file.seek(size // 2)
        file.write(b"x" * (size // 4))
    found = check_up(url, whole=True)
    assert found is not None
    assert found.damage


def test_what_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "webchat.db").mkdir()
    (tmp_path / "webchat.db" / "file").touch()
    with pytest.raises(StoreUnavailable):  # its cure depends on the disk
        check_up(f"sqlite:///{tmp_path / 'webchat.db'}")
