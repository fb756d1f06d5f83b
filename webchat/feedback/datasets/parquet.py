"""Parquet files, written by `datasets`, which keeps the types that trainers expect."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from webchat.feedback.extras import extra


def to_parquet(folder: Path, written: Mapping[str, Iterable[str]]) -> None:
    """Beside each JSONL file one of the same rows. written: the files of each config. Raises ExtraMissing."""
    datasets = extra("datasets", "train", "Parquet")
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        for config, names in written.items():
            for name in names:
                path = folder / config / f"{name}.jsonl"
                loaded = datasets.load_dataset(
                    "json", data_files=str(path), split="train", cache_dir=cache, keep_in_memory=False
                )
                loaded.to_parquet(str(path.with_suffix(".parquet")))
                del loaded
