"""Runs a plan in a process of its own: its log, its losses, cancelling and resuming."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from webchat.feedback.finetuning.plan import Plan
from webchat.feedback.finetuning.progress import Point, Progress, point_in, point_of, progress

LOCK = "lock"
LOG = "log.txt"
CACHE = "cache"
"""What `datasets` made of the export."""

_CANCEL = "cancel"
_LEFT = "left"
_LOOK_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_END_SECONDS = 20.0
_TOLD_LINES = 12
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


class Failed(Exception):
    """`trl` ended with an error. The message ends with the last lines it printed."""


class AlreadyRunning(Exception):
    """Another process trains in the same folder."""


class Cancelled(Exception):
    """Somebody cancelled it. What was trained up to the last checkpoint can be resumed."""


def cancel(folder: Path) -> None:
    """Ask the run in a folder to end, from any process."""
    (folder / _CANCEL).touch()


def run(plan: Plan, *, resume: bool = False) -> Iterator[Progress]:
    """Train, and tell how it goes. resume: from the last checkpoint in the plan's folder, if there is one;
    else what an earlier run left there is deleted.

    The process ends with this iterator, however it ends. Raises Failed, Cancelled, AlreadyRunning.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    with _only_one(plan.folder):
        yield from _run(plan, resume=resume)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyRunning(
            f"A training is running in {folder}. Wait for it, or choose another --name."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _run(plan: Plan, *, resume: bool) -> Iterator[Progress]:
    (plan.folder / _CANCEL).unlink(missing_ok=True)
    if not resume:
        shutil.rmtree(plan.checkpoints, ignore_errors=True)
    last = last_checkpoint(plan.checkpoints) if resume else None
    points = [] if last is None else points_of(last)
    begun = points[-1].epoch if points else 0.0
    waiting = _Patience(plan.early_stopping_patience, points)
    with _Process(plan, plan.command(resume=last), append=last is not None) as process:
        for line in process.lines():
            point = point_of(line)
            if point is None:
                continue
            told = progress(point, plan.num_train_epochs, process.seconds, begun)
            _tell_left(plan.folder, told)
            yield told
            if waiting.over(point):
                break
        else:
            process.ended_well()


def time_left(folder: Path) -> float | None:
    """The seconds that the run in a folder needed when it last told a loss; `None` if it told none."""
    try:
        return float((folder / _LEFT).read_text())
    except (OSError, ValueError):
        return None


def _tell_left(folder: Path, told: Progress) -> None:
    """For those who look from another process."""
    if told.left is not None:
        (folder / _LEFT).write_text(f"{told.left:.0f}")


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; `None` if there is none."""
    found = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return max(found, key=lambda path: int(_number(path)), default=None)


def best_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the lowest held-out loss; `None` if there is none."""
    last = last_checkpoint(folder)
    if last is None:
        return None
    best = _state(last).get("best_model_checkpoint")
    path = folder / Path(best).name if isinstance(best, str) else last
    return path if path.is_dir() else last


def points_of(checkpoint: Path) -> list[Point]:
    """The losses up to a checkpoint."""
    history = _state(checkpoint).get("log_history")
    found = map(point_in, history if isinstance(history, list) else ())
    return [point for point in found if point is not None]


def _state(checkpoint: Path) -> dict[str, object]:
    try:
        said = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _number(path: Path) -> str:
    found = _CHECKPOINT.fullmatch(path.name)
    return found[1] if found else "-1"


def _ends_with_parent() -> Callable[[], None] | None:
    """What the trainer does before it starts, to be ended when we are killed. Only Linux knows how."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class _Patience:
    """Whether the held-out loss has not fallen for too long. epochs: 0 for however long."""

    def __init__(self, epochs: int, points: list[Point]) -> None:
        self._epochs = epochs
        self._best = float("inf")
        self._waited = 0
        for point in points:
            self.over(point)

    def over(self, point: Point) -> bool:
        if not point.held_out:
            return False
        self._waited = 0 if point.loss < self._best else self._waited + 1
        self._best = min(self._best, point.loss)
        return 0 < self._epochs <= self._waited


class _Process:
    """`trl` and all processes it starts, whose output goes to the log and to `lines`."""

    def __init__(self, plan: Plan, command: list[str], *, append: bool) -> None:
        self._plan = plan
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._newest: list[str] = []
        self._began = time.monotonic()
        self._log = (plan.folder / LOG).open("a" if append else "w", encoding="utf-8")
        given = {
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_CACHE": str(plan.folder / CACHE),
            "PYTHONUNBUFFERED": "1",  # or progress would come when it is over
        }
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **given},
            start_new_session=True,  # so that all it starts can be ended together
            preexec_fn=_ends_with_parent(),
        )
        self._reading = threading.Thread(target=self._read, name="read the trainer", daemon=True)
        self._reading.start()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def lines(self) -> Iterator[str]:
        """Until it ends. Raises Cancelled."""
        while True:
            if (self._plan.folder / _CANCEL).exists():
                raise Cancelled("The training was cancelled. Continue it with --resume.")
            try:
                line = self._lines.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                return
            yield line

    def ended_well(self) -> None:
        """Raises Failed."""
        if code := self._process.wait():
            told = "\n".join(self._newest)
            raise Failed(f"trl ended with code {code}; its log is {self._plan.folder / LOG}:\n{told}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._log.write(line)
                self._log.flush()
                if line.strip():
                    self._newest = [*self._newest[1 - _TOLD_LINES :], line.rstrip()]
                self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, how)
                self._process.wait(_END_SECONDS)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        self._reading.join()
        self._log.close()
