"""`webchat moderate`: runs today's rules over what is stored."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from backends._plurals import counted
from webchat.commands.export import day_of
from webchat.commands.terminal import AddCommand, CommandError, opened, printable
from webchat.commands.user import find_person
from webchat.settings import Loaded

if TYPE_CHECKING:
    from webchat.moderation.stored import At, Looked
    from webchat.store import Store
    from webchat.store.decision_records import StoredWanted

_SHOWN_CHARS = 200


def add_moderate_command(add: AddCommand, option: Callable[..., None]) -> None:
    """option: adds a flag to a command."""
    about = "Run the rules of the stage stored over what is stored; without --apply, only say what they find."
    made = add("moderate", about, _moderate)
    option(
        made,
        "--stored",
        action="store_true",
        required=True,
        help="what is stored: messages, titles, system prompts, comments, better answers, shares",
    )
    option(made, "--apply", action="store_true", help="change what they mask, replace or block, and log it")
    option(made, "--since", metavar="DATE", help="only what was written from this day on, such as 2027-01-31")
    option(made, "--link", metavar="NAME", help="only of people of this tester link (its name or id)")
    option(made, "--person", metavar="NAME", help="only of this person: a user name, or an owner's id")
    option(made, "--rule", metavar="NAME", help="only this rule, by its name in the rules file")
    option(made, "--content", action="store_true", help="show the beginning of the texts that are listed")
    option(made, "--after", metavar="PLACE", help="continue at the place that a stopped run printed")


def _moderate(loaded: Loaded, options: argparse.Namespace) -> int:
    from webchat.moderation.stored import At, at

    begin = At() if options.after is None else at(options.after)
    if begin is None:
        raise CommandError(f'--after: "{printable(options.after)}" is no place that a run has named.')
    reached = [begin]
    with opened(loaded.settings) as store:
        wanted = _wanted(store, options)
        try:
            looked = asyncio.run(_look(loaded, store, wanted, options, reached))
        except KeyboardInterrupt:
            told = f"Stopped. To go on, add: --after {reached[0]}"
            raise CommandError(told) from None
        if options.apply:
            store.index_owed()
    _report(looked, options)
    return 1 if looked.unchecked else 0


def _wanted(store: Store, options: argparse.Namespace) -> StoredWanted:
    from webchat.store.decision_records import StoredWanted

    return StoredWanted(
        day_of("--since", options.since),
        None if options.link is None else _link(store, options.link),
        None if options.person is None else _person(store, options.person),
    )


def _link(store: Store, wanted: str) -> str:
    found = [link.id for link in store.list_links() if wanted in (link.id, link.name)]
    if len(found) != 1:
        many = "are several links" if found else "is no link"
        raise CommandError(f'there {many} "{printable(wanted)}"; use an id from webchat link list.')
    return found[0]


def _person(store: Store, wanted: str) -> str:
    from webchat.store import NotFound

    try:
        return store.owner(wanted).id
    except NotFound:
        return find_person(store, wanted).owner_id


async def _look(
    loaded: Loaded, store: Store, wanted: StoredWanted, options: argparse.Namespace, reached: list[At]
) -> Looked:
    """reached: its only item is the place to go on at."""
    from webchat.engine import moderating
    from webchat.moderation import Moderation
    from webchat.moderation.stored import StoredTexts, only

    def tell(place: At, looked: Looked) -> None:
        reached[0] = place
        if sys.stderr.isatty():
            text = f"\r{counted(looked.texts, 'text')}, at {place}"
            print(f"{text:<72}", end="", file=sys.stderr, flush=True)

    async with moderating(loaded.settings, store) as (gates, _models):
        if not isinstance(gates, Moderation):
            raise CommandError("there are no rules: name their file with --moderation.")
        try:
            rules = gates if options.rule is None else only(gates, options.rule)
        except KeyError:
            names = ", ".join(one.name for one in gates.every if one.name != "tidy")
            raise CommandError(f'--rule: "{printable(options.rule)}" is none of {names}.') from None
        try:
            looked = await StoredTexts(store, rules, apply=options.apply).look(wanted, reached[0], tell)
        finally:
            if rules is not gates:
                await rules.aclose()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return looked


def _report(looked: Looked, options: argparse.Namespace) -> None:
    for (rule, action), count in sorted(looked.acted.items()):
        print(f"{printable(rule)}  {action}  {count}")
        for place in looked.examples[rule, action]:
            where = place.message_id or place.conversation_id or place.owner_id
            shown = f"  {printable(place.text[:_SHOWN_CHARS])}" if options.content else ""
            print(f"  {where}  {place.kind} {place.column}{shown}")
    did = "changed" if options.apply else "to change"
    print(f"Looked at {counted(looked.texts, 'text')}; {did}: {looked.changed}.")
    if looked.changed and not options.apply:
        print("Nothing was changed. To change them, add --apply.", file=sys.stderr)
    if looked.unchecked:
        print(
            f"Texts that could not be checked, and stay as they are: {looked.unchecked}. See the log, and run"
            " this again.",
            file=sys.stderr,
        )
