"""Work that nobody can trust, in processes of their own with little memory and less time.

One is started when it is first needed and used again until it takes too long, runs out of memory or breaks;
then it is killed and another takes its place. What is asked and answered is JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends import _apart

MEMORY_BYTES = 512 * 2**20
START_SECONDS = 30.0
"""Longest time for a process to start, on a machine that is busy."""


class TooMuch(Exception):
    """The work took too much time or memory, and was ended."""


class _Died(Exception):
    """A process ended before it answered."""


@dataclass(eq=False, slots=True)
class _Job:
    """One piece of work, and the process that does it. left: whoever asked is gone."""

    process: subprocess.Popen[bytes] | None = None
    left: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def given_to(self, process: subprocess.Popen[bytes]) -> None:
        with self.lock:
            self.process = process
            if self.left:
                process.kill()

    def leave(self) -> None:
        with self.lock:
            self.left = True
            if self.process is not None:
                self.process.kill()


class Pool:
    """Processes that run the function `answer` of one module.

    module: by its name, imported in the process. folders: where it finds its imports; no others are there.
    seconds: longest time for one answer. memory: bytes. processes: how many work at once; the rest waits.
    """

    def __init__(
        self,
        module: str,
        folders: Sequence[str],
        *,
        seconds: float,
        memory: int = MEMORY_BYTES,
        processes: int = 2,
    ) -> None:
        self._seconds = seconds
        self._command = [
            *(sys.executable, "-I", "-S", _apart.__file__),
            *(module, str(memory), str(math.ceil(seconds) + 1), *folders),
        ]
        self._idle: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(processes, f"bounded {module}")
        self.close = weakref.finalize(self, _end, self._idle, self._threads)

    def ask(self, request: object) -> Any:
        """Blocks until it is answered. Raises `TooMuch`."""
        return self._threads.submit(self._work, request, _Job()).result()

    async def asked(self, request: object) -> Any:
        """The same; ends the process when it is cancelled."""
        job = _Job()
        try:
            return await asyncio.wrap_future(self._threads.submit(self._work, request, job))
        except asyncio.CancelledError:
            job.leave()
            raise

    async def aclose(self) -> None:
        """End all processes, after the work in them; else they end with the pool."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        self.close()

    def _work(self, request: object, job: _Job) -> Any:
        line = json.dumps(request).encode() + b"\n"
        if self._idle:
            try:
                return self._told(self._idle.pop(), line, job)
            except _Died:  # perhaps while it was idle, of which this work is not to blame
                pass
        try:
            return self._told(_started(self._command), line, job)
        except _Died:
            raise TooMuch from None

    def _told(self, process: subprocess.Popen[bytes], line: bytes, job: _Job) -> Any:
        """Raises `_Died`, and `TooMuch` where it is killed after its time."""
        job.given_to(process)
        try:
            answer = _exchange(process, line, self._seconds)
        except BaseException:
            _kill(process)
            raise
        if job.left:
            _kill(process)
        else:
            self._idle.append(process)
        return answer


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
    )
    try:
        _exchange(process, b"", START_SECONDS)
    except BaseException:
        _kill(process)
        raise
    return process


def _exchange(process: subprocess.Popen[bytes], line: bytes, seconds: float) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    clock = threading.Timer(seconds, end)
    clock.start()
    try:
        process.stdin.write(line)
        process.stdin.flush()
        return json.loads(process.stdout.readline())
    except (OSError, ValueError):
        raise TooMuch if late.is_set() else _Died from None
    finally:
        clock.cancel()


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _end(idle: list[subprocess.Popen[bytes]], threads: ThreadPoolExecutor) -> None:
    threads.shutdown(wait=False)
    while idle:
        _kill(idle.pop())


def folder_of(package: Any) -> str:
    """Where a package is imported from."""
    return str(Path(package.__file__).parent.parent)
