"""A database is opened whole, by one server, at one version; what came before an update is kept."""

from __future__ import annotations

import inspect
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text

from tests.clean_environment import ROOT
from tests.postgres import PostgresServer
from tests.store.killed_updates import KILLS
from tests.store.talk import Talk, later
from webchat.store import DatabaseBusy, NewerDatabase, Store, StoreUnavailable, database
from webchat.store.database.migrate import BACKUPS_KEPT, VERSION_TABLE, _config, back_up
from webchat.store.database.sqlite import Sqlite
from webchat.store.database.tables.base import Base
from webchat.store.link_records import LinkTerms
from webchat.store.records import FinishedTurn, NewTurn, Provenance


def test_the_migrations_make_the_tables_the_code_knows(store: Store) -> None:
    with store.transaction(write=False) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        differences = [
            change for change in compare_metadata(context, Base.metadata) if "search_words" not in str(change)
        ]
    assert differences == []


def test_an_empty_database_is_made_and_opened_again(empty_url: str) -> None:
    with closing(Store.open(empty_url)) as store:
        turn = Talk(store, store.local_owner().id).say("hello", "hi")
    with closing(Store.open(empty_url)) as store:
        assert Talk(store, store.local_owner().id).shown(turn.conversation.id) == ["hello", "hi"]


def test_what_an_older_version_stored_comes_along(url: str) -> None:
    """Its rows stay, and a turn that was begun then is still found by its key."""
    with closing(Store.open(url)) as store:
        owner = store.local_owner().id
        talk = Talk(store, owner)
        gone = talk.say("deleted", "too")
        begun = talk.begin("hello", key="of old")
        talk.finish(begun.reply.id, "hi")
        store.delete_conversation(owner, gone.conversation.id)
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, "0002")
    with closing(Store.open(url)) as store:
        assert Talk(store, owner).shown(begun.conversation.id) == ["hello", "hi"]
        assert [item.title for item in store.list_trash(owner).items] == ["deleted"]
        again = store.turn_by_key(owner, "of old")
        assert again is not None
        assert (again.reply.id, again.asked, again.created) == (begun.reply.id, None, False)


def test_what_each_person_of_a_link_used_before_is_counted(url: str) -> None:
    with closing(Store.open(url)) as store:
        link = store.create_link("testers", "hash", None)
        guest = store.create_owner("guest", "Tess", link.id).id
        new = NewTurn(
            conversation_id=None, parent_id=None, user_text="Hi", client_key="k", model="m", link_id=link.id
        )
        begun = store.begin_turn(guest, new)
        end = FinishedTurn(begun.reply.id, "complete", provenance=Provenance(completion_tokens=5))
        store.write_batch((), [end])
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, "0010")
    with closing(Store.open(url)) as store:
        store.change_link(
            link.id, terms=lambda _: LinkTerms(conversations_each=9, messages_each=9, tokens_each=9)
        )
        left = store.link_left(link.id, guest)
        assert (left.conversations, left.messages, left.tokens) == (8, 8, 4)


def test_one_server_at_a_time_and_the_command_line_beside_it(url: str, kind: str) -> None:
    with closing(Store.open(url)):
        # Others may serve a PostgreSQL database, too, unless one has to be alone.
        if kind == "postgresql":
            Store.open(url).close()
        with pytest.raises(DatabaseBusy, match="Another webchat") as caught:
            Store.open(url, alone=True)
        assert "Stop it first" in caught.value.cure
        with closing(Store.open(url, serve=False)) as beside:
            beside.create_link("tester", "hash", None)
            assert [link.name for link in beside.list_links()] == ["tester"]
    Store.open(url).close()


def test_a_killed_server_leaves_no_lock(url: str) -> None:
    code = (
        "import os, signal, sys; from webchat.store import Store; Store.open(sys.argv[1]);"
        "print('open', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "open\n", done.stderr
    Store.open(url).close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks here")
def test_an_update_that_is_killed_leaves_the_old_tables_or_the_new_ones(url: str, tmp_path: Path) -> None:
    with closing(Store.open(url)) as store:
        talk = Talk(store, store.local_owner().id)
        said = talk.say("hello", "hi").conversation.id
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, "0002")
    backups = tmp_path / "backups"
    command_line = [sys.executable, "-m", "tests.store.killed_updates", url, str(backups)]
    done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True)
    told = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    assert [kill for kill, *_ in told] == list(KILLS), done.stderr
    assert {tuple(found) for _, *found in told[:-1]} == {("0002", "older")}
    assert told[-1][2] == "current"
    assert not list(backups.glob("*.unfinished"))
    with closing(Store.open(url)) as store:
        assert Talk(store, talk.owner).shown(said) == ["hello", "hi"]


