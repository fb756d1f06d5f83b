"""People and links are found by what they are called: like conversations, by parts, and along an index."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from webchat.store import Store
from webchat.store.database.migrate import _config
from webchat.store.search.names import candidates
from webchat.store.search.words import query_terms


def link(store: Store, name: str) -> str:
    return store.create_link(name, f"hash of {name}", None).id


def people(store: Store, query: str, limit: int = 10, cursor: str | None = None) -> list[str]:
    return [person.name for person in store.search_people(query, limit, cursor).items]


def links(store: Store, query: str) -> list[str]:
    return [one.link.name for one in store.listed_links(text=query).items]


def test_people_are_found_by_parts_of_their_names_in_any_script(store: Store) -> None:
    store.add_person("password", "ada", "Áda Lovelace", "countess@example.org")
    store.add_person("password", "wang", "王小明", "wang@example.org")
    store.add_person("password", "zoe", "Zoë 小明")
    link(store, "Ada's link")
    assert people(store, "ADA") == people(store, "lace ada") == people(store, "untess@") == ["Áda Lovelace"]
    assert people(store, "小明") == ["Zoë 小明", "王小明"]
    assert people(store, "王") == people(store, "g@") == ["王小明"]
    assert people(store, "z") == ["Zoë 小明"]
    assert (
        people(store, "%") == people(store, "_") == people(store, "明小") == people(store, "ada wang") == []
    )
    assert len(people(store, " ")) == 3


def test_links_are_found_by_parts_of_their_names(store: Store) -> None:
    link(store, "Round 1: 客服机器人")
    link(store, "Round 2")
    assert links(store, "客服") == ["Round 1: 客服机器人"]
    assert links(store, "round") == ["Round 2", "Round 1: 客服机器人"]
    assert links(store, "nd 2") == ["Round 2"]


def test_the_index_follows_what_changes(store: Store) -> None:
    first = store.enter_person("oidc", "7", "Ada", "ada@example.org", None)
    store.enter_person("oidc", "7", "Ada King", "king@example.org", None)
    assert (people(store, "king"), people(store, "ada@")) == (["Ada King"], [])
    store.rename_person(first.owner_id, "Countess")
    assert people(store, "countess") == ["Countess"]
    renamed = link(store, "Before")
    store.change_link(renamed, name="After")
    assert (links(store, "after"), links(store, "before")) == (["After"], [])
    store.remove_person(first.owner_id)
    with store.transaction(write=False) as connection:
        left = set(connection.scalars(text("SELECT about_id FROM name_words")))
    assert left == {renamed}, "nothing of who was removed"


def test_pages_of_what_is_found_go_on_past_what_only_looks_alike(store: Store) -> None:
    """`abcab` has all words of `bcabc`, and is not called so."""
    for number in range(250):
        store.add_person("password", f"n{number}", f"{number} abcab bca cab")
    named = [store.add_person("password", f"p{number}", f"{number} bcabc").name for number in range(3)]
    for number in range(250, 300):
        store.add_person("password", f"n{number}", f"{number} abcab bca cab")
    first = store.search_people("bcabc", 2)
    assert [one.name for one in first.items] == named[:0:-1]
    assert people(store, "bcabc", 2, first.next) == named[:1]


MANY = (
    "INSERT INTO name_words (about_id, word, kind)"
    " SELECT 'p' || n, 'w' || (n % 3000), 'person' FROM generate_series(1, 30000) AS n",
    "ANALYZE",
)


@pytest.mark.usefixtures("unused")
def test_no_search_reads_the_whole_table(store: Store, kind: str) -> None:
    if kind == "postgresql":  # decides by the size of things
        with store.transaction(write=True) as connection:
            for statement in MANY:
                connection.execute(text(statement))
    explain = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
    for query in ("ada", "lovelace ada", "小明", "王", "a", "g@"):
        asked = candidates("person", query_terms(query), "z" * 36)
        with store.transaction(write=False) as connection:
            statement = str(asked.compile(connection, compile_kwargs={"literal_binds": True}))
            plan: Any = connection.exec_driver_sql(f"{explain} {statement}".replace("%", "%%")).all()
        assert not re.search(r"SCAN|Seq Scan", str(plan)), (query, plan)


def test_what_was_there_before_the_index_is_found(url: str) -> None:
    with closing(Store.open(url)) as store:
        store.add_person("password", "ada", "王小明", None)
        link(store, "Round 1")
        with ExitStack() as stack, store.transaction(write=True) as connection:
            config = _config(stack)
            config.attributes["connection"] = connection
            command.downgrade(config, "0021")
    with closing(Store.open(url)) as store:
        assert (people(store, "小明"), links(store, "round")) == (["王小明"], ["Round 1"])
