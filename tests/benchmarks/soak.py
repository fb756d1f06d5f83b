"""People who come and go for half an hour, and what is left of them when nobody is there.

    python -m tests.benchmarks.soak [--minutes 30] [--people 100] [--database sqlite|postgresql]
                                    [--rounds 6] [--idle 75]

A real server process; each person comes by a tester link, from one of 256 addresses, opens the page,
chats, stops, edits, rates, votes, searches, shares, reloads, and often leaves in the middle of a reply. After
each round everybody is gone, and so is what the server keeps of them for a while (the longest is the watch of
links, a minute). At these points the server says how many objects live, by type, and the system which
handles, threads and memory it has. A figure has grown if the lowest of the later half of the points lies
above the highest of the earlier half by more than noise. Points before `WARM_REPLIES` replies do not count:
caches still fill.

Exits with 1 if something grew, or if there were too few points to tell.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, make_url, text

from tests.app_process import AppProcess
from tests.benchmarks.measure import FREELY, calibration, cpu_seconds, endpoint
from tests.postgres import PostgresServer, embedded
from webchat.monitoring.sampling import Sample
from webchat.sharing.links import hash_of, make_token
from webchat.store import Store
from webchat.store.link_records import LinkTerms

COUNTED = "tests.benchmarks.counted"
WARM_REPLIES = 2500
"""After these, every cache that only its size limits is full; `turns.generating.paths` is the last."""

FEWEST_POINTS = 4

FEW = 25
"""Objects more, of one type, that are noise in any case."""

LEAVE_SECONDS = 45.0
"""After a round's time, how long people have to finish before all of them close their browsers."""

HOURS = frozenset({f"{Sample.__module__}.{Sample.__name__}"})
"""Of these the server keeps an hour's, which is longer than people come here."""

SHARE = 0.01
"""Of a figure, up to which a difference is noise."""

LEAST = {
    "objects": 500.0,
    "blocks": 2000.0,
    "resident MiB": 4.0,
    "private MiB": 4.0,
    "handles": 1.0,
    "threads": 2.0,
}
"""Of the other figures, what is noise in any case."""

PEOPLE_BY_LINK = 250
"""Fewer than the server lets one link bring within an hour."""

TERMS = LinkTerms(
    models=("scripted", "other"), asks=("thumbs", "tags", "better_answer", "compare"), shares=True
)
WORDS = ("heron", "river", "winter", "lamp", "白鹭", "copper", "engine", "garden", "letter", "mountain")


@dataclass
class Seen:
    """What the driver was answered. odd: answers that no person should get, by request and status."""

    visits: int = 0
    replies: int = 0
    cut: int = 0
    left: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)


class Place:
    """A server, its links, and the cookies of those who have been there before."""

    def __init__(self, url: str, database: str) -> None:
        self.url = url
        self.seen = Seen()
        self.luck = random.Random(17)
        self.cookies: list[str] = []
        self._database = database
        self._token = ""
        self._left = 0

    def token(self) -> str:
        """Of a link that still takes new people."""
        if not self._left:
            self._token = make_token()
            with closing(Store.open(self._database, serve=False)) as store:
                store.create_link("soak", hash_of(self._token), None, TERMS)
            self._left = PEOPLE_BY_LINK
        self._left -= 1
        return self._token

    def text(self, words: int) -> str:
        said = " ".join(self.luck.choices(WORDS, k=6))
        return f"{said} words={words} rate={self.luck.choice((8, 20, 60))}"


class Gone(Exception):
    """The person closes the browser."""


