"""The reserves of disk and memory: told from what is free; on a real small disk, new turns stop and running
ones end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app_process import free_port
from tests.clean_environment import ROOT
from tests.scripted_endpoint import ScriptedEndpoint
from tests.served import served
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
