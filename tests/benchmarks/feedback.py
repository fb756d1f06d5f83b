"""Judgements and votes at many of them: storing one, the pages of the Feedback tab, and the results.

    python -m tests.benchmarks.feedback [--judgements 50000] [--times 20] [--postgres]

Milliseconds, median and 95th percentile, and of SQLite the steps that read a whole table. Eight models, and
forty people of a tester link.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, event, insert, text

from tests.postgres import PostgresServer, embedded
from tests.store.talk import Talk
from webchat.feedback.results import results
from webchat.store import Store
from webchat.store.database.codec import dump_settings, new_id
from webchat.store.database.tables.base import Base
from webchat.store.database.tables.conversations import ConversationRow, MessageRow, TurnRow
from webchat.store.database.tables.judgements import ComparisonRow, JudgementReasonRow, JudgementRow
from webchat.store.judgement_records import JudgementChange, JudgementFilter, Vote
from webchat.store.link_records import LinkTerms
from webchat.store.records import ConversationSettings, NewSide, NewTurn

MODELS = tuple(f"model-{number}" for number in range(8))
PEOPLE = 40
REASONS = ("accurate", "style_bad", "refused")
IN_ONE = 500
"""Chats written in one transaction."""


class Planted:
    """A database with so many judgements, and as many votes."""

    def __init__(self, store: Store, count: int) -> None:
        self.store = store
        self.operator = store.local_owner().id
        terms = LinkTerms(consent="It may train models.", training=True)
        self.link = store.create_link("class", "hash", datetime.now(UTC) + timedelta(days=7), terms).id
        guests = [store.create_owner("guest", f"p{number}", self.link).id for number in range(PEOPLE)]
        for guest in guests:
            store.consent(guest, 1)
        self._people = [self.operator, *guests]
        self._chance = Random(1)
        self._begun = datetime.now(UTC) - timedelta(days=30)
        for first in range(0, count, IN_ONE):
            store.in_turn(self._written, range(first, min(first + IN_ONE, count)))

    def _written(self, numbers: range) -> None:
        rows: dict[type[Base], list[dict[str, Any]]] = {}
        for number in numbers:
            for table, row in self._chat(number):
                rows.setdefault(table, []).append(row)
        with self.store._engines[True].begin() as connection:
            for table in (
                ConversationRow,
                MessageRow,
                TurnRow,
                JudgementRow,
                JudgementReasonRow,
                ComparisonRow,
            ):
                if table in rows:
                    connection.execute(insert(table), rows[table])

    def _chat(self, number: int) -> Iterator[tuple[type[Base], dict[str, Any]]]:
        """One chat of two replies to a message: the first was judged, and both compared."""
        chance, at = self._chance, self._begun + timedelta(seconds=number * 50)
        owner = chance.choice(self._people)
        chat, asked, left, right, judged = (new_id() for _ in range(5))
        guest = owner != self.operator
        settings = dump_settings(ConversationSettings())
        yield (
            ConversationRow,
            {
                "id": chat,
                "owner_id": owner,
                "kind": "chat",
                "title": "",
                "title_by": "auto",
                "pinned": False,
                "archived": False,
                "created_at": at,
                "updated_at": at,
                "active_leaf_id": left,
                "settings": settings,
            },
        )
        models = chance.sample(MODELS, 2)
        yield MessageRow, _message(asked, chat, None, "user", f"Question {number} about herons?", owner, at)
        for id, model in zip((left, right), models, strict=True):
            words = f"Answer {number} of {model}: " + "they stand still and then they strike. " * 8
            yield MessageRow, _message(id, chat, asked, "assistant", words, None, at) | {"model": model}
            yield (
                TurnRow,
                {
                    "message_id": id,
                    "conversation_id": chat,
                    "client_key": id,
                    "state": "complete",
                    "begun_at": at,
                    "finished_at": at,
                    "model": model,
                },
            )
        rating = chance.choice((1, 1, -1, 0))
        reasons = chance.sample(REASONS, chance.randint(0, 2))
        link = self.link if guest else None
        yield (
            JudgementRow,
            {
                "id": judged,
                "message_id": left,
                "owner_id": owner,
                "link_id": link,
                "at": at,
                "day": at.date().isoformat(),
                "changed_at": at,
                "seq": None,
                "rating": rating,
                "reasons": reasons,
                "comment": "",
                "answers": [],
                "better": "",
                "corrects": False,
                "consent": None,
                "covers": False,
                "model": models[0],
                "template": "",
                "review": chance.choice(("new", "accepted", "rejected")),
                "reviewed_by": None,
                "reviewed_at": None,
                "review_better": "",
            },
        )
        for reason in reasons:
            yield JudgementReasonRow, {"judgement_id": judged, "reason": reason, "at": at}
        yield (
            ComparisonRow,
            {
                "id": new_id(),
                "owner_id": owner,
                "conversation_id": chat,
                "asked_id": asked,
                "left_id": left,
                "right_id": right,
                "left_model": models[0],
                "right_model": models[1],
                "left_settings": settings,
                "right_settings": settings,
                "link_id": link,
                "at": at,
                "preferred": chance.choice(("left", "right", "tie")),
                "left_good": None,
                "right_good": None,
                "comment": "",
                "voted_at": at,
                "closed_at": at,
                "consent": None,
                "review": None,
            },
        )


def _message(
    id: str, chat: str, above: str | None, role: str, words: str, author: str | None, at: datetime
) -> dict[str, Any]:
    return {
        "id": id,
        "conversation_id": chat,
        "parent_id": above,
        "under_id": above or chat,
        "role": role,
        "author_id": author,
        "text": words,
        "created_at": at,
        "model": None,
    }


def asked_for(planted: Planted, times: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name; each is called some times."""
    store, operator = planted.store, planted.operator
    talk = Talk(store, operator, MODELS[0])
    replies = iter([talk.say("a question", "an answer").reply.id for _ in range(times + 1)])
    compared = iter([_compared(store, operator) for _ in range(times + 1)])
    filters = {
        "all": JudgementFilter(),
        "bad": JudgementFilter(rating=-1),
        "model": JudgementFilter(model=MODELS[3]),
        "link": JudgementFilter(link_id=planted.link),
        "reason": JudgementFilter(reason="style_bad"),
        "new, bad, model": JudgementFilter(review="new", rating=-1, model=MODELS[1]),
        "a day": JudgementFilter(since=planted._begun, before=planted._begun + timedelta(days=1)),
        "nothing found": JudgementFilter(model="unknown"),
    }
    third = _third_page(store, operator)
    found: dict[str, Callable[[], object]] = {
        "a rating": lambda: store.judge(
            operator, next(replies), JudgementChange(rating=-1, reasons=("refused",))
        ),
        "a vote": lambda: store.vote_on(operator, next(compared), Vote("left", True, False)),
        "page: third": lambda: store.judgements(operator, JudgementFilter(), cursor=third, limit=50),
        "choices": store.judgement_choices,
        "counts": store.judgement_counts,
        "votes read": store.vote_counts,
        "votes and results": lambda: results(store.vote_counts()),
    }
    for name, wanted in filters.items():
        found[f"page: {name}"] = lambda wanted=wanted: store.judgements(operator, wanted, limit=50)  # type: ignore[misc]
        found[f"count: {name}"] = lambda wanted=wanted: store.count_judgements(wanted)  # type: ignore[misc]
    return found


