"""Why a training would fail or teach nothing, told before it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.memory import free_memory
from webchat.feedback.extras import check_extra
from webchat.feedback.finetuning.errors import CannotTrain
from webchat.feedback.finetuning.plan import Plan
from webchat.feedback.finetuning.texts import texts_of

FEWEST_ROWS = 40
"""Rows to train on. With fewer, an adapter learns the rows by heart or nothing at all."""

FEWEST_CHARACTERS = 20_000
"""Of plain text to train on: a few pages teach no language."""

_SMALL_BYTES = 200_000_000

_LAYER_BYTES = 34
"""Bytes of activations for one value of one layer and token in half precision (Korthikanti et al. 2022,
"Reducing Activation Recomputation in Large Transformer Models", equation 2, without attention's part, which
today's kernels do not keep)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was checked. rows, held_out: rows to train on and to evaluate on; of plain text, characters.
    memory: about how many bytes it takes; free: how many there are; `None` where unknown."""

    rows: int
    held_out: int
    memory: int | None
    free: int | None


def check(plan: Plan) -> Found:
    """Raises CannotTrain, ExtraMissing."""
    for package in ("trl", "peft", "datasets"):
        check_extra(package, "train", "Training")
    config = _config(plan.model)
    rows, held_out = _text(plan, config) if plan.method == "lm" else _rows(plan)
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
    return config if isinstance(config, dict) else {}


def _rows(plan: Plan) -> tuple[int, int]:
    """How many rows of an export there are to train on, and how many are held out."""
    if not has_template(plan.model):
        raise CannotTrain(
            f"The tokenizer in {plan.model} has no chat template, so a chat cannot be made into text. Save"
            " the template that it is served with as chat_template.jinja there."
        )
    rows, held_out = (_lines_in(plan.dataset / plan.method / f"{split}.jsonl") for split in ("train", "test"))
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
    return rows, held_out


def _text(plan: Plan, config: dict[str, Any]) -> tuple[int, int]:
    """How many characters of plain text there are to train on, and how many are held out."""
    window = _window(config)
    if window and plan.max_length > window:
        raise CannotTrain(
            f"--max-length {plan.max_length} is more than the {window} tokens this model reads. Choose"
            f" {window} or fewer."
        )
    length, held_out = (sum(map(len, texts_of(plan.dataset, split))) for split in ("train", "test"))
    if length < FEWEST_CHARACTERS:
        raise CannotTrain(
            f"{length:,} characters are too few to learn a language from. Give at least"
            f" {FEWEST_CHARACTERS:,} with --from."
        )
    if held_out < 2 * plan.max_length:  # in tokens it is less
        raise CannotTrain(
            f"Only {held_out:,} characters are held out, at the last line breaks of the text. Give a longer"
            " text, break it into lines, or choose a smaller --max-length."
        )
    return length, held_out


def window_of(model: Path) -> int | None:
    """How many tokens the model in a folder reads; `None` if nothing says so."""
    try:
        return _window(json.loads((model / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def is_small(model: Path) -> bool:
    """Whether computing activations twice, which is for models that hardly fit into the memory, only costs
    time."""
    return sum(file.stat().st_size for file in model.glob("*.safetensors")) < _SMALL_BYTES


def _window(config: dict[str, Any]) -> int | None:
    said = [config.get(name) for name in ("max_position_embeddings", "n_positions")]
    return next((length for length in said if isinstance(length, int)), None)


def has_template(model: Path) -> bool:
    """Whether the tokenizer in a folder has a chat template."""
    if (model / "chat_template.jinja").is_file():
        return True
    try:
        said = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(said.get("chat_template"))


def _lines_in(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError:
        return 0


def _memory(plan: Plan, config: dict[str, Any]) -> int | None:
    """About how many bytes training takes: weights, what is trained with Adam's state, activations of one
    batch."""
    weights = sum(file.stat().st_size for file in plan.model.glob("*.safetensors"))
    names = (("hidden_size", "n_embd"), ("num_hidden_layers", "n_layer"), ("vocab_size",))
    sizes = [next((config[name] for name in either if name in config), None) for either in names]
    hidden, layers, vocabulary = (size if isinstance(size, int) else 0 for size in sizes)
    if not weights or not hidden or not layers:
        return None
    rows = plan.per_device_train_batch_size * (2 if plan.method == "dpo" else 1)
    tokens = rows * min(plan.max_length, _longest(plan))
    width = 4 if plan.use_cpu else 2
    activations = tokens * layers * hidden * _LAYER_BYTES * width // 2
    logits = tokens * vocabulary * 4 * 2
    # Adapter: seven matrices of two sides in each layer. All weights: gradients and two states of Adam.
    trained = 3 * weights if plan.makes_model else 16 * 14 * layers * hidden * plan.lora_r
    return weights + activations + logits + trained


def _longest(plan: Plan) -> int:
    """Characters of the longest row: never fewer than its tokens."""
    if plan.method == "lm":
        return plan.max_length
    path = plan.dataset / plan.method / "train.jsonl"
    return max((len(line) for line in _lines(path)), default=0)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from file
