"""`webchat finetune`: trains an adapter on an export, and puts it into the picker."""

from __future__ import annotations

import argparse
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backends.memory import free_memory
from webchat.commands.export import written
from webchat.commands.terminal import CommandError, known_errors
from webchat.settings import Loaded, Settings
from webchat.settings.models import DEMO_NAME

if TYPE_CHECKING:
    from webchat.feedback.finetuning import Plan, Progress

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FLAGS = {
    "learning_rate": (float, "the step of the optimiser (sft 2e-4; dpo and kto 5e-5)"),
    "num_train_epochs": (float, "how often it goes through all rows (3)"),
    "per_device_train_batch_size": (int, "rows at once (4)"),
    "max_length": (int, "tokens of a row that are read (1024)"),
    "lora_r": (int, "the adapter's rank (16)"),
    "lora_alpha": (int, "the adapter's scale (32)"),
    "lora_dropout": (float, "share of the adapter's inputs that is dropped while training (0)"),
    "weight_decay": (float, "how strongly weights are drawn to zero (0)"),
    "early_stopping_patience": (int, "epochs without a lower held-out loss after which it ends (0: never)"),
}
"""trl's own flags, with its meanings."""


def add_finetune_command(add: Callable[..., argparse.ArgumentParser], option: Callable[..., None]) -> None:
    """add: a command; option: adds a flag to one of them."""
    about = "Train an adapter for --model, or for the embedded model, on an export. Needs the extra train."
    made = add("finetune", about, _finetune)
    option(made, "--method", choices=("sft", "dpo", "kto"), default="sft", help="the trainer of trl (sft)")
    about = "a folder of webchat export (all that may be exported now)"
    option(made, "--from", dest="dataset", metavar="DIR", help=about)
    option(made, "--name", metavar="NAME", help="the adapter's name (method and time)")
    for name, (kind, about) in _FLAGS.items():
        option(made, f"--{name.replace('_', '-')}", dest=name, type=kind, metavar="N", help=about)
    option(made, "--resume", action="store_true", help="go on from the last checkpoint of this name")
    option(made, "--dry-run", action="store_true", help="check, print the command, and train nothing")
    made.add_argument("more", nargs="*", metavar="-- FLAG", help="further flags for trl, behind --")


def _finetune(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.feedback.extras import ExtraMissing
    from webchat.feedback.finetuning import (
        AlreadyRunning,
        Cancelled,
        CannotTrain,
        Failed,
        check,
        check_free,
        kept,
        run,
    )

    settings, name = loaded.settings, _name(options)
    try:
        with known_errors(), _interrupted():
            check_free(settings.adapters_dir, name)
            plan = _plan(settings, options, name)
            if options.dataset is None and not (options.resume and plan.dataset.is_dir()):
                _export(settings, plan.dataset)
            found = check(plan)
            print(f"{found.rows} rows to train on, {found.held_out} held out{_memory(found.memory)}.")
            print(plan.shown)
            print(f"On several GPUs: {plan.on_several_gpus}")
            if options.dry_run:
                return
            for progress in run(plan, resume=options.resume):
                print(_line(progress, plan), flush=True)
            folder = kept(plan, name, settings.adapters_dir, rows=found.rows, held_out_rows=found.held_out)
    except (AlreadyRunning, CannotTrain, ExtraMissing, Failed, Cancelled) as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        raise CommandError(
            f"Stopped. Continue from the last checkpoint with --name {name} --resume."
        ) from None
    print(f"The adapter {name} is in the picker. It lies in {folder}.")


@contextmanager
def _interrupted() -> Iterator[None]:
    """Any end from outside is like Ctrl-C: the trainer ends with us."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(one, signal.default_int_handler) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _name(options: argparse.Namespace) -> str:
    name = options.name or f"{options.method}-{datetime.now():%Y%m%d-%H%M}"
    if not _NAME.fullmatch(name):
        raise CommandError(f"{name} is no name for an adapter: use letters, digits, dots and dashes.")
    return name


def _plan(settings: Settings, options: argparse.Namespace, name: str) -> Plan:
    from webchat.feedback.finetuning import LEARNING_RATES, Plan

    given = {flag: value for flag in _FLAGS if (value := getattr(options, flag)) is not None}
    folder = (settings.data_dir / "finetune" / name).absolute()
    plan = Plan(
        method=options.method,
        model=_model(settings),
        dataset=Path(options.dataset).expanduser().resolve() if options.dataset else folder / "dataset",
        folder=folder,
        learning_rate=LEARNING_RATES[options.method],
        use_cpu=free_memory("cuda") is None,
        more=tuple(options.more),
    )
    return replace(plan, **given)


def _export(settings: Settings, folder: Path) -> None:
    """Write all that may be exported, split by conversation where a split by person holds nothing out."""
    from webchat.feedback.datasets import Chosen, ExportOptions

    found = written(settings, folder, ExportOptions(), Chosen())
    if found.people == 1 or "no_test" in found.notes:
        found = written(settings, folder, ExportOptions(by="conversation"), Chosen())
        print("Too few people for a split by person: train and test share people, but no conversation.")
    print(f"Exported {found.records} judgements and comparisons to {folder}.")


def _model(settings: Settings) -> Path:
    """The folder to train from. The embedded model is converted once; others are used as they are."""
    if settings.model is not None:
        return Path(settings.model).expanduser().resolve()
    folder = settings.demo_dir / DEMO_NAME
    if not folder.is_dir():
        from backends.demo import demo_model
        from backends.local.loading.dense import write_dense
        from webchat.feedback.extras import check_extra

        check_extra("transformers", "train", "Training")
        print(f"Converting {DEMO_NAME} to full weights, once (540 MB) ...", flush=True)
        write_dense(demo_model(settings.demo_dir), folder)
    return folder.resolve()


def _memory(needed: int | None) -> str:
    return "" if needed is None else f"; about {needed / 1e9:.1f} GB of memory"


def _line(progress: Progress, plan: Plan) -> str:
    point = progress.point
    told = f"epoch {point.epoch:.2f} of {plan.num_train_epochs:g}"
    told += f", {'held-out loss' if point.held_out else 'loss'} {point.loss:.4f}"
    return told if progress.left is None else f"{told}, about {_duration(progress.left)} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
