"""Plain text as a data set: pieces of files to train on, and the end of each file held out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from webchat.feedback.finetuning.errors import CannotTrain

HELD_OUT = 0.1
"""The share of each file, its end, that is not trained on."""
SUFFIXES = (".txt", ".md", ".rst")
"""What is text in a folder. A single file may have any name."""

_PIECE = 100_000
"""Characters of a row. A token that ends a text stands between two rows: seldom enough to teach nothing."""
_CARD = """---
configs:
- config_name: lm
  data_files:
  - split: train
    path: lm/train.jsonl
  - split: test
    path: lm/test.jsonl
---
"""


def write_texts(source: Path, folder: Path) -> None:
    """Write the text of a file, or of all text files in a folder, as a data set that `trl` reads.

    Reads and writes line by line, so files may be larger than the memory. Raises CannotTrain, OSError.
    """
    files = _files(source)
    (folder / "lm").mkdir(parents=True, exist_ok=True)
    with (
        (folder / "lm/train.jsonl").open("w", encoding="utf-8") as train,
        (folder / "lm/test.jsonl").open("w", encoding="utf-8") as test,
    ):
        for file in files:
            _write(file, train, test)
    (folder / "README.md").write_text(_CARD, encoding="utf-8")


def texts_of(folder: Path, split: str) -> Iterator[str]:
    """The pieces of text in a data set. split: `train` or `test`."""
    with (folder / "lm" / f"{split}.jsonl").open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise CannotTrain(f"{source} has no text: its files end in none of {', '.join(SUFFIXES)}.")
    return found


def _write(path: Path, train: TextIO, test: TextIO) -> None:
    most = path.stat().st_size * (1 - HELD_OUT)
    read, piece, length = 0, list[str](), 0
    into = train
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if (ends := into is train and read >= most) or length >= _PIECE:
                    _write_row(into, piece)
                    piece, length = [], 0
                into = test if ends else into
                piece.append(line)
                length += len(line)
                read += len(line.encode())
    except UnicodeDecodeError:
        raise CannotTrain(
            f"{path} is not text in UTF-8. Convert it first, or choose another --from."
        ) from None
    _write_row(into, piece)


def _write_row(into: TextIO, piece: list[str]) -> None:
    if text := "".join(piece).strip("\n"):
        into.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
