"""People who come and go for half an hour, and what is left of them when nobody is there.

    python -m tests.benchmarks.soak [--minutes 30] [--people 100] [--database sqlite|postgresql]
                                    [--rounds 6] [--idle 75]

A real server process; each person comes by a tester link, from one of 256 addresses, opens the page, chats,
stops, edits, rates, votes, searches, shares, reloads, and often leaves in the middle of a reply. After each
round everybody is gone, and so is what the server keeps of them for a while (at most a minute: read shares,
and the watch of links). At these idle points the server reports its live objects by type, and the system its
handles, threads and memory. A figure has grown if the lowest of the later half of the points lies above the
highest of the earlier half by more than noise. Points before `WARM_REPLIES` do not count: until then caches
fill.

Exits with 1 if something grew, or if there were too few points to tell.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from tests.app_process import AppProcess
from tests.benchmarks.measure import FREELY, calibration, cpu_seconds, endpoint
from tests.benchmarks.visits import LEAVE_SECONDS, TERMS, Site, Tally, come_and_go
from tests.postgres import PostgresServer, embedded
from webchat.monitoring.sampling import Sample

COUNTED = "tests.benchmarks.counted"

WARM_REPLIES = 2500
"""After these, every cache that only its size limits is full; `turns.generating.paths` is the last."""

FEWEST_POINTS = 4

KEPT_AN_HOUR = frozenset({f"{Sample.__module__}.{Sample.__name__}"})
"""Types of which the server keeps an hour's: longer than a soak."""

NOISE_SHARE = 0.01
"""A smaller difference, as a share of a figure, is noise."""

NOISE_OF_A_TYPE = 25
"""So is one of so many objects of a type, or so much of a figure, however small that is."""

NOISE = {
    "objects": 500.0,
    "blocks": 2000.0,
    "resident MiB": 4.0,
    "private MiB": 4.0,
    "handles": 1.0,
    "threads": 2.0,
}

MOST_TRACED = 12
"""Types that grew whose holders are looked for."""


@dataclass
class Point:
    """The server when nobody is there. replies: until then; figures: by name; types: live objects by type."""

    replies: int
    figures: dict[str, float]
    types: dict[str, int]


class Server:
    """Measures the app's process."""

    def __init__(self, app: AppProcess, database: str, folder: Path) -> None:
        self._app = app
        self._database = database
        self._folder = folder

    async def point(self, replies: int) -> Point:
        process = Path("/proc") / str(self._app.pid)
        memory = {
            line.split()[0].rstrip(":"): int(line.split()[1]) / 1024
            for line in (process / "smaps_rollup").read_text().splitlines()[1:]
        }
        handles = [_target(one) for one in (process / "fd").iterdir()]
        threads = len(list((process / "task").iterdir()))
        counts = await self._counts()
        figures = {
            "resident MiB": memory["Rss"],
            "private MiB": memory["Private_Clean"] + memory["Private_Dirty"],
            "objects": sum(counts["types"].values()),
            "blocks": counts["blocks"],
            "handles": len(handles),
            "sockets": sum(one.startswith("socket:") for one in handles),
            "threads": threads,
            "database connections": self._connections(handles),
        }
        return Point(replies, figures, counts["types"])

    async def holders(self, names: Sequence[str]) -> dict[str, list[str]]:
        (self._folder / "traced.json").write_text(json.dumps(names))
        found: dict[str, list[str]] = await self._counts()
        return found

    async def _counts(self) -> Any:
        answer = self._folder / "counts.json"
        answer.unlink(missing_ok=True)
        os.kill(self._app.pid, signal.SIGUSR1)
        while not answer.exists():  # noqa: ASYNC110  another process makes it
            await asyncio.sleep(0.1)
        return json.loads(answer.read_text())

    def _connections(self, handles: Sequence[str]) -> int:
        if self._database.startswith("sqlite"):
            return sum(one.endswith("webchat.db") for one in handles)
        url = make_url(self._database).set(drivername="postgresql+psycopg")
        asked = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND pid <> pg_backend_pid()"
        )
        engine = create_engine(url)
        with engine.connect() as connection:
            found = connection.execute(asked, {"name": url.database}).scalar_one()
        engine.dispose()
        return int(found)


def _target(handle: Path) -> str:
    with suppress(OSError):
        return os.readlink(handle)
    return ""


def grown(values: Sequence[float], noise: float) -> float:
    """By how much a figure grew beyond noise, 0.0 if it did not: the later half of the values against the
    earlier."""
    if len(values) < 2:
        return 0.0
    half = len(values) // 2
    more = min(values[-half:]) - max(values[:half])
    return more if more > max(noise, NOISE_SHARE * max(values[:half])) else 0.0


