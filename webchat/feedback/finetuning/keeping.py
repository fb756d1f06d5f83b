"""What was trained: each adapter or model in a folder of its own, beside a card that says where it comes from
and a picture of its losses."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backends.local.loading.chat_format import PLAIN_CHAT
from webchat.feedback.finetuning.checks import has_template
from webchat.feedback.finetuning.curves import curves
from webchat.feedback.finetuning.errors import CannotTrain
from webchat.feedback.finetuning.plan import Plan
from webchat.feedback.finetuning.rows import digest
from webchat.feedback.finetuning.running import best_checkpoint, last_checkpoint, points_of

CARD = "webchat.json"
CURVES = "losses.svg"
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_MODEL = (".json", ".safetensors", ".jinja", ".txt", ".model")
"""How files of a model and its tokenizer end. What else a checkpoint has, such as the optimiser's state, is
for resuming."""


@dataclass(frozen=True, slots=True)
class Card:
    """Where an adapter or a model comes from.

    model: the base; empty for fresh weights. dataset, base, template: SHA-256 of the rows, of the base's
    weights and of its chat template. rows, held_out_rows: of plain text, characters. held_out: the lowest
    loss on what was not trained on, after `epoch` epochs; perplexity: of plain text, e to the power of that.
    losses: (epochs, loss, whether held out) as they were told.
    """

    name: str
    method: str
    made_at: str
    model: str
    dataset: str
    base: str
    template: str
    rows: int
    held_out_rows: int
    held_out: float | None
    perplexity: float | None
    epoch: float | None
    losses: tuple[tuple[float, float, bool], ...]
    flags: tuple[str, ...]


def kept(plan: Plan, name: str, folder: Path, *, rows: int, held_out_rows: int) -> Path:
    """Keep the best checkpoint of a plan as `name` among the adapters or models in `folder`; returns its own.

    It appears whole or not at all. All else of the run is deleted with its folder. Raises CannotTrain if the
    name is taken or nothing was trained.
    """
    target = folder / name
    check_free(folder, name)
    best, last = best_checkpoint(plan.checkpoints), last_checkpoint(plan.checkpoints)
    if best is None or last is None:
        raise CannotTrain(f"Nothing was trained in {plan.folder}. See its {plan.folder / 'log.txt'}.")
    points = points_of(last)
    lowest = min((point for point in points if point.held_out), key=lambda point: point.loss, default=None)
    card = Card(
        name=name,
        method=plan.method,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        model="" if plan.is_fresh else plan.model.name,
        dataset=digest(sorted((plan.dataset / plan.method).glob("*.jsonl"))),
        base=digest(sorted(plan.model.glob("*.safetensors"))),
        template=digest([plan.model / "chat_template.jinja"]),
        rows=rows,
        held_out_rows=held_out_rows,
        held_out=None if lowest is None else lowest.loss,
        perplexity=None if lowest is None or plan.method != "lm" else round(math.exp(lowest.loss), 2),
        epoch=None if lowest is None else lowest.epoch,
        losses=tuple((point.epoch, point.loss, point.held_out) for point in points),
        flags=tuple(plan.flags),
    )
    making = target.with_name(f".making-{name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for file in _files(plan, best):
        shutil.copyfile(file, making / file.name)
    if plan.makes_model and not has_template(making):
        (making / "chat_template.jinja").write_text(PLAIN_CHAT, encoding="utf-8")
    (making / CARD).write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")
    (making / CURVES).write_text(curves(points), encoding="utf-8")
    making.rename(target)
    # The rest is a copy of what people wrote, which they may withdraw.
    shutil.rmtree(plan.folder)
    return target


def _files(plan: Plan, checkpoint: Path) -> list[Path]:
    """What of a checkpoint is the adapter, or the model with its tokenizer."""
    if not plan.makes_model:
        return [checkpoint / name for name in _ADAPTER]
    return [
        file
        for file in sorted(checkpoint.iterdir())
        if file.suffix in _MODEL and file.name != "trainer_state.json"
    ]


def check_free(folder: Path, name: str) -> None:
    """Raises CannotTrain if something of that name was kept."""
    if (folder / name).exists():
        raise CannotTrain(f"{folder / name} exists already. Choose another --name.")


def card_of(folder: Path) -> dict[str, Any]:
    """The card of an adapter or a model; empty if it cannot be read."""
    try:
        said = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
