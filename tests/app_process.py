"""The real app in a process of its own, as a user starts it: for end-to-end, crash and load tests."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Protocol

import httpx

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A TCP port nobody listens on just now, and that no connection is given while its server is away."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def is_free(port: int) -> bool:
    """Whether nobody listens on it. Connections of one that did may not have faded away."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Running(Protocol):
    """What is needed of a process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sign: int) -> None: ...


class Forked:
    """A process with the app already imported; like `subprocess.Popen` as far as it is needed."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path, folder: Path) -> None:
        self._process = ForkServerProcess(target=_run, args=(argv, dict(env), log, folder), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError
        return code

    def send_signal(self, sign: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sign)


@cache
def _forks() -> bool:
    """Whether this system can fork; from now on from a process that has imported the app."""
    if "forkserver" not in get_all_start_methods():
        return False
    context = get_context("forkserver")
    assert isinstance(context, ForkServerContext)
    context.set_forkserver_preload(["tests.preloaded"])
    return True


def _run(argv: Sequence[str], env: Mapping[str, str], log: Path, folder: Path) -> None:
    """The app in a forked process."""
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), stream)
    from webchat.__main__ import main

    sys.exit(main(argv))


def _begin(
    argv: Sequence[str], env: Mapping[str, str], log: Path, folder: Path, *, module: str, forked: bool
) -> Running:
    if forked:
        return Forked(argv, env, log, folder)
    with log.open("ab") as file:
        command = [sys.executable, "-m", module, *argv]
        return subprocess.Popen(command, cwd=folder, env=env, stdout=file, stderr=file)


def webchat(data_dir: Path, *args: str) -> str:
    """Run the command line beside the server; returns what it printed."""
    env = {**os.environ, "WEBCHAT_DATA_DIR": str(data_dir)}
    log = data_dir / "command.log"
    log.write_bytes(b"")
    process = _begin(args, env, log, ROOT, module="webchat", forked=_forks())
    code, printed = process.wait(120), log.read_text(encoding="utf-8")
    assert code == 0, printed
    return printed


class AppProcess:
    """`python -m webchat` with its data in `data_dir`; the port stays the same over restarts.

    preloaded: forked from a process that has imported the app, which saves seconds of each start. checkout:
    the folder it starts in; of this project, whose app it is, where it is not forked.
    """

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        module: str = "webchat",
        preloaded: bool = False,
        checkout: Path = ROOT,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.log = data_dir / "server.log"
        self._flags: Sequence[str] = flags
        self._module = module
        self._checkout = checkout
        self._env = dict(env or {})
        self._preloaded = preloaded and _forks()
        self._process: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, timeout: float = 200) -> AppProcess:
        """Start and wait until it answers. Raises RuntimeError with the log when it does not."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        argv = ["--port", str(self.port), "--no-open", *self._flags]
        env = {**os.environ, "WEBCHAT_DATA_DIR": str(self.data_dir), **self._env}
        forked = self._preloaded
        self._process = _begin(argv, env, self.log, self._checkout, module=self._module, forked=forked)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/healthz", timeout=10).status_code == 200:
                    return self
            except httpx.HTTPError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the app did not start:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self, timeout: float = 120) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM, timeout)

    def _end(self, sign: signal.Signals, timeout: float = 30) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(sign)
        try:
            return self._process.wait(timeout)
        finally:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
            self._process = None

    def __enter__(self) -> AppProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> AppProcess:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.kill)
