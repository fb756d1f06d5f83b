"""Trainings as the console shows them: those that run or stopped, wherever they were started, and what came
of those that are over."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from webchat.feedback.finetuning import (
    NAME,
    Method,
    Point,
    cancel,
    card_of,
    forget_rows,
    is_running,
    runs,
    stored_plan,
)
from webchat.feedback.jobs.commands import Commands, ended, last_line
from webchat.settings import Settings, model_specs
from webchat.settings.models import DEMO_NAME

LARGEST_MODEL = 1_200_000_000
"""Bytes of weights. What is larger takes hours on this machine or a better one: that is for the command."""
MOST_ROWS = 2_000
MOST_EPOCHS = 10
MOST_LISTED = 200

State = Literal["preparing", "running", "stopped", "failed", "done"]
Reason = Literal["name", "taken", "model", "epochs", "busy", "not_running", "not_stopped", "running"]


class Refused(Exception):
    """Why something cannot be begun, cancelled or resumed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Training:
    """A training. model: the base, empty for fresh weights. epochs: of the whole, 0 if unknown. done: the
    share that is over. left: seconds. held_out: the lowest loss there. made_at: when it was over. failure:
    why it ended, in the command's own words; too_many: the rows, if that was why it did not begin."""

    name: str
    method: str
    model: str
    state: State
    points: tuple[Point, ...] = ()
    epochs: float = 0.0
    done: float = 0.0
    left: float | None = None
    held_out: float | None = None
    perplexity: float | None = None
    made_at: str = ""
    failure: str = ""
    too_many: int = 0


