"""Trained adapters: each in a folder of its own, beside a card that says where it comes from."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webchat.feedback.finetuning.checks import CannotTrain
from webchat.feedback.finetuning.plan import Plan
from webchat.feedback.finetuning.running import best_checkpoint, last_checkpoint, points_of

CARD = "webchat.json"
_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True)
class Card:
    """Where an adapter comes from. dataset, base, template: SHA-256 of the rows, of the model's weights and
    of its chat template. held_out: the lowest loss on rows that were not trained on, after `epoch` epochs.
    losses: (epochs, loss, whether held out) as they were told."""

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
    epoch: float | None
    losses: tuple[tuple[float, float, bool], ...]
    flags: tuple[str, ...]


def kept(plan: Plan, name: str, folder: Path, *, rows: int, held_out_rows: int) -> Path:
    """Keep the best checkpoint of a plan as the adapter `name` among those in `folder`; returns its own.

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
        model=plan.model.name,
        dataset=_hash(sorted((plan.dataset / plan.method).glob("*.jsonl"))),
        base=_hash(sorted(plan.model.glob("*.safetensors"))),
        template=_hash([plan.model / "chat_template.jinja"]),
        rows=rows,
        held_out_rows=held_out_rows,
        held_out=None if lowest is None else lowest.loss,
        epoch=None if lowest is None else lowest.epoch,
        losses=tuple((point.epoch, point.loss, point.held_out) for point in points),
        flags=tuple(plan.flags),
    )
    making = target.with_name(f".making-{name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for file in _FILES:
        shutil.copyfile(best / file, making / file)
    (making / CARD).write_text(json.dumps(asdict(card), indent=1) + "\n", encoding="utf-8")
    making.rename(target)
    # The rest is a copy of what people wrote, which they may withdraw.
    shutil.rmtree(plan.folder)
    return target


def check_free(folder: Path, name: str) -> None:
    """Raises CannotTrain if there is an adapter of that name."""
    if (folder / name).exists():
        raise CannotTrain(f"There is an adapter {name} already. Choose another --name.")


def card_of(adapter: Path) -> dict[str, Any]:
    """The card of an adapter; empty if it cannot be read."""
    try:
        said = json.loads((adapter / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _hash(files: list[Path]) -> str:
    told = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                while block := file.read(2**20):
                    told.update(block)
        except OSError:
            return ""
    return told.hexdigest() if files else ""