class Visit:
    """One person, from the opening of the page until they leave."""

    def __init__(self, place: Place, client: httpx.AsyncClient) -> None:
        self._place = place
        self._client = client
        self._luck = place.luck
        self._conversation: str | None = None
        self._last: dict[str, Any] | None = None
        self._said: str | None = None

    async def run(self) -> None:
        await self._come()
        with suppress(Gone):
            await self._open()
            for _ in range(self._luck.randint(1, 3)):
                await self._turn(self._ask())
                for _ in range(self._luck.randint(0, 2)):
                    await self._pause()
                    await self._luck.choice(
                        (self._rate, self._judge, self._edit, self._again, self._correct, self._search,
                         self._reload, self._inspect, self._export, self._share, self._delete)
                    )()  # fmt: skip

    async def _pause(self) -> None:
        await asyncio.sleep(self._luck.uniform(0.5, 4.0))

    async def _call(self, method: str, path: str, body: object = None, accept: str = "*/*") -> Any:
        """The decoded answer, or `None` for a refusal."""
        answer = await self._client.request(method, path, json=body, headers={"accept": accept})
        self._note(method, path, answer.status_code)
        if answer.status_code >= 400:
            return None
        return answer.json() if answer.headers.get("content-type") == "application/json" else True

    def _note(self, method: str, path: str, status: int) -> None:
        kind = "/".join("…" if len(part) > 30 else part for part in path.partition("?")[0].split("/"))
        self._place.seen.answers[f"{status // 100}xx"] += 1
        if status >= 500 or status in (401, 403, 422):
            self._place.seen.odd[f"{method} {kind} {status}"] += 1

    async def _come(self) -> None:
        """With a cookie from before, or by a link."""
        known = self._place.cookies
        if len(known) > 20 and self._luck.random() < 0.5:
            self._client.headers["cookie"] = self._luck.choice(known)
            return
        answer = await self._client.post("/t/redeem", json={"token": self._place.token()})
        self._note("POST", "/t/redeem", answer.status_code)
        given = answer.headers.get_list("set-cookie")
        self._client.cookies.clear()
        self._client.headers["cookie"] = "; ".join(one.partition(";")[0] for one in given)
        known.append(self._client.headers["cookie"])
        del known[:-300]

    async def _open(self) -> None:
        await self._call("GET", "/", accept="text/html")
        for path in ("/api/me", "/api/models", "/api/conversations?limit=40", "/api/link"):
            await self._call("GET", path)

    def _ask(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"kind": "send", "text": self._place.text(self._luck.choice((3, 20, 60)))}
        if self._conversation and self._last:
            asked |= {"conversation_id": self._conversation, "parent_id": self._last["id"]}
        if self._luck.random() < 0.25:
            asked["against"] = {}
        return asked

    async def _turn(self, asked: dict[str, Any]) -> None:
        begun = await self._call("POST", "/api/turns", {"client_key": os.urandom(8).hex(), **asked})
        if begun is None:
            return
        self._place.seen.replies += 1
        self._conversation = begun["conversation"]["id"]
        self._last = begun["reply"]
        self._said = (begun["user"] or {}).get("id", self._said)
        sides = [begun["reply"], *([begun["beside"]] if begun["beside"] else [])]
        await self._follow(sides)
        if begun["beside"]:
            compared = f"/api/comparisons/{begun['reply']['compared']}"
            if await self._call("GET", compared) and self._luck.random() < 0.7:
                await self._call(
                    "POST", f"{compared}/vote", {"preferred": self._luck.choice(("left", "right", "tie"))}
                )
            await self._call("POST", f"{compared}/continue", {"side": "left"})

    async def _follow(self, sides: Sequence[dict[str, Any]]) -> None:
        """To the end; or until it is stopped, or the connection lost, or the browser closed."""
        fate = self._luck.choice(("whole", "whole", "whole", "stop", "rejoin", "leave"))
        after = self._luck.randint(1, 12)
        heard = 0
        async for event in self._events(sides):
            heard += event == "delta"
            if fate == "whole" or heard < after:
                continue
            self._place.seen.cut += 1
            if fate == "stop":
                await self._call("POST", f"/api/messages/{sides[0]['id']}/stop")
                fate = "whole"
                continue
            if fate == "leave":
                raise Gone
            break
        else:
            return
        await self._pause()
        await self._open()
        async for _ in self._events(sides):
            pass

    async def _events(self, sides: Sequence[dict[str, Any]]) -> AsyncIterator[str]:
        """The names of the events, until all replies are done."""
        asked = "&".join(f"reply={side['id']}:0" for side in sides)
        missing = len(sides)
        async with self._client.stream("GET", f"/api/events?{asked}") as events:
            self._note("GET", "/api/events", events.status_code)
            async for line in events.aiter_lines():
                if line.startswith("event:"):
                    name = line[6:].strip()
                    missing -= name == "done"
                    yield name
                    if not missing:
                        return

    async def _rate(self) -> None:
        if self._last:
            await self._call(
                "PUT", f"/api/messages/{self._last['id']}/rating", {"value": self._luck.choice((1, -1))}
            )

    async def _judge(self) -> None:
        if self._last:
            body = {"rating": -1, "comment": "Stiff.", "better": self._place.text(3)}
            await self._call("PUT", f"/api/messages/{self._last['id']}/judgement", body)

    async def _edit(self) -> None:
        if self._said:
            await self._turn({"kind": "edit", "message_id": self._said, "text": self._place.text(20)})

    async def _again(self) -> None:
        if self._last:
            await self._turn({"kind": "regenerate", "message_id": self._last["id"]})

    async def _correct(self) -> None:
        if self._last:
            await self._call("POST", f"/api/messages/{self._last['id']}/edit", {"text": "Better so."})

    async def _search(self) -> None:
        await self._call("GET", f"/api/search?q={self._luck.choice(WORDS)}")

    async def _reload(self) -> None:
        await self._open()
        if self._conversation:
            await self._call("GET", f"/api/conversations/{self._conversation}")

    async def _inspect(self) -> None:
        if self._last:
            await self._call("GET", f"/api/messages/{self._last['id']}/inspect")

    async def _export(self) -> None:
        if self._conversation:
            await self._call("GET", f"/api/conversations/{self._conversation}/export?format=markdown")

    async def _share(self) -> None:
        if self._conversation:
            made = await self._call("POST", "/api/shares", {"conversation_id": self._conversation})
            if made:
                await self._call("GET", f"/{made['path']}", accept="text/html")

    async def _delete(self) -> None:
        if self._conversation:
            await self._call("DELETE", f"/api/conversations/{self._conversation}")
            await self._call("POST", f"/api/conversations/{self._conversation}/restore")