class Trainings:
    """Lists, begins, cancels and resumes trainings in a data folder. What blocks says so; the rest lives on
    the event loop."""

    def __init__(self, commands: Commands, settings: Settings) -> None:
        self._commands = commands
        self._settings = settings
        self._preparing: dict[str, tuple[Method, str]] = {}
        self._failed: dict[str, Training] = {}
        self._cancelled: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def models(self) -> dict[str, str]:
        """The models that may be trained from the console, by name, each with its folder; empty for the
        embedded one. Blocks."""
        found: dict[str, str] = {}
        for spec in model_specs(self._settings):
            folder = Path(spec.model or "").expanduser()
            if spec.demo and self._settings.model is None:
                found[DEMO_NAME] = ""
            elif spec.kind == "local" and spec.adapter is None and 0 < _weights(folder) <= LARGEST_MODEL:
                found[spec.name] = str(folder)
        return found

    def listed(self) -> list[Training]:
        """Those that are going on first, then what came of the others, the newest first. Blocks."""
        open_now = {one.name: one for one in self._open()}
        for name, (method, model) in self._preparing.items():
            open_now.setdefault(name, Training(name, method, model, "preparing"))
        for name, failed in self._failed.items():
            open_now.setdefault(name, failed)
        over = sorted(self._over(), key=lambda one: one.made_at, reverse=True)
        return [*open_now.values(), *over][:MOST_LISTED]

    def begin(self, name: str, method: Method, model: str, epochs: int, models: dict[str, str]) -> None:
        """Begin to train an adapter on all that may be exported. models: as `models` says. Raises Refused."""
        if not NAME.fullmatch(name):
            raise Refused("name")
        if model not in models:
            raise Refused("model")
        if not 1 <= epochs <= MOST_EPOCHS:
            raise Refused("epochs")
        self._check_free(name)
        if self._tasks:
            raise Refused("busy")
        self._failed.pop(name, None)
        folder = models[model]
        given = ["finetune", f"--name={name}", f"--method={method}", f"--num-train-epochs={epochs}"]
        given += [f"--model={folder}"] if folder else []
        self._preparing[name] = (method, model)
        self._keep(self._prepared(name, given))

    def resume(self, name: str) -> None:
        """Go on from the last checkpoint, with what it was begun with. Raises Refused."""
        if not NAME.fullmatch(name) or stored_plan(self._folder(name)) is None:
            raise Refused("not_stopped")
        if self._tasks or is_running(self._folder(name)):
            raise Refused("busy")
        self._failed.pop(name, None)
        plan = stored_plan(self._folder(name))
        assert plan is not None
        self._preparing[name] = (plan.method, plan.model.name)
        self._keep(self._run(name, ["finetune", f"--name={name}", f"--method={plan.method}", "--resume"]))

    def cancel(self, name: str) -> None:
        """End one; what was trained up to the last checkpoint stays. Raises Refused."""
        if not NAME.fullmatch(name) or not is_running(self._folder(name)):
            raise Refused("not_running")
        if name in self._preparing:  # a command that was started elsewhere tells of its end itself
            self._cancelled.add(name)
        cancel(self._folder(name))

    def delete(self, name: str) -> None:
        """Delete a training that is over: its checkpoints, or what came of it, which leaves the picker. Does
        nothing if there is none. Blocks. Raises Refused while it runs."""
        if not NAME.fullmatch(name):
            raise Refused("name")
        if name in self._preparing or is_running(self._folder(name)):
            raise Refused("running")
        self._failed.pop(name, None)
        for place in (self._settings.finetune_dir, self._settings.adapters_dir, self._settings.trained_dir):
            hidden = place / f".{name}.deleted"  # gone at once, however long its files take
            with contextlib.suppress(FileNotFoundError):
                (place / name).rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)

    async def aclose(self) -> None:
        """End what was begun here; the next server resumes it from its last checkpoint."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_free(self, name: str) -> None:
        places = (self._settings.adapters_dir, self._settings.trained_dir, self._settings.finetune_dir)
        if name in self._preparing or any((place / name).exists() for place in places):
            raise Refused("taken")

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="train")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepared(self, name: str, given: list[str]) -> None:
        """Export and check first, and train only if it is little."""
        fits = False
        try:
            fits = await self._done(name, [*given, "--dry-run"]) and await self._is_little(name)
        finally:
            if not fits:  # the folder has a copy of what people wrote
                await asyncio.to_thread(shutil.rmtree, self._folder(name), ignore_errors=True)
                self._preparing.pop(name, None)
        if fits:
            await self._run(name, [*given, "--resume"])

    async def _is_little(self, name: str) -> bool:
        method, model = self._preparing[name]
        rows = await asyncio.to_thread(_rows, self._folder(name) / "dataset" / method / "train.jsonl")
        if rows > MOST_ROWS:
            self._failed[name] = Training(name, method, model, "failed", too_many=rows)
        return rows <= MOST_ROWS

    async def _run(self, name: str, given: list[str]) -> None:
        try:
            await self._done(name, given)
        finally:
            self._preparing.pop(name, None)
            await asyncio.to_thread(_forget, self._folder(name))

    async def _done(self, name: str, arguments: list[str]) -> bool:
        """Whether a command ended well."""
        folder = self._settings.finetune_dir
        output = folder / f".{name}.output"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        process = await self._commands.start(arguments, output)
        code = await ended(process)
        told = await asyncio.to_thread(last_line, output, "webchat: ")
        await asyncio.to_thread(output.unlink, missing_ok=True)
        cancelled = name in self._cancelled
        self._cancelled.discard(name)
        if code and not cancelled:
            method, model = self._preparing[name]
            failure = told.removeprefix("webchat: ") or f"webchat finetune: {code}"
            self._failed[name] = Training(name, method, model, "failed", failure=failure)
        return not code

    def _open(self) -> Iterator[Training]:
        for run in runs(self._settings.finetune_dir):
            plan, held_out = run.plan, [point.loss for point in run.points if point.held_out]
            failed = self._failed.get(run.name)
            yield Training(
                name=run.name,
                method=plan.method,
                model="" if plan.is_fresh else plan.model.name,
                state="running" if run.state == "running" else "failed" if failed else "stopped",
                points=run.points,
                epochs=plan.num_train_epochs,
                done=run.done,
                left=run.left if run.state == "running" else None,
                held_out=min(held_out, default=None),
                failure=failed.failure if failed and run.state != "running" else "",
            )

    def _over(self) -> Iterator[Training]:
        for place in (self._settings.adapters_dir, self._settings.trained_dir):
            for folder in place.glob("[!.]*"):
                card = card_of(folder)
                with contextlib.suppress(KeyError, TypeError, ValueError):
                    points = tuple(
                        Point(float(epoch), float(loss), bool(out)) for epoch, loss, out in card["losses"]
                    )
                    yield Training(
                        name=folder.name,
                        method=str(card["method"]),
                        model=str(card["model"]),
                        state="done",
                        points=points,
                        epochs=points[-1].epoch if points else 0.0,
                        done=1.0,
                        held_out=card["held_out"],
                        perplexity=card.get("perplexity"),
                        made_at=str(card["made_at"]),
                    )

    def _folder(self, name: str) -> Path:
        return self._settings.finetune_dir / name


def _forget(folder: Path) -> None:
    """Delete what a training read, should its command have been killed before it did."""
    if not is_running(folder):
        plan = stored_plan(folder)
        if plan is not None:
            forget_rows(plan)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _weights(folder: Path) -> int:
    """Bytes; 0 if there is no such folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _rows(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0
