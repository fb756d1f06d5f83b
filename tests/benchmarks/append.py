"""What a lease costs a journal append: batches with and without it, in turns, on one database of each kind.

Run: `python -m tests.benchmarks.append`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import closing

from tests.postgres import PostgresServer, embedded
from webchat.store import Store
from webchat.store.records import JournalEntry, NewTurn

BATCHES = 600
REPLIES = 10


def measured(url: str) -> dict[str, float]:
    """Median seconds of a batch of `REPLIES` entries: `bare`, and `leased` where there are leases."""
    with closing(Store.open(url)) as store:
        owner = store.create_owner("visitor", "Ada").id

        def begun() -> list[str]:
            keys = [f"{store.replica}-{time.monotonic_ns()}-{number}" for number in range(REPLIES)]
            return [store.begin_turn(owner, NewTurn(None, None, "hi", key, "m")).reply.id for key in keys]

        ways: dict[str, tuple[str | None, list[str]]] = {"bare": (None, begun())}
        if store.shared:
            ways["leased"] = (store.take_lease(), begun())
        times: dict[str, list[float]] = {way: [] for way in ways}
        for seq in range(1, BATCHES + 1):
            for way, (store.replica, ids) in ways.items():
                batch = [JournalEntry(id, seq, "text", "some words of a reply") for id in ids]
                if seq % 50 == 0:
                    _renewed(store)
                start = time.perf_counter()
                store.write_batch(batch)
                times[way].append(time.perf_counter() - start)
        return {way: statistics.median(some) for way, some in times.items()}


def _renewed(store: Store) -> None:
    if store.replica is not None:
        store.renew_lease()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, embedded() as server:
        urls = {"SQLite": f"sqlite:///{folder}/chat.db", "PostgreSQL": PostgresServer(server).empty()}
        for name, url in urls.items():
            took = measured(url)
            shown = ", ".join(f"{way} {1e6 * seconds:.0f} µs" for way, seconds in took.items())
            ratio = took.get("leased", took["bare"]) / took["bare"]
            print(f"{name}: {shown} for {REPLIES} entries; ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
