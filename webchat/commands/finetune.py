"""`webchat finetune`: trains an adapter on an export or a model on text, and puts it into the picker."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends._plurals import counted
from backends.memory import free_memory
from webchat.commands.export import written
from webchat.commands.terminal import AddCommand, CommandError, interruptible, known_errors
from webchat.settings import Loaded, Settings
from webchat.settings.models import DEMO_NAME

if TYPE_CHECKING:
    from webchat.feedback.finetuning import Found, Plan, Progress

_FLAGS = {
    "learning_rate": (
        float,
        "the step of the optimiser (sft 2e-4; dpo, kto and lm 5e-5; fresh weights 1e-3)",
    ),
    "num_train_epochs": (float, "how often it goes through all rows (3)"),
    "per_device_train_batch_size": (int, "rows at once (4)"),
    "max_length": (int, "tokens of a row that are read (1024, or what the model reads)"),
    "lora_r": (int, "the adapter's rank (16)"),
    "lora_alpha": (int, "the adapter's scale (32)"),
    "lora_dropout": (float, "share of the adapter's inputs that is dropped while training (0)"),
    "weight_decay": (float, "how strongly weights are drawn to zero (0)"),
    "early_stopping_patience": (int, "epochs without a lower held-out loss after which it ends (0: never)"),
}
"""trl's own flags, with its meanings."""


def add_finetune_command(add: AddCommand, option: Callable[..., None]) -> None:
    """add: a command; option: adds a flag to one of them."""
    about = (
        "Train an adapter for --model, or for the embedded model, on an export; or a model on plain text."
        " Needs the extra train."
    )
    made = add("finetune", about, _finetune)
    methods = ("sft", "dpo", "kto", "lm")
    option(made, "--method", choices=methods, help="the trainer of trl; lm: plain text (sft)")
    about = (
        "a folder of webchat export (all that may be exported now); for lm a text file, or a folder of them"
    )
    option(made, "--from", dest="dataset", metavar="PATH", help=about)
    about = "for lm: a config.json of transformers, for a model with fresh weights and a tokenizer of its own"
    option(made, "--config", metavar="FILE", help=about)
    about = "train all weights instead of an adapter; the result is a model (always so for lm)"
    option(made, "--all-weights", action="store_true", help=about)
    option(made, "--name", metavar="NAME", help="the name in the picker (method and time)")
    for name, (kind, about) in _FLAGS.items():
        option(made, f"--{name.replace('_', '-')}", dest=name, type=kind, metavar="N", help=about)
    option(made, "--resume", action="store_true", help="continue from the last checkpoint of this name")
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
        forgotten_unless_done,
        kept,
        run,
        store_plan,
    )

    settings, name = loaded.settings, _name(options)
    try:
        with known_errors(), interruptible():
            plan = _planned(settings, options, name)
            with forgotten_unless_done(plan):
                into = settings.trained_dir if plan.makes_model else settings.adapters_dir
                check_free(into, name)
                found = check(plan)
                _tell_plan(plan, found)
                if options.dry_run:
                    return
                store_plan(plan)
                for progress in run(plan, resume=options.resume):
                    print(_line(progress, plan), flush=True)
                folder = kept(plan, name, into, rows=found.rows, held_out_rows=found.held_out)
    except (AlreadyRunning, CannotTrain, ExtraMissing, Failed, Cancelled) as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        raise CommandError(
            f"Stopped. Continue from the last checkpoint with --name {name} --resume."
        ) from None
    print(f"The {'model' if plan.makes_model else 'adapter'} {name} is in the picker. It is in {folder}.")


def _name(options: argparse.Namespace) -> str:
    from webchat.feedback.finetuning import NAME

    name = options.name or f"{options.method or 'sft'}-{datetime.now():%Y%m%d-%H%M}"
    if not NAME.fullmatch(name):
        raise CommandError(f"{name} is no name: use letters, digits, dots and dashes.")
    return name


def _planned(settings: Settings, options: argparse.Namespace, name: str) -> Plan:
    """What will run: as it was begun if it is resumed, but for flags that are given again. Raises
    AlreadyRunning."""
    from webchat.feedback.finetuning import AlreadyRunning, is_copy, is_running, stored_plan

    given: dict[str, Any] = {flag: value for flag in _FLAGS if (value := getattr(options, flag)) is not None}
    folder = (settings.finetune_dir / name).absolute()
    if is_running(folder):  # on rows that would be written again here
        raise AlreadyRunning(f"A training is running in {folder}. Wait for it, or choose another --name.")
    begun = stored_plan(folder) if options.resume else None
    if begun is not None and options.method in (None, begun.method):
        if is_copy(begun):
            _export_again(settings, begun)
        if begun.dataset.is_dir():
            return replace(begun, **given, more=tuple(options.more) or begun.more)
    if options.method == "lm":
        return _text_plan(settings, options, folder, given)
    return _rows_plan(settings, options, folder, given)


