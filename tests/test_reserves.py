"""The reserves of disk and memory: told from what is free; on a real small disk, new turns stop and running
ones end."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.app_process import AppProcess, free_port
from tests.clean_environment import ROOT
from tests.scripted_endpoint import ScriptedEndpoint
from tests.served import Served, served
from webchat import reserves
from webchat.reserves import MEMORY_BYTES, DiskReserve, MemoryReserve

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("mb", "total", "free", "used_up"),
    [
        (100, 100_000, 99, True),
        (100, 100_000, 101, False),
        (100, 1000, 51, False),  # of a small disk it is a twentieth
        (100, 1000, 49, True),
        (0, 1000, 0, False),
    ],
)
def test_a_reserve_is_used_up_when_less_is_free(
    mb: int, total: int, free: int, used_up: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = Usage(total * 1_000_000, 0, free * 1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    assert DiskReserve(tmp_path, mb).used_up() is used_up


def test_a_disk_that_says_nothing_is_not_full(tmp_path: Path) -> None:
    assert not DiskReserve(tmp_path / "gone", 100).used_up()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is available")
@pytest.mark.parametrize(
    ("available", "used_up"), [(MEMORY_BYTES - 1, True), (MEMORY_BYTES, False), (None, False)]
)
def test_memory_is_used_up_when_less_is_available(
    available: int | None, used_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserves, "available_memory", lambda *, at_most: available)
    assert MemoryReserve().used_up() is used_up


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], capture_output=True)
    if made.returncode:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
async def test_a_full_disk_refuses_new_messages_and_loses_no_running_one(small_disk: Path) -> None:
    """`python -m pytest -m slow tests/test_reserves.py`"""
    port = free_port()
    async with ScriptedEndpoint() as endpoint:
        env = {
            "WEBCHAT_DATA_DIR": str(small_disk / "data"),
            "OPENAI_BASE_URL": endpoint.url,
            "OPENAI_API_KEY": "key",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "webchat", "--port", str(port), "--model", "scripted", "--no-titles"]
        async with served(command, port=port, cwd=small_disk.parent, env=env) as app:
            await app.open_page()
            running = asyncio.create_task(app.ask("words=400 rate=40"))
            await asyncio.sleep(2)
            filler = small_disk / "filler"
            free = os.statvfs(small_disk)
            filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 1_500_000))
            await asyncio.sleep(1.1)  # as long as an answer counts
            turn = {"kind": "send", "conversation_id": None, "text": "words=1", "client_key": "second"}
            refused = await app.client.post("/api/turns", json=turn, headers={"Origin": app.url})
            assert refused.status_code == 507, refused.text
            assert refused.json()["error"]["code"] == "disk_full"
            assert len((await running).split()) == 400
            filler.unlink()
            await asyncio.sleep(1.1)
            again = await app.client.post("/api/turns", json=turn, headers={"Origin": app.url})
            assert again.status_code == 201, again.text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process is Linux's")
async def test_without_memory_left_new_messages_are_refused_and_what_runs_ends(tmp_path: Path) -> None:
    """The server may take no more memory than it has, at first with 20 MB left, then with none."""
    async with ScriptedEndpoint() as endpoint:
        env = {"OPENAI_BASE_URL": endpoint.url, "OPENAI_API_KEY": "key"}
        server = AppProcess(tmp_path, "--model", "scripted", "--no-titles", env=env)
        async with server, httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            app = Served(server.url, client)
            await app.open_page()

            async def send(text: str) -> httpx.Response:
                turn = {"kind": "send", "conversation_id": None, "text": text, "client_key": str(uuid4())}
                return await client.post("/api/turns", json=turn, headers={"Origin": app.url})

            def leave(left: int) -> None:
                pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[0])
                most = pages * resource.getpagesize() + left
                resource.prlimit(server.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

            async def answered(status: int) -> httpx.Response:
                """What a message is answered, once that is it: what was seen counts for a second."""
                while (answer := await send("words=1")).status_code != status:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                return answer

            async def running() -> list[asyncio.Task[str]]:
                endpoint.go_on.clear()
                count = len(endpoint.calls)
                tasks = [asyncio.create_task(app.ask("words=200 hold=9")) for _ in range(3)]
                while len(endpoint.calls) < count + 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                return tasks

            replies = await running()
            leave(20_000_000)
            assert (await answered(503)).json()["error"]["code"] == "memory_full"
            endpoint.go_on.set()
            assert [len((await reply).split()) for reply in replies] == [200, 200, 200]
            leave(40_000_000)
            await answered(201)
            replies = await running()
            leave(0)
            await answered(503)
            # More than there is: whatever becomes of these, the server goes on.
            await asyncio.gather(*(send("x" * 1_000_000) for _ in range(30)), return_exceptions=True)
            endpoint.go_on.set()
            await asyncio.gather(*replies, return_exceptions=True)
            assert (await client.get("/api/conversations")).status_code == 200
            resource.prlimit(server.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            await answered(201)
            assert await app.ask("words=2") == "w0 w1 "
