"""The app of today on the database of an earlier version: it starts, and everything is there."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from sqlalchemy import MetaData, NullPool, create_engine, inspect, make_url, select, text

from tests.app_process import AppProcess
from tests.clean_environment import ROOT
from tests.store.talk import Talk
from webchat.auth.passwords.checking import hash_password
from webchat.store import Store
from webchat.store.database.migrate import VERSION_TABLE, _config

PIECES = '{{"index": 0, "id": {id}, "name": {name}, "arguments": "{said}"}}\n'
PASSWORD = "a long enough one"
Rows = Mapping[str, Mapping[tuple[Any, ...], Mapping[str, Any]]]


def rows(url: str) -> Rows:
    """Every row by table and primary key, read without knowing any table, but for the search index."""
    driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[make_url(url).get_backend_name()]
    engine = create_engine(make_url(url).set(drivername=driver), poolclass=NullPool)
    found: dict[str, dict[tuple[Any, ...], Mapping[str, Any]]] = {}
    with engine.connect() as connection:
        names = inspect(connection).get_table_names()
        names = [name for name in names if not name.startswith("search_") and name != VERSION_TABLE]
        (tables := MetaData()).reflect(connection, only=names)
        for name, table in tables.tables.items():
            keys = [column.name for column in table.primary_key]
            all_rows = connection.execute(select(table)).mappings()
            found[name] = {tuple(row[key] for key in keys): dict(row) for row in all_rows}
    return found


@pytest.mark.parametrize("revision", ["0019", pytest.param("0010", marks=pytest.mark.slow)])
def test_an_upgrade_keeps_every_row_and_the_app_finds_it(revision: str, url: str, tmp_path: Path) -> None:
    with closing(Store.open(url)) as store:
        ada = store.add_person("password", "ada", "Ada", operates=True, password_hash=hash_password(PASSWORD))
        talk = Talk(store, ada.owner_id)
        kept = talk.say("Where do herons nest?", "In tall trees near water.")
        gone = talk.say("deleted", "too")
        store.delete_conversation(ada.owner_id, gone.conversation.id)
        running = talk.begin("and in winter?")
        link = store.create_link("testers", "hash", None)
        Talk(store, store.create_owner("guest", "Tess", link.id).id).say("hello", "hi")
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
            pieces = (
                PIECES.format(id='"t"', name='"tide"', said="{"),
                PIECES.format(id="null", name="null", said="\u2028"),
                '{"index": []}\n{"index": 0, "arguments": 5}\n["index"]\n{\n',  # of an imported reply
                PIECES.format(id="null", name="null", said="}"),
            )
            called = text("UPDATE turns SET tool_text = :pieces WHERE message_id = :reply")
            connection.execute(called, {"pieces": "".join(pieces), "reply": kept.reply.id})
    before = rows(url)
    assert (len(before["messages"]), len(before["people"]), len(before["links"])) == (8, 1, 1)
    flags = ("--endpoint", "http://127.0.0.1:9/v1", "--sign-in", "password")
    with (
        AppProcess(tmp_path / "data", *flags, env={"DATABASE_URL": url}, preloaded=True) as app,
        httpx.Client(base_url=app.url, headers={"origin": app.url}, timeout=120) as client,
    ):
        body = {"name": "ada", "password": PASSWORD}
        assert client.post("/sign-in/password", json=body).status_code == 204
        thread = client.get(f"/api/conversations/{kept.conversation.id}").json()
        assert [one["text"] for one in thread["messages"]][-1] == "In tall trees near water."
        assert thread["messages"][-1]["tool_calls"] == [{"id": "t", "name": "tide", "arguments": "{\u2028}"}]
        found = client.get("/api/search", params={"q": "herons"}).json()
        assert [one["conversation_id"] for one in found["items"]] == [kept.conversation.id]
        cut = client.get(f"/api/messages/{running.reply.id}").json()
        assert cut["message"]["state"] == "interrupted"
    after = rows(url)
    changed: set[tuple[str, str]] = set()
    for table, was in before.items():
        for key, row in was.items():
            now = after[table][key]
            changed |= {(table, name) for name in row.keys() & now.keys() if row[name] != now[name]}
    # The reply that was cut off, and that somebody signed in.
    assert changed == {("turns", "state"), ("turns", "finished_at"), ("people", "seen_at")}


VERSIONS = ROOT / "webchat" / "store" / "database" / "migrations" / "versions"
TAKES = {"drop_column", "drop_table", "drop_constraint", "alter_column", "rename_table"}


def test_an_update_takes_nothing_that_servers_of_an_older_version_use_while_they_finish() -> None:
    """What the code no longer uses is dropped by a later version. Servers share a database since 0021; 0023
    came before a release of that."""
    taking = set()
    for path in VERSIONS.glob("[0-9]*.py"):
        for function in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(function, ast.FunctionDef) and function.name == "upgrade":
                called = {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}
                taking |= {path.name} if called & TAKES else set()
    assert {name for name in taking if name > "0021"} == {"0023_tool_calls.py"}
