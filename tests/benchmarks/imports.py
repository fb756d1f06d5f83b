"""A large export: what importing it takes of time and memory, and what others notice meanwhile.

    python -m tests.benchmarks.imports [--megabytes 1000] [--seconds 600]

The file is made here in the shape of ChatGPT's exports, and deleted afterwards. It is read by `json.loads`
alone, conversation by conversation, then checked and imported by the command, then imported through the
routes of a running server, which is asked for a page and for first words before and meanwhile. Run it with
`nice` on a machine that others use.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.app_process import AppProcess
from tests.benchmarks.measure import FREELY, calibration, cpu_seconds, endpoint
from tests.imports.samples import node
from tests.load import first_words, request_json

MESSAGES = 40
"""Of each conversation, about 1,000 characters each."""

PIECE = 1 << 20
SAMPLES = 20


def conversations(megabytes: int) -> Iterator[str]:
    """Lines of JSON, one conversation each, until they are so long together."""
    drawn = random.Random(16)
    words = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(drawn.choices(words, k=150)) for _ in range(1000)]
    left, number = megabytes * 10**6, 0
    while left > 0:
        nodes: list[dict[str, Any]] = [{"id": "root", "parent": None, "message": None, "children": []}]
        for at in range(MESSAGES):
            said = f"{number}.{at} {texts[drawn.randrange(len(texts))]}"
            role = "assistant" if at % 2 else "user"
            more = {"create_time": 1.76e9 + at, "metadata": {"model_slug": "gpt-5"}}
            nodes.append(node(f"{number}-{at}", nodes[-1]["id"], role, said, **more))
        made = {
            "id": f"conversation-{number}",
            "title": f"Conversation {number}",
            "create_time": 1.76e9 + number,
            "update_time": 1.76e9 + number + MESSAGES,
            "mapping": {one["id"]: one for one in nodes},
            "current_node": nodes[-1]["id"],
        }
        line = json.dumps(made)
        left -= len(line)
        number += 1
        yield line


def make(path: Path, megabytes: int) -> int:
    """Write the file; returns how many conversations it has."""
    count = 0
    with path.open("w") as file:
        for line in conversations(megabytes):
            file.write(",\n" if count else "[\n")
            file.write(line)
            count += 1
        file.write("\n]\n")
    return count


def json_seconds(path: Path) -> float:
    """CPU time of `json.loads` for all of it."""
    used = time.process_time()
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"{"):
                json.loads(line.removesuffix(b",\n"))
    return time.process_time() - used


def command(path: Path, folder: Path, *flags: str) -> tuple[float, float, float]:
    """`webchat import`: CPU and wall seconds, and the most memory in MiB."""
    start = time.monotonic()
    argv = [sys.executable, "-m", "webchat", "import", str(path), "--data-dir", str(folder), *flags]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"webchat import ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, time.monotonic() - start, used.ru_maxrss / 1024


def most_memory(pid: int) -> float:
    """Of a process so far, in MiB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@dataclass(slots=True)
class Waits:
    """Milliseconds: of a page of the list of conversations, and up to the first words of a reply."""

    page: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    async def take(self, port: int) -> None:
        start = time.perf_counter()
        status, _ = await request_json(port, "GET", "/api/conversations?limit=20")
        self.page.append((time.perf_counter() - start) * 1e3)
        if status != 200:
            raise RuntimeError(f"the list answered {status}")
        self.first.append((await first_words(port, "words=3 rate=100")).first * 1e3)

    def __str__(self) -> str:
        told = []
        for name, some in (("list", self.page), ("first words", self.first)):
            slow = statistics.quantiles(some, n=20)[-1]
            told.append(f"{name} {statistics.median(some):.0f} ms (slowest of 20: {slow:.0f})")
        return ", ".join(told)


async def send(client: httpx.AsyncClient, path: Path) -> str:
    """Upload it in pieces; the id of the import, once the file was checked."""
    size = (await asyncio.to_thread(path.stat)).st_size
    body = {"name": path.name, "size": size}
    made = (await client.post("/api/imports", json=body)).raise_for_status().json()
    headers = {"content-type": "application/octet-stream"}
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            url = f"/api/imports/{made['id']}/data?at={file.tell() - len(piece)}"
            (await client.put(url, content=piece, headers=headers)).raise_for_status()
    return str(made["id"])


async def state_of(client: httpx.AsyncClient, id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/imports/{id}")).raise_for_status().json()
    return found


async def routes(path: Path, folder: Path, url: str, seconds: float) -> None:
    """Import through a running server."""
    app = await asyncio.to_thread(AppProcess(folder, "--endpoint", url, env=FREELY).start)
    alone, beside = Waits(), Waits()
    try:
        await alone.take(app.port)
        alone = Waits()
        for _ in range(SAMPLES):
            await alone.take(app.port)
        before, used, start = most_memory(app.pid), cpu_seconds(app.pid), time.monotonic()
        async with httpx.AsyncClient(base_url=app.url, timeout=600) as client:
            id = await send(client, path)
            found, started = await state_of(client, id), False
            while found["state"] not in ("done", "failed") and time.monotonic() - start < seconds:
                if found["state"] == "checked" and not started:
                    started = True
                    (await client.post(f"/api/imports/{id}/start", json={})).raise_for_status()
                await beside.take(app.port)
                await asyncio.sleep(0.5)
                found = await state_of(client, id)
        lasted, cpu = time.monotonic() - start, cpu_seconds(app.pid) - used
        print(f"through the routes: {found['state']}, {found['done']} of {found['entries']} conversations")
        most = most_memory(app.pid)
        print(f"  {cpu:.0f} s CPU, {lasted:.0f} s; {before:.0f} MiB before, at most {most:.0f} MiB")
        print(f"  without it: {alone}")
        print(f"  beside it:  {beside}")
        pairs = ((alone.page, beside.page), (alone.first, beside.first))
        ratios = [statistics.median(two) / statistics.median(one) for one, two in pairs]
        print(f"  beside / without: list x{ratios[0]:.2f}, first words x{ratios[1]:.2f}")
    finally:
        await asyncio.to_thread(app.kill)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=3600, help="after which the routes are left alone")
    parser.add_argument("--only", choices=("check", "import", "routes"))
    options = parser.parse_args()
    print(calibration())
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        path = folder / "conversations.json"
        count = make(path, options.megabytes)
        size, read = path.stat().st_size / 1e6, json_seconds(path)
        print(f"{size:.0f} MB, {count} conversations; json.loads: {read:.1f} s CPU")
        for name, flags in (("check", ["--dry-run"]), ("import", [])):
            if options.only in (None, name):
                cpu, lasted, memory = command(path, folder / name, *flags)
                print(f"{name}: {cpu:.0f} s CPU, {lasted:.0f} s, {size / cpu:.1f} MB a second of CPU", end="")
                print(f", x{cpu / read:.0f} of json.loads; at most {memory:.0f} MiB")
        if options.only in (None, "routes"):
            with endpoint() as url:
                asyncio.run(routes(path, folder / "routes", url, options.seconds))
    print(calibration())


if __name__ == "__main__":
    main()
