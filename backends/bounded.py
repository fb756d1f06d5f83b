"""Runs untrusted work in separate processes with little memory and processor time.

A process is started when first needed and reused until it takes too long, runs out of memory or crashes; then
it is killed and replaced. Requests and answers are JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import signal
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
"""Maximum time for a process to start on a busy machine."""
SHARE = 0.1 if hasattr(signal, "setitimer") else 1.0
"""Of a processor that work gets at least: where others compute, it takes longer by no fault of its own. Where
the system cannot limit processor time, time is limited."""


class TooMuch(Exception):
    """The work exceeded its time or memory limit and was stopped."""


class _Died(Exception):
    """A process ended before it answered."""


@dataclass(eq=False, slots=True)
class _Job:
    """One request and the process that handles it. left: the caller is gone."""

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

    module: its name, imported in the process. folders: the only places it can import from. seconds: of
    processor time for one answer. memory: bytes. processes: how many run at once; other requests wait.
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
        self._patience = seconds / SHARE
        self._command = [
            *(sys.executable, "-I", "-S", _apart.__file__),
            *(module, str(memory), str(seconds), str(math.ceil(self._patience) + 1), *folders),
        ]
        self._idle: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(processes, f"bounded {module}")
        self.close = weakref.finalize(self, _end, self._idle, self._threads)

    def ask(self, request: object) -> Any:
        """Blocks until answered. Raises `TooMuch`."""
        return self._threads.submit(self._work, request, _Job()).result()

    async def asked(self, request: object) -> Any:
        """The same, async; kills the process if cancelled."""
        job = _Job()
        try:
            return await asyncio.wrap_future(self._threads.submit(self._work, request, job))
        except asyncio.CancelledError:
            job.leave()
            raise

    async def aclose(self) -> None:
        """Stop all processes once they have finished their work; without this, they end with the pool."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        self.close()

    def _work(self, request: object, job: _Job) -> Any:
        line = json.dumps(request).encode() + b"\n"
        if self._idle:
            try:
                return self._answer(self._idle.pop(), line, job)
            except _Died:  # perhaps while it was idle, of which this work is not to blame
                pass
        try:
            return self._answer(_started(self._command), line, job)
        except _Died:
            raise TooMuch from None

    def _answer(self, process: subprocess.Popen[bytes], line: bytes, job: _Job) -> Any:
        """Raises `_Died`, or `TooMuch` if it was killed at its time limit."""
        job.given_to(process)
        try:
            answer = _exchange(process, line, self._patience)
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
        raise TooMuch if late.is_set() or _spent(process) else _Died from None
    finally:
        clock.cancel()


def _spent(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process that answers no more has used up its processor time."""
    process.kill()
    return SHARE < 1 and process.wait() == -signal.SIGPROF


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _end(idle: list[subprocess.Popen[bytes]], threads: ThreadPoolExecutor) -> None:
    threads.shutdown(wait=False)
    while idle:
        _kill(idle.pop())


def folder_of(package: Any) -> str:
    """The folder a package is imported from."""
    return str(Path(package.__file__).parent.parent)
