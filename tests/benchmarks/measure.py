"""What the benchmarks share: the endpoint and the baseline in processes of their own, what a process uses,
and conversations that are already long."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.app_process import ROOT, free_port
from webchat.store import Store
from webchat.store.records import FinishedTurn, JournalEntry, NewTurn

WORDS_OF_A_MESSAGE = "lorem ipsum " * 40

FREELY = {"WEBCHAT_MAX_TURNS_PER_OWNER": "1000", "WEBCHAT_MAX_TURNS": "1000", "WEBCHAT_TITLES": "false"}
"""Settings of the app under load: one person plays them all."""

WATCHED = "tests.benchmarks.watched"
"""The module that runs the app under the watchdog."""


def calibration() -> str:
    """How fast this machine is just now, to read the absolute figures by: a step of Python, and a commit's
    wait for the disk."""
    steps = 1_000_000
    start, count = time.process_time(), 0
    for number in range(steps):
        count += number & 1
    step = (time.process_time() - start) / steps
    waits = []
    with tempfile.TemporaryFile() as file:
        for _ in range(20):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            waits.append(time.perf_counter() - start)
    return (
        f"this machine: {step * 1e9:.0f} ns a step of Python, {statistics.median(waits) * 1e3:.1f} ms a write"
        f" to the disk, {os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f}"
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of the children it has waited for (Linux)."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in stat[11:15]) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def endpoint() -> Iterator[str]:
    """The scripted endpoint; its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "tests.scripted_endpoint", "--port", str(port)]
    with _running(command) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def bare_gradio(url: str, messages: int) -> Iterator[tuple[int, int, int]]:
    """A bare `gr.ChatInterface` on the endpoint; its port, pid and the number of its streaming event."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.bare_gradio", "--port", str(port)]
    with _running([*command, "--endpoint", url, "--messages", str(messages)]) as process:
        assert process.stdout is not None
        event = int(process.stdout.readline().split()[1])
        wait_for(f"http://127.0.0.1:{port}/")
        yield port, process.pid, event


def wait_for(url: str, timeout: float = 60) -> None:
    """Return once `url` answers 200. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.02)
    raise TimeoutError(url)


def fill(data_dir: Path, conversations: int, messages: int) -> list[tuple[str, str]]:
    """Write conversations of the local owner into the database of `data_dir`, without a model.

    Returns the id of each and of its last message.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    store = Store.open(f"sqlite:///{data_dir / 'webchat.db'}")
    owner = store.local_owner().id
    places = []
    for number in range(conversations):
        place: str | None = None
        parent: str | None = None
        for turn in range(messages // 2):
            new = NewTurn(place, parent, WORDS_OF_A_MESSAGE, f"{number} {turn}", "scripted")
            begun = store.begin_turn(owner, new)
            place, parent = begun.conversation.id, begun.reply.id
            entry = JournalEntry(parent, 1, "text", WORDS_OF_A_MESSAGE)
            store.write_batch([entry], [FinishedTurn(parent, "complete")])
        assert place is not None
        assert parent is not None
        places.append((place, parent))
    store.close()
    return places


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
