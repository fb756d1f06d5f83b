"""What the commands of the command line share."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from errno import ENOSPC
from typing import TYPE_CHECKING, Protocol

from webchat.settings import BadSettings, Loaded, Settings, model_specs

if TYPE_CHECKING:
    from webchat.store import Store


Command = Callable[[Loaded, argparse.Namespace], int | None]


class AddCommand(Protocol):
    """Adds a command with the flags of all settings. into: adds it to a group. own: settings whose flags mean
    something of their own to this command."""

    def __call__(
        self,
        name: str,
        about: str,
        command: Command,
        into: Callable[..., argparse.ArgumentParser] = ...,
        own: Collection[str] = ...,
    ) -> argparse.ArgumentParser: ...


class CommandError(Exception):
    """Ends a command. The message is one sentence for the person at the terminal."""


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The store for one command."""
    from webchat.data_folder import make_data_folder
    from webchat.store import Store

    with known_errors():
        make_data_folder(settings)
        store = Store.open(settings.store_url, backup_dir=settings.data_dir / "backups", serve=False)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def known_errors() -> Iterator[None]:
    """Turn expected errors of the store, a backend or the network into one sentence. Any other exception is a
    bug and keeps its traceback."""
    from backends.errors import BackendError
    from webchat.store import StoreError

    try:
        yield
    except (StoreError, BackendError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        cure = " Free some space, then try again." if error.errno == ENOSPC else ""
        raise CommandError(f"{error.strerror or error}{where}.{cure}") from error


@contextmanager
def interruptible() -> Iterator[None]:
    """Any end from outside is like Ctrl-C inside the block, so that nothing unfinished stays behind."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(one, signal.default_int_handler) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def local_time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def end_time(end: datetime) -> str:
    """When a key or link ends; its last day if that was given as a date."""
    here = end.astimezone()
    return local_time(end) if here.time() > time() else (here - timedelta(microseconds=1)).date().isoformat()


def warn_of_unknown_models(settings: Settings, wanted: Sequence[str]) -> None:
    """A warning about names that no model in the settings has. Nothing is said where an endpoint lists its
    models only when the server asks it, and a name may belong to a model that is added later."""
    from webchat.models.identity import ModelKey

    try:
        specs = model_specs(settings)
    except BadSettings:
        return  # those of the server are elsewhere
    if any(spec.endpoint and not spec.model for spec in specs):
        return
    known = {name for spec in specs for name in (spec.name, spec.model, f"{spec.model} ({spec.name})")}
    unknown = [name for name in wanted if name not in known and ModelKey.parse(name) is None]
    if unknown:
        print(
            f"Warning: the settings have no model {_quoted(unknown, ' or ')}, only"
            f" {_quoted([spec.name for spec in specs], ' and ')}."
            " A name works as soon as the server has a model with it.",
            file=sys.stderr,
        )


def _quoted(names: Sequence[str], last: str) -> str:
    quoted = [f'"{printable(name)}"' for name in names]
    return last.join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def printable(text: str) -> str:
    """A name from elsewhere, without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)
