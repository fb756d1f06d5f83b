"""The trainings of a server: each in a folder of its own below `finetune` of the data folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from webchat.feedback.finetuning.plan import Plan
from webchat.feedback.finetuning.progress import Point, point_of
from webchat.feedback.finetuning.running import LOCK, LOG, time_left

State = Literal["running", "stopped"]
_PLAN = "plan.json"
_PATHS = ("model", "dataset", "folder")
_MOST_READ = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """A training that has not become an adapter or a model yet. left: seconds, as far as it was told."""

    name: str
    plan: Plan
    state: State
    points: tuple[Point, ...]
    left: float | None = None

    @property
    def done(self) -> float:
        """The share that is over, from 0 to 1."""
        return min(1.0, self.points[-1].epoch / self.plan.num_train_epochs) if self.points else 0.0


def store_plan(plan: Plan) -> None:
    """Keep a plan in its folder, so that it can be resumed by its name alone."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    said = {name: str(value) if name in _PATHS else value for name, value in asdict(plan).items()}
    (plan.folder / _PLAN).write_text(json.dumps(said, indent=1), encoding="utf-8")


def stored_plan(folder: Path) -> Plan | None:
    """The plan in a folder; `None` if there is none that can be read."""
    try:
        said = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        paths = {name: Path(said[name]) for name in _PATHS}
        return Plan(**{**said, **paths, "more": tuple(said["more"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def runs(folder: Path) -> list[Run]:
    """Those that are running and those that stopped, by name. folder: that of all. Blocks; raises OSError."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        plan = stored_plan(path)
        if plan is not None:
            state: State = "running" if is_running(path) else "stopped"
            found.append(Run(path.name, plan, state, _points(path), time_left(path)))
    return found


def is_running(folder: Path) -> bool:
    """Whether a process trains in a folder."""
    lock = FileLock(folder / LOCK, blocking=False)
    if not (folder / LOCK).exists():
        return False
    try:
        with lock:
            return False
    except Timeout:
        return True


def _points(folder: Path) -> tuple[Point, ...]:
    """The losses in a log, of its last megabytes."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(max(0, (folder / LOG).stat().st_size - _MOST_READ))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    found = map(point_of, text.splitlines())
    return tuple(point for point in found if point is not None)
