"""A folder that is a dataset."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from webchat.feedback.datasets.card import Facts, card
from webchat.feedback.datasets.counting import Counts, about_tokens
from webchat.feedback.datasets.files import Files
from webchat.feedback.datasets.groups import Groups
from webchat.feedback.datasets.options import LARGEST, Exported, ExportError, ExportOptions, NoteKey
from webchat.feedback.datasets.own_words import own_words
from webchat.feedback.datasets.parquet import to_parquet
from webchat.feedback.datasets.rows import Rows, about, cleaned, refused, sides
from webchat.feedback.datasets.scratch import Scratch
from webchat.feedback.datasets.splits import TEST, TRAIN, fold, split
from webchat.feedback.datasets.suggested import suggested
from webchat.feedback.extras import ExtraMissing
from webchat.feedback.results.agreement import Agreement, agreement
from webchat.store.judgement_records import Comparison, Judgement

MARK = "webchat-export.json"
"""By this file a folder is known as an export that may be replaced; it has the salt, and who was held out."""

_VERSION = 1
_TRAINED = ("sft", "dpo", "kto", "reward", "grpo")

Record = Judgement | Comparison


def write_dataset(folder: Path, source: Iterable[Record], options: ExportOptions) -> Exported:
    """Write a dataset, in place of an earlier one of this name; until it is complete, that one stays.

    source: judgements and comparisons, read once. What it may hold that must not be exported is left out and
    counted. Takes long and blocks: call it in a thread. Memory grows by a few bytes for each record.

    Only this user can read it. Raises ExportError, ExtraMissing, OSError.
    """
    place = folder.resolve()  # what a link leads to is replaced, or the old data would stay there
    earlier = _earlier(place)
    options = replace(options, salt=options.salt or earlier.get("salt") or secrets.token_hex(8))
    part = place.with_name(f".{place.name}.part")
    part.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(part / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise ExportError(f"Another export to {folder} is running; wait for it.") from None
    try:
        _clear(part)
        with ExitStack() as stack:
            stack.callback((part / "lock").unlink, missing_ok=True)
            stack.callback(lock.release)
            scratch = Scratch(part / "scratch.sqlite", options.salt)
            stack.callback((part / "scratch.sqlite").unlink)
            stack.callback(scratch.close)
            export = _Export(part, scratch, options)
            export.read(source)
            written = export.write(earlier)
        _replace(place, part)
    except BaseException:
        lock.release()
        shutil.rmtree(part, ignore_errors=True)
        raise
    return replace(written, folder=folder)


def _clear(part: Path) -> None:
    """Delete what an export that was killed left behind."""
    for path in part.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "lock":
            path.unlink()


def _earlier(folder: Path) -> Mapping[str, Any]:
    """What is known of the export that is replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return {}
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("splits"), dict):
        raise ExportError(f"{folder} exists and is no export of webchat; choose another name.")
    return found


