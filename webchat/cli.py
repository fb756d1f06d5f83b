"""The command line: `webchat [flags]` serves; each command does one thing and exits.

Heavy packages are imported by the command that needs them, so that a wrong flag is reported at once.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import logging
import os
import re
import sys
import types
from collections.abc import Callable, Collection, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from webchat import __version__
from webchat.commands.attention import add_attention_command
from webchat.commands.backup import add_backup_commands
from webchat.commands.database import add_database_commands
from webchat.commands.discover import discover
from webchat.commands.export import add_export_command
from webchat.commands.finetune import add_finetune_command
from webchat.commands.imports import add_import_command
from webchat.commands.key import add_key_commands
from webchat.commands.link import add_link_commands
from webchat.commands.moderate import add_moderate_command
from webchat.commands.operator import add_operator_commands
from webchat.commands.replay import add_replay_command
from webchat.commands.space import add_space_commands
from webchat.commands.terminal import AddCommand, Command, CommandError, known_errors
from webchat.commands.user import add_user_commands
from webchat.commands.webhook import add_webhook_commands
from webchat.launching import prepare, start
from webchat.settings import BadSettings, Loaded, Settings, load_settings, model_specs
from webchat.settings.load import KNOWN

if TYPE_CHECKING:
    from backends.base import Backend, LoadProgress


def run(argv: Sequence[str]) -> int:
    """Run one command. Returns 0, 2 after a sentence on stderr, 141 if whoever read the output has gone, or a
    code of the command's own."""
    # A command reports the failure itself; a server writes its log to handlers of its own.
    logging.getLogger("webchat.store.database.outage").addHandler(logging.NullHandler())
    try:
        parser = command_parser(argv)
        refuse_unknown_flags(argv, parser)
        options = parser.parse_args(argv)
        flags = {name: value for name, value in vars(options).items() if name in KNOWN}
        code: int = options.command(load_settings(flags), options) or 0
        sys.stdout.flush()
        return code
    except (BadSettings, CommandError) as error:
        print(f"webchat: {error}", file=sys.stderr)
        return 2
    except PermissionError as error:
        print(f"webchat: {error.strerror}: {error.filename}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as of `webchat ... | head`, which ends other programs without a word, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


class _Parser(argparse.ArgumentParser):
    """Reports an error in one sentence instead of printing the usage. serving: the flags without a command,
    and whether each takes a value; known: all flags; commands: their names."""

    serving: dict[str, bool]
    known: set[str]
    commands: Collection[str]

    def error(self, message: str) -> NoReturn:
        if unknown := re.match(r"argument command: invalid choice: '(.*)' \(", message):
            raise CommandError(f"There is no command {unknown[1]}. See {self.prog} --help.")
        raise CommandError(f"{message}. See {self.prog} --help.")


def refuse_unknown_flags(argv: Sequence[str], parser: _Parser) -> None:
    """Runs before argparse, which would take the value of a misspelt flag for a command and complain about
    that. Behind `--` stand another program's flags."""
    known: Collection[str] = parser.serving
    before = ""
    for word in argv[: argv.index("--")] if "--" in argv else argv:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in known:
            close = difflib.get_close_matches(flag, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else "See webchat --help."
            raise CommandError(f"There is no flag {flag}. {hint}")
        if word in parser.commands and not parser.serving.get(before):
            known = parser.known
        before = word


def command_parser(argv: Sequence[str] | None = None) -> _Parser:
    """Every command with its flags; those of the settings only where `argv` may name it, since adding them to
    all takes as long as the rest."""
    shown, serving = _flags()
    flags, known = _hidden(shown), {*serving, "--help"}
    parser = _Parser(
        prog="webchat",
        usage="webchat [flags]\n       webchat command [flags]",
        description="A browser chat app for your own model. Without a command it starts the server.",
        parents=[shown],
        allow_abbrev=False,
    )
    parser.set_defaults(command=_serve)

    def option(of: argparse.ArgumentParser, flag: str, **how: Any) -> None:
        known.update(of.add_argument(flag, **how).option_strings)

    option(
        parser,
        "--discover",
        action="store_true",
        help="find model servers on this machine (loopback only), print how to use each, and exit",
    )
    option(parser, "--version", action="version", version=f"webchat {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", prog="webchat")

    def add(
        name: str,
        about: str,
        command: Command,
        into: Callable[..., argparse.ArgumentParser] = commands.add_parser,
        own: Collection[str] = (),
    ) -> argparse.ArgumentParser:
        """own: settings whose flags mean something of its own to this command."""
        of_settings = _hidden(shown, own) if own else flags
        made = into(
            name,
            help=about,
            description=about,
            epilog="The flags of all settings, such as --data-dir, work here too: see webchat --help.",
            parents=[of_settings] if argv is None or name in argv else [],
            allow_abbrev=False,
        )
        made.set_defaults(command=command)
        return made

    add("settings", "Print the effective settings and their sources.", _settings)
    add("setup", "Fetch and prepare the embedded model.", _setup)
    _add_bench(add, option)
    _add_doctor(add, option)
    add_link_commands(commands, add, option)
    add_key_commands(commands, add, option)
    add_webhook_commands(commands, add, option)
    add_user_commands(commands, add, option)
    add_export_command(add, option)
    add_import_command(add, option)
    add_moderate_command(add, option)
    add_backup_commands(add, option)
    add_database_commands(commands, add, option)
    add_finetune_command(add, option)
    add_attention_command(add, option)
    add_replay_command(add, option)
    add_operator_commands(commands, add, option)
    add_space_commands(commands, add, option)
    parser.known, parser.commands = known, commands.choices
    parser.serving = {**serving, **dict.fromkeys(("--help", "--version", "--discover"), False)}
    return parser


def _add_bench(add: AddCommand, option: Callable[..., None]) -> None:
    bench = add("bench", "Measure the model's speed with several concurrent users.", _bench)
    for flag, default, about in (
        ("--users", "1,2,4,8", "numbers of concurrent users (1,2,4,8)"),
        ("--tokens", "128", "tokens per reply (128)"),
        ("--prompt-tokens", "256", "approximate tokens in the first message (256)"),
        ("--turns", "2", "messages per user, one after another (2)"),
        ("--rounds", "1", "runs per measurement; the median is reported (1)"),
    ):
        option(bench, flag, default=default, metavar="N", help=about)
    option(bench, "--no-baseline", action="store_true", help="skip the baseline of sequential requests")
    option(bench, "--json", metavar="FILE", help="write all results as JSON; - for the terminal")
    option(bench, "--plot", metavar="FILE", help="draw a plot as a PNG")


def _add_doctor(add: AddCommand, option: Callable[..., None]) -> None:
    doctor = add(
        "doctor",
        "Check this machine and what the settings name: memory, GPU, disk, database, models, endpoints,"
        " proxy, clock, and which models would fit. Exits with 0 if all is well, 1 with warnings, 2 with"
        " errors.",
        _doctor,
    )
    option(
        doctor,
        "--forget",
        action="store_true",
        help="first clear the record of features that endpoints rejected",
    )
    option(doctor, "--json", action="store_true", help="print one JSON object")
    option(
        doctor,
        "--quick",
        action="store_true",
        help="leave out what takes seconds or costs tokens: replies of endpoints, the stream through the"
        " public address, the whole database, memory bandwidth",
    )


def _flags() -> tuple[argparse.ArgumentParser, dict[str, bool]]:
    """A flag for each setting that has one, and whether it takes a value. Values are validated with all other
    sources, not here."""
    from webchat.settings.load import flag_of
    from webchat.settings.table import field_order

    flags = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = flags.add_argument_group("settings (see `webchat settings` and deploy/settings.md)")
    taking: dict[str, bool] = {}
    for name in field_order():
        info, flag = Settings.model_fields[name], flag_of(name)
        if not flag:
            continue
        about = (info.description or "").replace("%", "%%")
        if switch := info.annotation is bool:
            made = group.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, help=about)
        else:
            made = group.add_argument(flag, dest=name, metavar=_value(name, info.annotation), help=about)
        taking |= dict.fromkeys(made.option_strings, not switch)
    group.add_argument("--access", help=argparse.SUPPRESS)
    return flags, {**taking, "--access": True}


def _value(name: str, of: object) -> str:
    """What stands for a setting's value in the help."""
    if get_origin(of) in (Union, types.UnionType, Annotated):
        return _value(name, get_args(of)[0])
    if get_origin(of) is Literal:
        return "|".join(get_args(of))
    if get_origin(of) is tuple:
        return "A,B"
    if of in (int, float):
        return "N"
    if of is Path:
        return "DIR" if name.endswith(("dir", "home")) else "FILE"
    return name.rpartition("_")[2].upper()


def _hidden(flags: argparse.ArgumentParser, but: Collection[str] = ()) -> argparse.ArgumentParser:
    """The same flags, but these: they work, and would bury a command's own ones in its help."""
    hidden = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for action in flags._actions:
        if action.dest not in but:
            unseen = copy(action)
            unseen.help = argparse.SUPPRESS
            hidden._add_action(unseen)
    return hidden


def _serve(loaded: Loaded, options: argparse.Namespace) -> None:
    if options.discover:
        print(discover())
        return
    for note in loaded.notes:
        print(f"webchat: {note}", file=sys.stderr)
    prepare(loaded.settings)  # before `known_errors` imports anything heavy
    with known_errors():
        start(loaded.settings)


def _settings(loaded: Loaded, _options: argparse.Namespace) -> None:
    from webchat.settings.table import effective

    print("\n".join(effective(loaded)))


def _doctor(loaded: Loaded, options: argparse.Namespace) -> int:
    from webchat.doctor import Finding, Patient, as_json, as_text, examine, exit_code, forget
    from webchat.functions import configured_functions
    from webchat.models import ModelSpec, create_backend

    def create(spec: ModelSpec) -> Backend:
        return configured_functions([spec]).get(spec.name) or create_backend(spec)

    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        if not options.json:
            print(as_text(finding), flush=True)

    async def run() -> None:
        async for finding in examine(Patient(loaded.settings, __version__, create, quick=options.quick)):
            tell(finding)

    if options.forget:
        tell(forget(loaded.settings))
    for note in loaded.notes:
        tell(Finding("machine", "note", "setting", text=note))
    asyncio.run(run())
    if options.json:
        print(as_json(found))
    return exit_code(found)


def _bench(loaded: Loaded, options: argparse.Namespace) -> None:
    prepare(loaded.settings)
    from webchat.bench.command import BadPlan, run

    with known_errors():
        try:
            run(loaded.settings, vars(options))
        except BadPlan as error:
            raise CommandError(f"{error}.") from None


def _setup(loaded: Loaded, _options: argparse.Namespace) -> None:
    if not any(spec.demo for spec in model_specs(loaded.settings)):
        return  # models of one's own are fetched or loaded when they are first asked
    from backends.llamacpp.demo import demo_model

    with known_errors():
        demo_model(loaded.settings.demo_dir, _ProgressLine("Embedded model"))


class _ProgressLine:
    """A line that is overwritten on a terminal; in a log, one line per phase."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = ""
        self._rewrites = sys.stderr.isatty()

    def __call__(self, progress: LoadProgress) -> None:
        text = f"{self._title}: {progress.phase}"
        whole = progress.done is not None and progress.done == progress.total
        if self._rewrites and progress.done is not None and progress.total:
            share = progress.done * 100 // progress.total
            text += f" {share} %, {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB"
        if text != self._shown:
            ends = "\r" if self._rewrites and not whole else "\n"
            print(f"{text:<72}" if self._rewrites else text, end=ends, file=sys.stderr, flush=True)
            self._shown = text