def _rows_plan(settings: Settings, options: argparse.Namespace, folder: Path, given: dict[str, Any]) -> Plan:
    """On an export."""
    from webchat.feedback.finetuning import (
        ADAPTER_LEARNING_RATES,
        LEARNING_RATES,
        Method,
        Plan,
        forgotten_unless_done,
    )

    if options.config is not None:
        raise CommandError("--config is for --method lm: an untrained model cannot chat.")
    if options.dataset is not None and not Path(options.dataset).expanduser().is_dir():
        raise CommandError(f"--from: there is no folder {options.dataset}; webchat export writes one.")
    method: Method = options.method or "sft"
    rates = LEARNING_RATES if options.all_weights else ADAPTER_LEARNING_RATES
    plan = Plan(
        method=method,
        model=_model(settings),
        dataset=Path(options.dataset).expanduser().resolve() if options.dataset else folder / "dataset",
        folder=folder,
        learning_rate=rates[method],
        all_weights=options.all_weights,
        use_cpu=free_memory("cuda") is None,
        more=tuple(options.more),
    )
    if options.dataset is None and not (options.resume and plan.dataset.is_dir()):
        with forgotten_unless_done(plan):
            _export(settings, plan.dataset)
    return _fitted(plan, given)


def _text_plan(settings: Settings, options: argparse.Namespace, folder: Path, given: dict[str, Any]) -> Plan:
    """On plain text, from a model or from a configuration."""
    from backends.local.loading.chat_format import PLAIN_CHAT
    from backends.local.loading.fresh import write_fresh
    from webchat.feedback.extras import check_extra
    from webchat.feedback.finetuning import FRESH_LEARNING_RATE, LEARNING_RATES, Plan, texts_of, write_texts

    if options.dataset is None:
        raise CommandError("--method lm needs --from, a text file or a folder of text files.")
    dataset, fresh = folder / "dataset", folder / "model"
    write_texts(Path(options.dataset).expanduser().resolve(), dataset)
    if options.config is not None:
        check_extra("transformers", "train", "Training")
        config = _read_config(Path(options.config).expanduser())
        print("Training a tokenizer on the text ...", flush=True)
        shutil.rmtree(fresh, ignore_errors=True)
        write_fresh(config, texts_of(dataset, "train"), fresh, chat_template=PLAIN_CHAT)
    plan = Plan(
        method="lm",
        model=_model(settings) if options.config is None else fresh,
        dataset=dataset,
        folder=folder,
        learning_rate=LEARNING_RATES["lm"] if options.config is None else FRESH_LEARNING_RATE,
        use_cpu=free_memory("cuda") is None,
        more=tuple(options.more),
    )
    return _fitted(plan, given)


def _fitted(plan: Plan, given: dict[str, Any]) -> Plan:
    """With what suits the model, and the flags that were given."""
    from webchat.feedback.finetuning import is_small, window_of

    window = window_of(plan.model) or plan.max_length
    length = min(window, plan.max_length)
    fitting = {"max_length": length, "gradient_checkpointing": not is_small(plan.model), **given}
    return replace(plan, **fitting)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise CommandError(f"{path} is no JSON: it has to be a config.json of transformers.") from None
    if not isinstance(said, dict) or not isinstance(said.get("model_type"), str):
        raise CommandError(f'{path} names no "model_type", such as "gpt2" or "llama".')
    return said


def _export(settings: Settings, folder: Path) -> None:
    """Write all that may be exported, split by conversation where a split by person holds nothing out."""
    from webchat.feedback.datasets import Chosen, ExportOptions

    found = written(settings, folder, ExportOptions(), Chosen())
    if found.people == 1 or "no_test" in found.notes:
        found = written(settings, folder, ExportOptions(by="conversation"), Chosen())
        print("Too few people for a split by person: train and test share people, but no conversation.")
    records = counted(found.records, "judgement or comparison", "judgements and comparisons")
    print(f"Exported {records} to {folder}.")


def _export_again(settings: Settings, plan: Plan) -> None:
    """Write the rows of a training that is resumed as they may be used now."""
    from webchat.feedback.finetuning import forget_rows, forgotten_unless_done, rows_changed

    forget_rows(plan)  # of one that was killed they are there still
    with forgotten_unless_done(plan):
        _export(settings, plan.dataset)
    if rows_changed(plan):
        print("The rows have changed since this training stopped. It continues with those exported now.")


def _model(settings: Settings) -> Path:
    """The folder to train from. The embedded model is converted once; others are used as they are."""
    if settings.model is not None:
        return Path(settings.model).expanduser().resolve()
    folder = settings.demo_dir / DEMO_NAME
    if not folder.is_dir():
        from backends.llamacpp.demo import demo_model
        from backends.local.loading.dense import write_dense
        from webchat.feedback.extras import check_extra

        check_extra("transformers", "train", "Training")
        print(f"Converting {DEMO_NAME} to full weights, once (540 MB) ...", flush=True)
        write_dense(demo_model(settings.demo_dir), folder)
    return folder.resolve()


def _tell_plan(plan: Plan, found: Found) -> None:
    unit = "characters" if plan.method == "lm" else "rows"
    print(f"{found.rows:,} {unit} to train on, {found.held_out:,} held out{_memory(found.memory)}.")
    print(plan.shown)
    print(f"On several GPUs: {plan.on_several_gpus}")


def _memory(needed: int | None) -> str:
    return "" if needed is None else f"; about {needed / 1e9:.1f} GB of memory"


def _line(progress: Progress, plan: Plan) -> str:
    point = progress.point
    told = f"epoch {point.epoch:.2f} of {plan.num_train_epochs:g}"
    told += f", {'held-out loss' if point.held_out else 'loss'} {point.loss:.4f}"
    if point.held_out and plan.method == "lm":
        told += f" (perplexity {math.exp(point.loss):.1f})"
    return told if progress.left is None else f"{told}, about {_duration(progress.left)} left"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
