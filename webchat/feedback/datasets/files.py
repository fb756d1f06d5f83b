"""The files of a dataset, from rows whose groups have their splits."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from webchat.feedback.datasets.counting import Counts
from webchat.feedback.datasets.groups import Groups
from webchat.feedback.datasets.scratch import Scratch, Stored
from webchat.feedback.datasets.shapes import COLUMNS, cells, openai_preference, openai_sft, sharegpt
from webchat.feedback.datasets.splits import TEST, TRAIN


class Files:
    """The files of a dataset. places: the split or fold of each group, by its root."""

    def __init__(
        self,
        folder: Path,
        scratch: Scratch,
        groups: Groups,
        places: Mapping[int, str],
        keys: Mapping[int, bytes],
    ) -> None:
        self._folder = folder
        self._scratch = scratch
        self._groups = groups
        self._places = places
        self._keys = keys
        self.features: dict[str, list[dict[str, Any]]] = {}

    @staticmethod
    def names(folds: int) -> dict[str, str]:
        """File names by place."""
        if folds:
            return {str(at): f"fold-{at}" for at in range(1, folds + 1)}
        return {TRAIN: TRAIN, TEST: TEST}

    def config(self, config: str, names: Mapping[str, str], counts: Counts) -> dict[str, int]:
        """The files of one config; returns the rows of each. Files without rows are not written."""
        if config.startswith("kto"):
            rows = self._scratch.alternating(config, self._place)
        else:
            rows = self._scratch.rows(config)
        with _Lines(self._folder / config) as lines:
            for stored in rows:
                counts.measure(config, stored.tokens)
                name = names[self._place(stored.node)]
                line = {**stored.body, "webchat": self._about(stored, name)}
                if config.endswith("_tools") and config not in self.features:
                    self.features[config] = _features(line)
                lines.add(name, line)
        return {name: lines.counts[name] for name in names.values() if name in lines.counts}

    def others(self, formats: Iterable[str], names: Mapping[str, str]) -> None:
        """The files of formats that are no configs. Conversations with tools have no place in ShareGPT's."""
        for name in formats:
            if name == "openai":
                for tools in ("", "_tools"):
                    self._openai(f"sft{tools}", f"sft{tools}", openai_sft, names)
                    self._openai(f"preference{tools}", f"dpo{tools}", openai_preference, names)
            elif name == "sharegpt":
                with _Lines(self._folder / "sharegpt") as lines:
                    for stored in self._scratch.rows("sft"):
                        place = names[self._place(stored.node)]
                        lines.add(place, {**sharegpt(stored.body), "webchat": self._about(stored, place)})
            elif name == "jsonl":
                with _Lines(self._folder) as lines:
                    for stored, place in self._judgements(names):
                        name = "judgements_tools" if "tools" in stored.body else "judgements"
                        lines.add(name, {**stored.body, "webchat": self._about(stored, place)})
            elif name == "csv":
                self._csv(names)

    def _openai(
        self,
        kind: str,
        config: str,
        shape: Callable[[Mapping[str, Any]], dict[str, Any]],
        names: Mapping[str, str],
    ) -> None:
        with _Lines(self._folder / "openai") as lines:
            for stored in self._scratch.rows(config):
                lines.add(f"{kind}-{names[self._place(stored.node)]}", shape(stored.body))

    def _csv(self, names: Mapping[str, str]) -> None:
        path = self._folder / "judgements.csv"
        # With a byte order mark, without which spreadsheets misread non-ASCII text.
        with path.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for stored, place in self._judgements(names):
                writer.writerow(cells(stored.body, self._about(stored, place)))

    def _judgements(self, names: Mapping[str, str]) -> Iterator[tuple[Stored, str]]:
        for config in ("judgements", "judgements_tools"):
            for stored in self._scratch.rows(config):
                yield stored, names[self._place(stored.node)]

    def _place(self, node: int) -> str:
        return self._places[self._groups.root(node)]

    def _about(self, stored: Stored, split: str) -> dict[str, Any]:
        return {
            **stored.about,
            "group": self._keys[self._groups.root(stored.node)].hex()[:16],
            "split": split,
        }


def _features(line: Mapping[str, object]) -> list[dict[str, Any]]:
    """The columns of a file, as `datasets` has them in the README. It guesses from the first 10 MB, in which
    no message may have a tool call."""
    return [{"name": name, **_feature(value)} for name, value in line.items()]


def _feature(value: object) -> dict[str, Any]:
    if isinstance(value, list):
        return {"list": "json"}
    if isinstance(value, dict):
        return {"struct": _features(value)}
    return {"dtype": {str: "string", bool: "bool", int: "int64"}[type(value)]}


class _Lines:
    """JSONL files of one folder, made when they get their first line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._files: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def add(self, name: str, line: Mapping[str, object]) -> None:
        if name not in self._files:
            self._folder.mkdir(exist_ok=True)
            path = self._folder / f"{name}.jsonl"
            self._files[name] = self._stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))
            self.counts[name] = 0
        self._files[name].write(json.dumps(line, ensure_ascii=False) + "\n")
        self.counts[name] += 1
