"""Parquet files, written by `datasets`, which keeps the types that trainers expect."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from webchat.feedback.extras import extra


def to_parquet(folder: Path, written: Mapping[str, Iterable[str]]) -> None:
    """Beside each JSONL file one of the same rows. written: the files of each config. Raises ExtraMissing."""
    datasets = extra("datasets", "train", "Parquet")
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        for config, names in written.items():
            for name in names:
                path = folder / config / f"{name}.jsonl"
                # Types are said, not guessed: a column of nothing but dates is a column of texts.
                features = datasets.Features(
                    _features(datasets, next(_rows(path)), tools=config.endswith("_tools"))
                )
                made = datasets.Dataset.from_generator(
                    _rows, features=features, gen_kwargs={"path": path}, cache_dir=cache
                )
                made.to_parquet(str(path.with_suffix(".parquet")))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _features(datasets: Any, value: Any, *, tools: bool = False) -> Any:
    """The type of a value, as `datasets` writes it. tools: messages that call tools have more fields."""
    if isinstance(value, dict):
        return {key: _features(datasets, one, tools=tools) for key, one in value.items()}
    if isinstance(value, list):
        return datasets.List(datasets.Json() if tools else _features(datasets, value[0]))
    return datasets.Value({str: "string", bool: "bool", int: "int64"}[type(value)])
