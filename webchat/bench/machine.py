"""This machine, the installed versions, and this process's memory."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from webchat import __version__
from webchat.doctor.machine import cpu, memory

SAMPLE_SECONDS = 0.05
_PACKAGES = ("torch", "transformers", "xllamacpp", "httpx")


def memory_bytes() -> int | None:
    """Resident memory of this process; `None` if the system does not report it (Linux does)."""
    with suppress(OSError, ValueError, AttributeError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


def others_seconds() -> float | None:
    """CPU seconds of all other programs since the machine started; only differences are meaningful. `None` if
    the system does not report it (Linux does)."""
    with suppress(OSError, ValueError, AttributeError):
        user, nice, system, _idle, _wait, *interrupts = map(int, _first_line("/proc/stat").split()[1:8])
        busy = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        return busy - own.user - own.system
    return None


def _first_line(path: str) -> str:
    with Path(path).open() as file:
        return file.readline()


class MemoryPeak:
    """Peak memory of this process during the block, sampled every `SAMPLE_SECONDS`."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> MemoryPeak:
        self._look()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
        self._look()

    def _look(self) -> None:
        now = memory_bytes()
        if now is not None:
            self.most = max(now, self.most or 0)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            self._look()


def machine() -> dict[str, object]:
    """The processor, the memory, the GPU and the system. Runs `nvidia-smi` if there is one."""
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": memory(),
        "gpus": _gpus(),
        "system": platform.platform(terse=True),
    }


def versions() -> dict[str, str]:
    """Versions of webchat, Python and the installed packages that run models."""
    found = {"webchat": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _gpus() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return told.strip().splitlines()
    return []