def _replace(folder: Path, part: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    with suppress(FileNotFoundError):
        shutil.rmtree(old)
    with suppress(FileNotFoundError):
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        with suppress(FileNotFoundError):
            old.rename(folder)
        raise
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(old)
    except OSError as error:
        raise ExportError(
            f"The export is complete, but the earlier one could not be removed ({error.strerror});"
            f" delete {old}."
        ) from None


class _Export:
    def __init__(self, folder: Path, scratch: Scratch, options: ExportOptions) -> None:
        self._folder = folder
        self._scratch = scratch
        self._options = options
        self._groups = Groups(scratch.connection, options.salt, by_person=options.by == "person")
        self._counts = Counts()
        self._configs = {*(_TRAINED if {"trl", "parquet"} & set(options.formats) else ())}
        self._configs |= {"messages"} & set(options.formats)
        kept = {"openai": {"sft", "dpo"}, "sharegpt": {"sft"}, "jsonl": {"judgements"}, "csv": {"judgements"}}
        self._kept = self._configs.union(*(kept.get(name, ()) for name in options.formats))

    def read(self, source: Iterable[Record]) -> None:
        for one in source:
            if reason := refused(one):
                self._counts.left_out[reason] += 1
            else:
                self._add(one)
        self._scratch.add_versions(about_tokens)

    def _add(self, one: Record) -> None:
        options, counts = self._options, self._counts
        texts = cleaned(one, reasoning=options.reasoning, mask=options.mask)
        if options.mask is not None:
            counts.hidden += texts != cleaned(one, reasoning=options.reasoning, mask=None)
        words = dict.fromkeys(text for side in sides(one) for text in own_words(side.prompt, suggested()))
        # Of the chat's person: what they wrote must not be on both sides of the split, whoever reviewed it.
        node = self._groups.add(one.author_id, one.conversation_id, words)
        counts.add(one, texts)
        if isinstance(one, Judgement) and one.rating:
            self._scratch.rate(one.owner_id, one.message_id, one.rating)
        hashed = self._groups.hashed
        rows = Rows(
            one,
            texts,
            about(one, hashed("person", one.author_id), hashed("conversation", one.conversation_id)),
        )
        for row in rows.all():
            # Pairs of versions are made of rows for KTO.
            wanted = row.config in self._kept or (row.config == "kto" and "dpo" in self._kept)
            if wanted and not self._scratch.add(row, node, about_tokens(row.text)) and row.config == "sft":
                counts.left_out["same_reply"] += 1
        counts.left_out.update(rows.left_out)

    def write(self, earlier: Mapping[str, Any]) -> Exported:
        options, groups = self._options, self._groups.roots()
        before = earlier.get("splits", {}) if earlier.get("by") == options.by else {}
        if options.folds:
            places = fold(groups, options.salt, options.folds)
        else:
            places = split(groups, options.salt, options.share, before)
        files = Files(
            self._folder, self._scratch, self._groups, places, {r: g.key for r, g in groups.items()}
        )
        names = files.names(options.folds)
        rows: dict[str, dict[str, int]] = {}
        for config in self._scratch.configs():
            if config.removesuffix("_tools") in self._configs:
                rows[config] = files.config(config, names, self._counts)
        extension = "jsonl"
        if "parquet" in options.formats:
            to_parquet(self._folder, rows)
            if "trl" not in options.formats and "messages" not in options.formats:
                for config, written in rows.items():
                    for name in written:
                        (self._folder / config / f"{name}.jsonl").unlink()
                extension = "parquet"
        files.others(options.formats, names)
        total = sum(group.records for group in groups.values())
        largest = max((group.records for group in groups.values()), default=0) / max(total, 1)
        facts = Facts(
            options=options,
            counts=self._counts,
            rows=rows,
            files=dict(_configs(rows, options.folds, extension)),
            features=files.features,
            people=self._groups.people,
            conversations=self._groups.conversations,
            texts=self._groups.texts,
            repeated=self._groups.repeated,
            similar=self._groups.similar,
            groups=len(groups),
            largest=largest,
            notes=_notes(set(places.values()), total, largest, options),
            agreement=self._agreement(),
        )
        (self._folder / "README.md").write_text(card(facts), encoding="utf-8", errors="replace")
        anchors = (
            {} if options.folds else {one: places[root] for root, g in groups.items() for one in g.anchors}
        )
        mark = {"version": _VERSION, "salt": options.salt, "by": options.by, "splits": anchors}
        (self._folder / MARK).write_text(json.dumps(mark), encoding="utf-8")
        return Exported(
            folder=self._folder,
            rows=rows,
            records=total,
            people=facts.people,
            salt=options.salt,
            notes=tuple(facts.notes),
            left_out=dict(+self._counts.left_out),
            largest=largest,
        )

    def _agreement(self) -> Agreement | None:
        try:
            return agreement(self._scratch.rated())
        except ExtraMissing:
            return None


def _notes(places: set[str], total: int, largest: float, options: ExportOptions) -> list[NoteKey]:
    if not total:
        return ["no_rows"]
    notes: list[NoteKey] = []
    if not options.folds and TEST not in places:
        notes.append("no_test")
    if largest > LARGEST:
        notes.append("one_group")
    return notes


def _configs(
    rows: Mapping[str, Mapping[str, int]], folds: int, extension: str
) -> Iterator[tuple[str, Mapping[str, list[str]]]]:
    """The configs of a dataset: their files by split."""
    for config, written in rows.items():
        paths = {name: f"{config}/{name}.{extension}" for name, count in written.items() if count}
        if not folds:
            yield config, {name: [path] for name, path in paths.items()}
            continue
        for name, path in paths.items():
            others = [one for one in paths.values() if one != path]
            if others:
                yield f"{config}_{name.replace('-', '')}", {TRAIN: others, TEST: [path]}
