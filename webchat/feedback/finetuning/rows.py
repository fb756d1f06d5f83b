"""The export that a training reads: a copy of what people wrote, which they may withdraw. It exists only
while the training runs; to resume it, the rows are exported anew."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from webchat.feedback.finetuning.plan import Plan
from webchat.feedback.finetuning.running import CACHE, AlreadyRunning
from webchat.feedback.finetuning.runs import stored_plan

_DIGEST = "rows.sha256"
_MARK = "webchat-export.json"
"""Of an export: its salt, and hashes of who was held out. With it, the next one holds out the same people."""


def is_copy(plan: Plan) -> bool:
    """Whether the rows were exported for this training alone; others are somebody's own files."""
    return plan.method != "lm" and plan.dataset.parent == plan.folder


@contextmanager
def forgotten_unless_done(plan: Plan) -> Iterator[None]:
    """Deletes the copy when the block raises, but for AlreadyRunning: then another process reads it."""
    try:
        yield
    except AlreadyRunning:
        raise
    except BaseException:
        forget_rows(plan)
        raise


def forget_rows(plan: Plan) -> None:
    """Delete the copy, if it is one, and what was made of it. Of a training that can be resumed, the SHA-256
    of the rows stays, and who was held out; of one that never began, nothing."""
    shutil.rmtree(plan.folder / CACHE, ignore_errors=True)
    if not is_copy(plan):
        return
    for unfinished in plan.folder.glob(f".{plan.dataset.name}.*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    if stored_plan(plan.folder) is None:
        shutil.rmtree(plan.dataset, ignore_errors=True)
        with suppress(OSError):  # not empty, or not there
            plan.folder.rmdir()
    elif found := _digest_of(plan):
        (plan.folder / _DIGEST).write_text(found, encoding="utf-8")
        for path in plan.dataset.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _MARK:
                path.unlink(missing_ok=True)


def rows_changed(plan: Plan) -> bool:
    """Whether the copy differs from the one that was deleted last; not if that is unknown."""
    try:
        return (plan.folder / _DIGEST).read_text(encoding="utf-8") != _digest_of(plan)
    except OSError:
        return False


def _digest_of(plan: Plan) -> str:
    return digest(sorted((plan.dataset / plan.method).glob("*.jsonl")))


def digest(files: list[Path]) -> str:
    """Their SHA-256 together; empty if there are none, or one cannot be read."""
    told = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                while block := file.read(2**20):
                    told.update(block)
        except OSError:
            return ""
    return told.hexdigest() if files else ""