def test_an_update_that_computes_for_long_is_not_timed_out(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends a writer's transaction in which nothing happens for a while."""
    upgrade = command.upgrade

    def slow(*given: Any) -> None:
        time.sleep(2)
        upgrade(*given)

    monkeypatch.setattr(command, "upgrade", slow)
    monkeypatch.setattr(database.postgres, "IDLE_MS", 1000)
    with closing(Store.open(postgres.empty())) as store:
        assert store.local_owner()


def _run(url: str, statement: str) -> None:
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg" if url.startswith("postgres") else "sqlite")
    )
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_later_versions_database_is_refused_in_one_sentence_and_left_alone(url: str) -> None:
    Store.open(url).close()
    _run(url, f"UPDATE {VERSION_TABLE} SET version_num = 'from-tomorrow'")
    with pytest.raises(NewerDatabase, match="newer version") as caught:
        Store.open(url)
    assert "Update webchat" in caught.value.cure
    assert "\n" not in str(caught.value)


def test_another_programs_database_is_refused(empty_url: str) -> None:
    _run(empty_url, "CREATE TABLE messages (id integer)")
    with pytest.raises(StoreUnavailable, match="another program"):
        Store.open(empty_url)


@pytest.mark.parametrize("url", ["", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_an_address_of_no_database_is_told(url: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        Store.open(url)
    assert caught.value.cure


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        Store.open("postgresql://me:sesame@127.0.0.1:1/chat")
    assert "sesame" not in str(caught.value) + repr(caught.value)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "chat.db").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    with pytest.raises(StoreUnavailable, match="damaged"):
        Store.open(f"sqlite:///{tmp_path / 'chat.db'}")


def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be opened or written"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'chat.db'}")


def test_a_copy_is_put_aside_before_an_update_and_only_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    url, folder = f"sqlite:///{path}", tmp_path / "kept"
    with closing(Store.open(url)) as store:
        Talk(store, store.local_owner().id).say("precious", "words")
        with store.transaction(write=True) as connection:
            engine = connection.engine
        folder.mkdir()
        killed = "chat-0023-20260101T000000000000.unfinished"
        for left in (killed, f"{killed}-journal"):
            (folder / left).touch()
        # Another database may be in the same folder, and be copied just now.
        others = [
            folder / f"chat-team-0023-20260101T000000000000.{ending}" for ending in ("db", "unfinished")
        ]
        for other in others:
            other.touch()
            os.utime(other, (0, 0))
        copies = [back_up(path, folder, engine) for _ in range(BACKUPS_KEPT + 2)]
    assert sorted(folder.iterdir()) == sorted([*others, *(copy for copy in copies[-BACKUPS_KEPT:] if copy)])
    newest = copies[-1]
    assert newest
    with closing(sqlite3.connect(newest)) as copy:
        assert copy.execute("SELECT text FROM messages ORDER BY id").fetchall() == [("precious",), ("words",)]


def test_a_purge_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    canary = "Zugzwangkanarienvogel"
    with closing(Store.open(f"sqlite:///{path}")) as store:
        talk = Talk(store, store.local_owner().id)
        talk.say("stays", "here")
        turn = talk.say(canary, f"{canary} again")
        store.update_conversation(talk.owner, turn.conversation.id, title=canary)
        assert any(canary.encode() in file.read_bytes() for file in tmp_path.glob("chat.db*"))
        store.delete_conversation(talk.owner, turn.conversation.id)
        store.purge(later())
        for file in tmp_path.glob("chat.db*"):
            content = file.read_bytes().lower()
            assert canary.lower().encode() not in content, file


def test_what_is_committed_is_on_the_disk(tmp_path: Path) -> None:
    """In the product: databases of tests do not wait for it."""
    set_pragmas = inspect.unwrap(Sqlite.set_pragmas)
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection:
        set_pragmas(Sqlite(make_url(f"sqlite:///{tmp_path / 'chat.db'}")), connection, True)
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,), pragma