def growth(points: Sequence[Point]) -> tuple[dict[str, float], dict[str, float]]:
    """The figures and the types that grew since the caches were full."""
    judged = counted_points(points)
    figures = {
        name: grown([point.figures[name] for point in judged], NOISE.get(name, 0.0))
        for name in points[0].figures
    }
    names = {name for point in judged for name in point.types} - KEPT_AN_HOUR
    types = {name: grown([point.types.get(name, 0) for point in judged], NOISE_OF_A_TYPE) for name in names}
    return _positive(figures), _positive(types)


def counted_points(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.replies >= WARM_REPLIES]


def _positive(found: dict[str, float]) -> dict[str, float]:
    return {name: more for name, more in sorted(found.items(), key=lambda one: -one[1]) if more > 0}


@contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'webchat.db'}"
        return
    with embedded() as url, closing(PostgresServer(url)) as server:
        yield server.empty()


async def run(minutes: float, people: int, kind: str, rounds: int, idle: float) -> bool:
    """Whether nothing grew."""
    print(calibration())
    busy_seconds = minutes * 60 / rounds - idle - LEAVE_SECONDS
    if busy_seconds <= 0:
        raise SystemExit("too little time: fewer rounds, or more minutes")
    print(
        f"{kind}: {people} people, {rounds} rounds of {busy_seconds:.0f} s, then {idle:g} s without anybody\n"
    )
    with (
        tempfile.TemporaryDirectory() as name,
        database_url(kind, folder := Path(name)) as database,
        endpoint() as url,
    ):
        env = {
            **FREELY,
            "DATABASE_URL": database,
            "WEBCHAT_MAX_TURNS_PER_LINK": "1000",
            "WEBCHAT_MAX_TURNS_PER_NETWORK": "1000",
            "WEBCHAT_TRUSTED_PROXIES": "127.0.0.1",
            "WEBCHAT_CONFIG": str(folder / "webchat.toml"),
            "SOAK_FOLDER": str(folder),
        }
        (folder / "webchat.toml").write_text(
            "".join(f'[[models]]\nname = "{one}"\nkind = "openai"\nendpoint = "{url}"\nmodel = "scripted"\n'
                    for one in TERMS.models)
        )  # fmt: skip
        with AppProcess(folder, "--sign-in", "link", env=env, module=COUNTED) as app:
            server = Server(app, database, folder)
            site = Site(app.url, database)
            await asyncio.sleep(idle)
            points = [await server.point(0)]
            _show("nobody yet", points[0], site.tally, 0.0)
            for number in range(rounds):
                before = cpu_seconds(app.pid)
                await come_and_go(site, people, busy_seconds)
                used = cpu_seconds(app.pid) - before
                await asyncio.sleep(idle)
                points.append(await server.point(site.tally.replies))
                _show(f"round {number + 1}", points[-1], site.tally, used)
                if so_far := [name for found in growth(points) for name in found]:
                    print(f"{'':10} growing so far: {', '.join(so_far)}", flush=True)
            figures, types = growth(points)
            holders = await server.holders(list(types)[:MOST_TRACED]) if types else {}
            _report(figures, types, points, holders, site.tally)
    return not figures and not types and len(counted_points(points)) >= FEWEST_POINTS


def _show(name: str, point: Point, tally: Tally, used: float) -> None:
    figures = ", ".join(f"{value:,.0f} {what}" for what, value in point.figures.items())
    done = f"{tally.visits} visits, {tally.replies} replies, {tally.cut} cut, {tally.left} left early"
    print(f"{name:10} {figures}; {done}; {used:.0f} s of CPU", flush=True)


def _report(
    figures: dict[str, float],
    types: dict[str, float],
    points: Sequence[Point],
    holders: dict[str, list[str]],
    tally: Tally,
) -> None:
    print(f"\nanswers: {dict(tally.answers)}; unexpected: {dict(tally.unexpected) or 'none'}")
    for name, more in figures.items():
        print(f"GREW {name} by {more:,.1f}: {[round(point.figures[name]) for point in points]}")
    for name, more in types.items():
        print(f"GREW {name} by {more:,.0f}: {[point.types.get(name, 0) for point in points]}")
        for chain in holders.get(name, ()):
            print(f"     held by {chain}")
    if (judged := len(counted_points(points))) < FEWEST_POINTS:
        print(f"only {judged} points after {WARM_REPLIES} replies: too few to tell")
    elif not figures and not types:
        print("nothing grew beyond noise")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--idle", type=float, default=75.0)
    asked = parser.parse_args()
    return not asyncio.run(run(asked.minutes, asked.people, asked.database, asked.rounds, asked.idle))


if __name__ == "__main__":
    sys.exit(main())
