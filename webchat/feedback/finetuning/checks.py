"""Why a training would fail or teach nothing, told before it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.memory import free_memory
from webchat.feedback.extras import check_extra
from webchat.feedback.finetuning.plan import Plan

FEWEST_ROWS = 40
"""Rows to train on. With fewer, an adapter learns the rows by heart or nothing at all."""

_LAYER_BYTES = 34
"""Bytes of activations for one value of one layer and token in half precision (Korthikanti et al. 2022,
"Reducing Activation Recomputation in Large Transformer Models", equation 2, without attention's part, which
today's kernels do not keep)."""


class CannotTrain(Exception):
    """The message is one sentence on what is wrong, and one on what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was checked. rows, held_out: rows to train on and to evaluate on. memory: about how many bytes it
    takes; free: how many there are; `None` where unknown."""

    rows: int
    held_out: int
    memory: int | None
    free: int | None


def check(plan: Plan) -> Found:
    """Raises CannotTrain, ExtraMissing."""
    for package in ("trl", "peft", "datasets"):
        check_extra(package, "train", "Training")
    config = _config(plan.model)
    rows, held_out = (_rows(plan.dataset / plan.method / f"{split}.jsonl") for split in ("train", "test"))
    if not rows and not held_out:
        raise CannotTrain(
            f"{plan.dataset} has no rows for {plan.method}: an export of accepted judgements has them in"
            f" {plan.method}/train.jsonl. Export again, or choose another --method."
        )
    if rows < FEWEST_ROWS:
        raise CannotTrain(
            f"{rows} rows are too few to learn from: collect at least {FEWEST_ROWS} accepted judgements for"
            f" {plan.method}."
        )
    if not held_out:
        raise CannotTrain(
            "No rows are held out, so nobody could tell whether it learned or memorised. Export again with"
            " --by conversation, or judge more conversations."
        )
    memory, free = _memory(plan, config), free_memory("cpu" if plan.use_cpu else "cuda")
    if memory is not None and free is not None and memory > free:
        raise CannotTrain(
            f"Training takes about {memory / 1e9:.1f} GB and {free / 1e9:.1f} GB are free. Choose a smaller"
            " model, --per-device-train-batch-size 1, or a smaller --max-length."
        )
    return Found(rows, held_out, memory, free)


def _config(model: Path) -> dict[str, Any]:
    """The configuration of a model that can be trained."""
    if model.suffix.lower() == ".gguf":
        raise CannotTrain(
            f"{model.name} is a GGUF, which is for answering only. Give the folder it was made from, with"
            " its config.json and *.safetensors."
        )
    try:
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    except OSError:
        raise CannotTrain(
            f"There is no model in {model}. Give a folder with config.json and *.safetensors."
        ) from None
    except ValueError:
        raise CannotTrain(f"{model / 'config.json'} is damaged. Download the model again.") from None
    if not _has_template(model):
        raise CannotTrain(
            f"The tokenizer in {model} has no chat template, so a chat cannot be made into text. Save the"
            " template that it is served with as chat_template.jinja there."
        )
    return config if isinstance(config, dict) else {}


def _has_template(model: Path) -> bool:
    if (model / "chat_template.jinja").is_file():
        return True
    try:
        said = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(said.get("chat_template"))


def _rows(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError:
        return 0


def _memory(plan: Plan, config: dict[str, Any]) -> int | None:
    """About how many bytes training takes: weights, adapter with Adam's state, activations of one batch."""
    weights = sum(file.stat().st_size for file in plan.model.glob("*.safetensors"))
    sizes = [config.get(name) for name in ("hidden_size", "num_hidden_layers", "vocab_size")]
    hidden, layers, vocabulary = (size if isinstance(size, int) else 0 for size in sizes)
    if not weights or not hidden or not layers:
        return None
    rows = plan.per_device_train_batch_size * (2 if plan.method == "dpo" else 1)
    tokens = rows * min(plan.max_length, _longest(plan))
    width = 4 if plan.use_cpu else 2
    activations = tokens * layers * hidden * _LAYER_BYTES * width // 2
    logits = tokens * vocabulary * 4 * 2
    adapter = 16 * 14 * layers * hidden * plan.lora_r  # seven matrices of two sides in each layer
    return weights + activations + logits + adapter


def _longest(plan: Plan) -> int:
    """Characters of the longest row: never fewer than its tokens."""
    path = plan.dataset / plan.method / "train.jsonl"
    return max((len(line) for line in _lines(path)), default=0)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file
