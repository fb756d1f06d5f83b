"""The commands `webchat space build` and `webchat space push`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backends._plurals import counted
from webchat.commands.space.carried import Carried, carried
from webchat.commands.space.folder import build, files_in
from webchat.commands.space.kinds import KINDS, Kind, kind_for
from webchat.commands.terminal import AddCommand, CommandError, known_errors
from webchat.settings import BadSettings, Loaded, model_specs
from webchat.settings.model import ModelSettings
from webchat.settings.places import wrong_place

TITLE = "webchat"


def add_space_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    space = commands.add_parser("space", help="Make a Hugging Face Space of this app.", allow_abbrev=False)
    spaces = space.add_subparsers(title="commands", metavar="command", required=True)
    making = add("build", "Write a Space with the current settings into a folder.", _build, spaces.add_parser)
    making.add_argument(
        "folder", metavar="dir", help="new, empty, a clone of a Space, or one written earlier"
    )
    pushing = add(
        "push",
        "Create or update a Space on Hugging Face with the current settings.",
        _push,
        spaces.add_parser,
    )
    pushing.add_argument("space", metavar="owner/name", help="the Space")
    kinds = "; ".join(f"{kind.name}: {kind.about}" for kind in KINDS.values())
    for command in (making, pushing):
        option(command, "--kind", metavar="KIND", help=f"{kinds} (default: what the models need)")
        option(command, "--title", default=TITLE, metavar="TITLE", help=f"the Space's title ({TITLE})")
    option(pushing, "--public", action="store_true", help="create it public; it is private without this")
    option(pushing, "--hardware", metavar="NAME", help="such as cpu-upgrade or l4x1 (default: the kind's)")
    option(
        pushing,
        "--bucket",
        metavar="OWNER/NAME",
        help="keep snapshots in this storage bucket, which is mounted",
    )
    option(pushing, "--sleep-after", metavar="MINUTES", help="minutes without visitors until it sleeps")
    option(
        pushing,
        "--variable",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="also set this variable",
    )
    option(pushing, "--secret", action="append", default=[], metavar="NAME", help="also set this secret, from"
           " the environment or .env")  # fmt: skip
    option(pushing, "--yes", action="store_true", help="don't ask")


def _build(loaded: Loaded, options: argparse.Namespace) -> None:
    kind, found = _chosen(loaded, options)
    folder = Path(options.folder).expanduser()
    with known_errors():
        build(folder, kind, loaded.settings, found, options.title)
    print(f"The Space ({kind.name}) is in {folder}: {counted(sum(1 for _ in files_in(folder)), 'file')}.")
    if found.secrets:
        print(f"Set these secrets in the Space's settings: {', '.join(sorted(found.secrets))}.")
    print("Upload it with `webchat space push OWNER/NAME`, or commit and push this folder with Git LFS.")


def _push(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.commands.space.hub import BUCKET, SNAPSHOTS, Hub, Plan, check_name

    kind, found = _chosen(loaded, options)
    check_name(options.space)
    secrets, variables = _secrets(options.secret), _variables(options.variable)
    sleep_after = _minutes(options.sleep_after)
    hub = Hub(loaded.settings.hf_token)
    if options.bucket:
        found.values["snapshots"] = BUCKET
    # As a variable, which an update without it leaves: a Space that no longer begins with its snapshots would
    # lose what was said.
    if place := found.values.get("snapshots"):
        variables = {SNAPSHOTS: place} | variables
    elif place := hub.variable(options.space, SNAPSHOTS):
        found.values["snapshots"] = place
    with tempfile.TemporaryDirectory(prefix="webchat-space-") as made, known_errors():
        folder = Path(made) / "space"
        build(folder, kind, loaded.settings, found, options.title)
        plan = Plan(
            options.space,
            kind,
            folder,
            secrets={**found.secrets, **secrets},
            variables=variables,
            private=not options.public,
            hardware=options.hardware,
            sleep_after=sleep_after,
            bucket=options.bucket,
        )
        for line in hub.told(plan):
            print(line)
        if not options.yes:
            _ask()
        print(f"{hub.push(plan)}")


def _chosen(loaded: Loaded, options: argparse.Namespace) -> tuple[Kind, Carried]:
    """The kind, and the settings as a Space has them. Raises `CommandError`."""
    kind = kind_for(_models(loaded), options.kind)
    return kind, carried(loaded, kind)


def _models(loaded: Loaded) -> tuple[ModelSettings, ...]:
    """The models that the settings name; those that were trained here stay here."""
    named = loaded.settings.model_copy(update={"data_dir": Path("/nonexistent")})
    if not (named.model or named.endpoint or named.function or named.models):
        return ()
    try:
        specs = model_specs(named)
    except BadSettings as error:
        raise CommandError(str(error)) from None
    if wrong := next(filter(None, map(wrong_place, specs)), None):
        raise CommandError(wrong[0].upper() + wrong[1:])
    return specs


def _ask() -> None:
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask at; add --yes to go ahead.")
    if input("Go ahead? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")


def _secrets(names: list[str]) -> dict[str, str]:
    from webchat.settings import variable

    found = {name: variable(name) or "" for name in names}
    if missing := [name for name, value in found.items() if not value]:
        raise CommandError(f"The secret {missing[0]} has no value: set the variable {missing[0]} here first.")
    return found


def _variables(given: list[str]) -> dict[str, str]:
    if wrong := [one for one in given if "=" not in one.strip("=")]:
        raise CommandError(f"--variable {wrong[0]} is not NAME=VALUE.")
    return {name: value for name, _, value in (one.partition("=") for one in given)}


def _minutes(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise CommandError("--sleep-after takes a whole number of minutes from 1.")
    return int(text)
