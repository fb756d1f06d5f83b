"""What `trl` is asked to do."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Of an adapter or a model: that of its folder."""

Method = Literal["lm", "sft", "dpo", "kto"]
METHODS: tuple[Method, ...] = ("lm", "sft", "dpo", "kto")

LEARNING_RATES: dict[Method, float] = {"lm": 5e-5, "sft": 2e-5, "dpo": 1e-6, "kto": 1e-6}
"""For all weights: the defaults of transformers and TRL."""

ADAPTER_LEARNING_RATES: dict[Method, float] = {"sft": 2e-4, "dpo": 5e-5, "kto": 5e-5}
"""For LoRA. Adapters take about ten times as much (https://thinkingmachines.ai/blog/lora/)."""

FRESH_LEARNING_RATE = 1e-3
"""For weights drawn at random in a model of a few million parameters, as nanoGPT has it for such models."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One training. The fields after `all_weights` have the names and meanings of trl's flags.

    dataset: a folder as `webchat export` or `write_texts` writes it. folder: of this run; checkpoints and the
    log lie there. all_weights: train the model itself, not a LoRA adapter for it; always so for `lm`.
    early_stopping_patience: after so many epochs in which the held-out loss did not fall, training ends; 0
    never ends it. The checkpoint with the lowest held-out loss is kept in any case. more: further flags of
    trl, as they are.
    """

    method: Method
    model: Path
    dataset: Path
    folder: Path
    learning_rate: float
    all_weights: bool = False
    num_train_epochs: float = 3.0
    per_device_train_batch_size: int = 4
    max_length: int = 1024
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    weight_decay: float = 0.0
    early_stopping_patience: int = 0
    seed: int = 0
    gradient_checkpointing: bool = True
    use_cpu: bool = False
    more: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def is_fresh(self) -> bool:
        """Whether the model is one of fresh weights, made for this training."""
        return self.model.parent == self.folder

    @property
    def makes_model(self) -> bool:
        """Whether a model comes of it, not an adapter."""
        return self.all_weights or self.method == "lm"

    @property
    def flags(self) -> list[str]:
        """For `trl`, without the flag that resumes."""
        given: dict[str, object] = {
            "model_name_or_path": self.model,
            "dataset_name": self.dataset,
            "dataset_config": self.method,
            "output_dir": self.checkpoints,
            **self._kind,
            "learning_rate": self.learning_rate,
            "num_train_epochs": self.num_train_epochs,
            "per_device_train_batch_size": self.per_device_train_batch_size,
            "max_length": self.max_length,
            "weight_decay": self.weight_decay,
            "seed": self.seed,
            "gradient_checkpointing": self.gradient_checkpointing,
            "eval_strategy": "epoch",
            "save_strategy": "epoch",
            "save_total_limit": 2,
            "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss",
            "greater_is_better": False,
            "logging_steps": 10 if self.method == "lm" else 1,
            "disable_tqdm": True,
            "report_to": "none",
        }
        if self.use_cpu:  # half precision is trl's default, and slow or absent on processors
            given |= {"use_cpu": True, "bf16": False}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return ["sft" if self.method == "lm" else self.method, *words, *self.more]

    @property
    def _kind(self) -> dict[str, object]:
        """The flags that tell an adapter from a model, and plain text from rows."""
        if (
            self.method == "lm"
        ):  # texts one behind the other, cut into pieces of one length: nothing is padding
            return {"packing": True, "packing_strategy": "wrapped"}
        if self.all_weights:
            return {}
        return {
            "use_peft": True,
            "lora_r": self.lora_r,
            "lora_alpha": self.lora_alpha,
            "lora_dropout": self.lora_dropout,
            "lora_target_modules": "all-linear",  # peft's own choice, attention alone, learns less
        }

    @property
    def shown(self) -> str:
        """The command, as a person would type it."""
        return shlex.join(["trl", *self.flags])

    @property
    def on_several_gpus(self) -> str:
        """The same on a machine with several GPUs: `trl` passes the flag on to accelerate."""
        return shlex.join(["trl", *self.flags, "--num_processes", "GPUS"])

    def command(self, *, resume: Path | None = None) -> list[str]:
        """The command to run. resume: the checkpoint to go on from."""
        again = [] if resume is None else ["--resume_from_checkpoint", str(resume)]
        return [sys.executable, "-c", _MAIN, *self.flags, *again]


_MAIN = "import sys; from trl.cli import main; sys.argv[0] = 'trl'; sys.exit(main())"
"""The script `trl` may lie outside the path, and `trl` is no module to run."""
