"""What an export is asked for, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

Format = Literal["trl", "messages", "jsonl", "openai", "sharegpt", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

By = Literal["person", "conversation"]

NoteKey = Literal["no_rows", "no_test", "one_group"]
"""no_rows: nothing could be exported. no_test: nothing is held out, because all belongs together. one_group:
more than `LARGEST` of all judgements belong together."""

LARGEST = 0.8

Mask = Callable[[Sequence[str]], Sequence[str]]
"""The texts of one judgement without personal data, in the same order."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """formats: trl: JSONL for sft, dpo, kto, reward and grpo; messages: whole conversations, whose training
    includes the words of people; jsonl, csv: one file of all judgements; openai: fine-tuning files; sharegpt;
    parquet: those of trl as Parquet. by: what train and test never share, beside near-duplicates. folds: as
    many parts instead of train and test; 0 for none. share: of what is held out. salt: of hashes; empty for
    that of the export that is replaced, or a new one. licence: an identifier of the Hugging Face Hub. mask:
    hides personal data. reasoning: keeps reasoning that models wrote between tags.
    """

    formats: tuple[Format, ...] = ("trl",)
    by: By = "person"
    folds: int = 0
    share: float = 0.1
    salt: str = ""
    licence: str = "unknown"
    mask: Mask | None = None
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. rows: by config, then by split. records: judgements and comparisons they come from.
    left_out: by reason. largest: the share of the records that belong together, at most."""

    folder: Path
    rows: Mapping[str, Mapping[str, int]]
    records: int
    people: int
    salt: str
    notes: tuple[NoteKey, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    largest: float = 0.0


class ExportError(Exception):
    """The message is one sentence: what is wrong, and what to do."""