async def busy(place: Place, people: int, seconds: float) -> None:
    """So many people at a time: whoever leaves makes room for the next."""
    end = time.monotonic() + seconds

    async def seat(number: int) -> None:
        await asyncio.sleep(min(10.0, seconds / 3) * number / people)
        while time.monotonic() < end:
            address = f"203.0.{place.luck.randrange(256)}.7"
            headers = {"origin": place.url, "x-forwarded-for": address}
            transport = httpx.AsyncHTTPTransport(verify=False)
            async with httpx.AsyncClient(
                base_url=place.url, headers=headers, transport=transport, timeout=120
            ) as client:
                try:
                    await Visit(place, client).run()
                except httpx.HTTPError as error:
                    place.seen.odd[type(error).__name__] += 1
            place.seen.visits += 1

    seats = [asyncio.create_task(seat(number)) for number in range(people)]
    _, late = await asyncio.wait(seats, timeout=seconds + LEAVE_SECONDS)
    for one in late:
        one.cancel()
    for result in await asyncio.gather(*seats, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    place.seen.left += len(late)


@dataclass
class Point:
    """The server when nobody is there. replies: until then; figures: by name; types: live objects by type."""

    replies: int
    figures: dict[str, float]
    types: dict[str, int]


class Server:
    def __init__(self, app: AppProcess, database: str, folder: Path) -> None:
        self.app = app
        self._database = database
        self._folder = folder

    async def point(self, replies: int) -> Point:
        process = Path("/proc") / str(self.app.pid)
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
        os.kill(self.app.pid, signal.SIGUSR1)
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


def grown(values: Sequence[float], least: float) -> float:
    """By how much a figure grew beyond noise, 0.0 if it did not: the later half of the values against the
    earlier."""
    if len(values) < 2:
        return 0.0
    half = len(values) // 2
    more = min(values[-half:]) - max(values[:half])
    return more if more > max(least, SHARE * max(values[:half])) else 0.0


def growth(points: Sequence[Point]) -> tuple[dict[str, float], dict[str, float]]:
    """The figures and the types that grew since the caches were full."""
    judged = counted_points(points)
    figures = {
        name: grown([point.figures[name] for point in judged], LEAST.get(name, 0.0))
        for name in points[0].figures
    }
    names = {name for point in judged for name in point.types} - HOURS
    types = {name: grown([point.types.get(name, 0) for point in judged], FEW) for name in names}
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
    with embedded() as url:
        yield PostgresServer(url).empty()


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
            place = Place(app.url, database)
            await asyncio.sleep(idle)
            points = [await server.point(0)]
            _show("nobody yet", points[0], place.seen, 0.0)
            for number in range(rounds):
                before = cpu_seconds(app.pid)
                await busy(place, people, busy_seconds)
                used = cpu_seconds(app.pid) - before
                await asyncio.sleep(idle)
                points.append(await server.point(place.seen.replies))
                _show(f"round {number + 1}", points[-1], place.seen, used)
                if so_far := [name for found in growth(points) for name in found]:
                    print(f"{'':10} growing so far: {', '.join(so_far)}", flush=True)
            figures, types = growth(points)
            holders = await server.holders(list(types)[:12]) if types else {}
            _told(figures, types, points, holders, place.seen)
    return not figures and not types and len(counted_points(points)) >= FEWEST_POINTS


def _show(name: str, point: Point, seen: Seen, used: float) -> None:
    figures = ", ".join(f"{value:,.0f} {what}" for what, value in point.figures.items())
    done = f"{seen.visits} visits, {seen.replies} replies, {seen.cut} cut, {seen.left} left early"
    print(f"{name:10} {figures}; {done}; {used:.0f} s of CPU", flush=True)


def _told(
    figures: dict[str, float],
    types: dict[str, float],
    points: Sequence[Point],
    holders: dict[str, list[str]],
    seen: Seen,
) -> None:
    print(f"\nanswers: {dict(seen.answers)}; odd ones: {dict(seen.odd) or 'none'}")
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
