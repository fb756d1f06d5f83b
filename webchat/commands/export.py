"""`webchat export`: accepted judgements as files that trainers load."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, opened, printable
from webchat.settings import Loaded, Settings

if TYPE_CHECKING:
    from webchat.feedback.datasets import Chosen, Exported, ExportOptions
    from webchat.store import Store
    from webchat.store.judgement_records import Comparison, Judgement

_TOLD_EVERY = 1_000
_RATINGS = {"good": 1, "bad": -1}
_NOTES = {
    "no_rows": "No row could be made: nothing accepted in the review matches, or all of it was left out.",
    "no_test": "There is no test split: all of it belongs to one group.",
}


def add_export_command(add: AddCommand, option: Callable[..., None]) -> None:
    """option: adds a flag to a command."""
    about = "Write accepted judgements and votes as files that trainers load."
    export = add("export", about, _export)
    export.add_argument("folder", help="where to write; an earlier export there is replaced")
    formats = "trl, messages, jsonl, openai, sharegpt, csv, parquet (trl)"
    option(export, "--format", default="trl", metavar="A,B", help=formats)
    option(export, "--of-model", metavar="NAME", help="only replies of this model")
    option(export, "--link", metavar="NAME", help="only what people of this tester link judged")
    option(export, "--template", metavar="ID", help="only replies with this prompt template")
    option(export, "--since", metavar="DATE", help="only judgements from this day on, such as 2027-01-31")
    option(export, "--until", metavar="DATE", help="only judgements until this day")
    option(export, "--rating", choices=(*_RATINGS,), metavar="THUMB", help="only good or only bad ones")
    option(export, "--reason", action="append", metavar="KEY", help="only with this reason; may be repeated")
    option(export, "--mask", action="store_true", help="replace personal data by placeholders")
    option(export, "--keep-reasoning", action="store_true", help="keep models' reasoning between tags")
    option(
        export,
        "--by",
        choices=("person", "conversation"),
        default="person",
        metavar="WHAT",
        help="what train and test never share: person or conversation (person)",
    )
    option(export, "--folds", metavar="K", help="write K folds for cross-validation, not train and test")
    option(export, "--salt", default="", metavar="TEXT", help="of the hashes that decide what is held out")
    option(export, "--licence", metavar="ID", help="the data's licence, such as cc-by-4.0, for its card")


def _export(loaded: Loaded, options: argparse.Namespace) -> None:
    folder, wanted = Path(options.folder).expanduser().absolute(), _wanted(options)
    _tell(written(loaded.settings, folder, wanted, _chosen(options)), options)


def written(settings: Settings, folder: Path, wanted: ExportOptions, chosen: Chosen) -> Exported:
    """Write an export. Raises CommandError."""
    from webchat.feedback.datasets import write_dataset

    with opened(settings) as store, _clear_errors():
        return write_dataset(folder, chosen.of(_told(_records(store))), wanted)


def _told(records: Iterable[Judgement | Comparison]) -> Iterator[Judgement | Comparison]:
    """Says now and then how many were read: many take minutes."""
    for count, one in enumerate(records, 1):
        if count % _TOLD_EVERY == 0:
            print(f"{count:,} read", file=sys.stderr, flush=True)
        yield one


def _records(store: Store) -> Iterator[Judgement | Comparison]:
    yield from store.usable()
    yield from store.usable_comparisons()


def _wanted(options: argparse.Namespace) -> ExportOptions:
    from webchat.feedback.datasets import FORMATS, ExportOptions

    named = [name.strip() for name in options.format.split(",")]
    for name in named:
        if name not in FORMATS:
            raise CommandError(f'--format: "{printable(name)}" is none of {", ".join(FORMATS)}.')
    return ExportOptions(
        formats=tuple(name for name in FORMATS if name in named),
        by=options.by,
        folds=_folds(options.folds),
        salt=options.salt,
        licence=options.licence or "unknown",
        mask=_masking() if options.mask else None,
        reasoning=options.keep_reasoning,
    )


def _masking() -> Any:
    from webchat.privacy import Finder, mask_texts

    finder = Finder()
    return lambda texts: mask_texts(texts, finder)


def _folds(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and 2 <= int(text) <= 100):
        raise CommandError(f"--folds: {text!r} is not a number from 2 to 100.")
    return int(text)


def _chosen(options: argparse.Namespace) -> Chosen:
    from webchat.feedback.datasets import Chosen

    until = day_of("--until", options.until)
    return Chosen(
        model=options.of_model or "",
        link=options.link or "",
        template=options.template or "",
        since=day_of("--since", options.since),
        before=until and until + timedelta(days=1),
        rating=_RATINGS.get(options.rating),
        reasons=frozenset(options.reason or ()),
    )


def day_of(flag: str, text: str | None) -> datetime | None:
    """The first moment of a day here. Raises CommandError."""
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time()).astimezone()
    except ValueError:
        raise CommandError(f"{flag}: {text!r} is not a date such as 2027-01-31.") from None


@contextmanager
def _clear_errors() -> Iterator[None]:
    from webchat.feedback.datasets import ExportError
    from webchat.feedback.extras import ExtraMissing

    try:
        yield
    except (ExportError, ExtraMissing) as error:
        raise CommandError(str(error)) from None


def _tell(found: Exported, options: argparse.Namespace) -> None:
    from webchat.feedback.datasets import LEFT_OUT

    for config, rows in found.rows.items():
        print(f"{config}: {', '.join(f'{count} {name}' for name, count in rows.items())}")
    for key, count in found.left_out.items():
        print(f"left out: {count}, {LEFT_OUT[key]}", file=sys.stderr)
    for note in found.notes:
        if note in _NOTES:
            print(_NOTES[note], file=sys.stderr)
    if "one_group" in found.notes and found.people and options.by == "person":
        print(
            f"One group of people whose conversations or words are related has {found.largest:.0%} of the"
            " judgements. For smaller groups, split by conversation: --by conversation",
            file=sys.stderr,
        )
    if not options.licence:
        print("The card says that the licence is unknown; say it with --licence.", file=sys.stderr)
    records = counted(found.records, "judgement or comparison", "judgements and comparisons")
    print(
        f"Written to {printable(str(found.folder))}, from {records} of"
        f" {counted(found.people, 'person', 'people')}. README.md describes the files."
    )
