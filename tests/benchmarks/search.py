"""The search at many messages: how long it takes, how large its index is, what it costs to write a message,
and to make the index anew.

    python -m tests.benchmarks.search [--messages 100000] [--times 20] [--postgres]

Milliseconds, median and 95th percentile, beside reading every message with LIKE. The texts are docstrings of
Python's library and phrases of the Chinese page.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text

from tests.postgres import PostgresServer, embedded
from webchat.store import Store
from webchat.store.database.codec import new_id, now
from webchat.store.database.tables.conversations import ConversationRow, MessageRow
from webchat.store.database.tables.search import SearchEntryRow
from webchat.store.search.index import _PUT, _row, add_entry, words_for

IN_ONE = 50
"""Messages of a conversation."""

QUERIES = {
    "common": "the",
    "two common": "return value",
    "part": "ormati",
    "rare": "zeitgeist",
    "absent": "xyzzyqwv",
    "phrase": '"the default value"',
    "identifier": "foo_bar",
    "C++": "C++",
    "one letter": "a",
    "two letters": "of",
    "Chinese": "模型",
    "Chinese, rare": "爬虫",
    "Chinese, one": "猫",
    "emoji": "🎉",
    "200 words": "value " * 33,
}
PLANTED = ("zeitgeist", "爬虫", "猫", "🎉", "foo_bar_baz", "C++")


def paragraphs() -> list[str]:
    library = Path(sysconfig.get_path("stdlib"))
    files = [*sorted(library.glob("*.py")), *sorted(library.glob("[a-l]*/*.py"))]
    found: list[str] = []
    for file in files[:700]:
        try:
            nodes = ast.walk(ast.parse(file.read_text("utf-8")))
        except (SyntaxError, UnicodeDecodeError):
            continue
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Module)
        said = (ast.get_docstring(node) for node in nodes if isinstance(node, kinds))
        found += [text for text in said if text and 60 < len(text) < 2000]
    phrases = [
        phrase
        for file in sorted(Path("webchat/ui/locales/zh-CN").glob("*.json"))
        for phrase in json.loads(file.read_text("utf-8")).values()
    ]
    chance = random.Random(2)
    return found + ["".join(chance.sample(phrases, 15)) for _ in range(len(found) // 4)]


def texts(count: int) -> Iterator[str]:
    chance, found = random.Random(1), paragraphs()
    every = max(1, count // 5)
    for number in range(count):
        planted = f" {' '.join(PLANTED)}" if number % every == every // 2 else ""
        yield f"{chance.choice(found)} {chance.choice(found)[:60]}{planted}"


def fill(store: Store, owner: str, count: int) -> int:
    """Returns how many characters."""
    said = list(texts(count))
    at_once = 100 * IN_ONE
    for start in range(0, count, at_once):
        with store.transaction(write=True) as connection:
            _fill(connection, owner, said[start : start + at_once])
    return sum(map(len, said))


def _fill(connection: Connection, owner: str, said: Sequence[str]) -> None:
    """As `write` does, in few statements."""
    last = connection.scalar(select(func.max(SearchEntryRow.number))) or 0
    chats, messages, entries, words = [], [], [], []
    for number, content in enumerate(said, last + 1):
        if (number - last) % IN_ONE == 1:
            chat = {"id": new_id(), "owner_id": owner, "title": "Chat", "title_by": "auto", "pinned": False}
            times = {"created_at": now(), "updated_at": now()}
            chats.append(chat | times | {"archived": False, "settings": {}})
        place = chats[-1]["id"]
        message = {"id": new_id(), "conversation_id": place, "under_id": place, "role": "user"}
        messages.append(message | {"text": content, "created_at": now()})
        of_entry = {"owner_id": owner, "conversation_id": place, "message_id": message["id"]}
        entries.append(of_entry | {"number": number})
        words.append(_row(number, 0) | {"words": words_for(owner, content)})
    for table, rows in ((ConversationRow, chats), (MessageRow, messages), (SearchEntryRow, entries)):
        connection.execute(insert(table), rows)
    connection.execute(_PUT[connection.dialect.name], words)
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence('search_entries', 'number'), :last)"), {"last": number}
        )


def write(connection: Connection, owner: str, place: str, content: str) -> None:
    message = {"id": new_id(), "conversation_id": place, "under_id": place, "role": "user"}
    connection.execute(insert(MessageRow), [message | {"text": content, "created_at": now()}])
    add_entry(connection, owner, place, message["id"], content)


def timed(work: Callable[[], object], times: int) -> list[float]:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def told(taken: list[float]) -> str:
    return f"{statistics.median(taken):8.1f} {sorted(taken)[int(0.95 * (len(taken) - 1))]:8.1f}"


def queries(store: Store, owner: str, times: int) -> None:
    like = text(
        "SELECT count(*) FROM messages JOIN conversations ON conversations.id = conversation_id"
        " WHERE owner_id = :owner AND messages.text LIKE '%zeitgeist%'"
    )

    def scan() -> None:
        with store.transaction(write=False) as connection:
            connection.scalar(like, {"owner": owner})

    scanned = timed(scan, 5)
    print(f"{'every message by LIKE':24}{told(scanned)}")
    for name, query in QUERIES.items():
        found = store.search(owner, query)
        taken = timed(lambda query=query: store.search(owner, query), times)  # type: ignore[misc]
        ratio = statistics.median(taken) / statistics.median(scanned)
        whole = "" if found.whole else ", not whole"
        print(f"{name:24}{told(taken)} {ratio:8.3f} of LIKE, {len(found.items)} found{whole}")


def size(store: Store) -> float:
    """Megabytes of the words."""
    with store.transaction(write=False) as connection:
        if connection.dialect.name == "postgresql":
            return (connection.scalar(text("SELECT pg_total_relation_size('search_words')")) or 0) / 1e6
        blocks = "SELECT sum(length(block)) FROM search_words_data"
        content = "SELECT sum(length(CAST(c0 AS BLOB)) + 8) FROM search_words_content"
        return sum(connection.scalar(text(query)) or 0 for query in (blocks, content)) / 1e6


def writing(store: Store, owner: str, times: int) -> None:
    place = store.list_conversations(owner).items[0].id
    said = texts(times)

    def one() -> None:
        with store.transaction(write=True) as connection:
            write(connection, owner, place, next(said))

    print(f"{'writing a message':24}{told(timed(one, times))}")


def anew(store: Store, count: int) -> None:
    with store.transaction(write=True) as connection:
        connection.execute(text("DELETE FROM search_words"))
        connection.execute(text("UPDATE search_entries SET parts = 0, owed = 1"))
    held: list[float] = []
    store.watch = lambda verb, seconds: held.append(1000 * seconds)
    start = time.perf_counter()
    store.index_owed()
    seconds = time.perf_counter() - start
    most = f"at most {max(held):.1f} ms"
    print(f"{'index made anew':24}{seconds:8.1f} s; the writer was held {told(held)}, {most}")


@contextmanager
def database(postgres: bool) -> Iterator[str]:
    if postgres:
        with embedded() as url:
            yield PostgresServer(url).empty()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/chat.db"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--anew", type=int, default=1, help="0: leave out making the index anew")
    asked = parser.parse_args()
    with database(asked.postgres) as url:
        store = Store.open(url)
        owner = store.create_owner("visitor", "Ada").id
        start = time.perf_counter()
        chars = fill(store, owner, asked.messages)
        fill(store, store.create_owner("visitor", "Eve").id, asked.messages // 10)
        print(f"{asked.messages} messages of {chars // asked.messages} characters")
        print(f"filled in {time.perf_counter() - start:.0f} s; the words take {size(store):.0f} MB")
        if asked.postgres:
            with store.transaction(write=True) as connection:
                connection.execute(text("ANALYZE"))
        queries(store, owner, asked.times)
        writing(store, owner, 10 * asked.times)
        if asked.anew:
            anew(store, asked.messages)
        store.close()


if __name__ == "__main__":
    main()