def _compared(store: Store, owner: str) -> str:
    """An open comparison whose sides have ended; its id."""
    plain = ConversationSettings()
    sides = [NewSide(model, model, plain, 16) for model in MODELS[:2]]
    begun = store.begin_comparison(owner, NewTurn(None, None, "compare", new_id(), MODELS[0]), *sides)
    assert begun.sides is not None
    for side in begun.sides:
        Talk(store, owner).finish(side.reply.id, "words")
    assert begun.reply.compared is not None
    return begun.reply.compared.id


def _third_page(store: Store, operator: str) -> str | None:
    cursor = None
    for _ in range(2):
        cursor = store.judgements(operator, JudgementFilter(), cursor=cursor, limit=50).next
    return cursor


@contextmanager
def plans(store: Store) -> Iterator[set[str]]:
    """Of each query in the block, the steps of SQLite that read a whole table without an index."""
    whole: set[str] = set()
    quiet = False

    def look(
        connection: Connection, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool
    ) -> None:
        nonlocal quiet
        if quiet or not statement.lstrip().upper().startswith(("SELECT", "WITH")):
            return
        quiet = True
        try:
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {statement}", given)
            whole.update(str(row[3]) for row in raw.fetchall() if _reads_all(str(row[3])))
            raw.close()
        finally:
            quiet = False

    event.listen(store._engines[False], "before_cursor_execute", look)
    try:
        yield whole
    finally:
        event.remove(store._engines[False], "before_cursor_execute", look)


def _reads_all(step: str) -> bool:
    return step.startswith("SCAN ") and "INDEX" not in step and "CONSTANT" not in step


@contextmanager
def database(postgres: bool) -> Iterator[str]:
    if postgres:
        with embedded() as server:
            yield PostgresServer(server).empty()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'chat.db'}"


def measured(call: Callable[[], object], times: int) -> list[float]:
    call()
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - begun))
    return sorted(found)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judgements", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--keep", help="a folder that the database stays in, to look at the page with")
    options = parser.parse_args(arguments)
    with database(options.postgres) as url:
        if options.keep:
            url = f"sqlite:///{Path(options.keep) / 'webchat.db'}"
        store = Store.open(url)
        try:
            planted = Planted(store, options.judgements)
            if options.postgres:  # as its own housekeeping does
                with store._engines[True].begin() as connection:
                    connection.execute(text("ANALYZE"))
            print(f"{options.judgements:,} judgements and votes, ms")
            for name, call in asked_for(planted, options.times).items():
                took = measured(call, options.times if "results" not in name else 2)
                line = f"  {name:24}{statistics.median(took):9.1f}{took[int(0.95 * (len(took) - 1))]:9.1f}"
                if not options.postgres and not name.startswith(("a rating", "a vote")):
                    with plans(store) as whole:
                        call()
                    line += f"   {', '.join(sorted(whole))}"
                print(line, flush=True)
        finally:
            store.close()


if __name__ == "__main__":
    main()
