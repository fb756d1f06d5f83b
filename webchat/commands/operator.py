"""`webchat operator`: who operates, and the chats made without a link."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, local_time, opened, printable
from webchat.settings import Loaded


def add_operator_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    about = "List and revoke operators; move chats to them and back."
    operator = commands.add_parser("operator", help=about, allow_abbrev=False)
    operators = operator.add_subparsers(title="commands", metavar="command", required=True)
    about = "List the operators: who opened the operator's link, and people who sign in."
    add("list", about, _list, operators.add_parser)
    revoke = add("revoke", "Make an operator a visitor or member, at once.", _revoke, operators.add_parser)
    revoke.add_argument("operator", metavar="id", help="the operator's id, or all")
    move = add(
        "move-chats",
        "Move the chats made on this machine without a link to an operator, or back.",
        _move_chats,
        operators.add_parser,
    )
    move.add_argument("operator", metavar="id", help="the operator's id")
    option(
        move, "--back", action="store_true", help="move them from the operator back to starts without a link"
    )


def _list(loaded: Loaded, _options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        operators = store.operators()
        chats = store.count_chats("operator")
        without_link = sum(store.count_chats("local").values())
    for operator in operators:
        has = counted(chats.get(operator.id, 0), "chat")
        created = f"account created {local_time(operator.created_at)}"
        print(f"{operator.id}  {printable(operator.name)}  {created}  {has}")
    if not operators:
        print(
            "Nobody has opened the operator's link yet; the server prints it when it starts.", file=sys.stderr
        )
    if without_link:
        print(
            f"{counted(without_link, 'chat')} made without a link. To move them to an operator:"
            " webchat operator move-chats ID",
            file=sys.stderr,
        )


def _move_chats(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.store import NotFound

    wanted, back = options.operator, options.back
    with opened(loaded.settings) as store:
        local = store.local_owner().id
        try:
            moved = store.move_chats(local, wanted) if back else store.move_chats(wanted, local)
        except NotFound:
            raise _no_operator(wanted) from None
    print(f"{counted(moved, 'chat')} moved.")


def _no_operator(wanted: str) -> CommandError:
    return CommandError(f'there is no operator "{wanted}"; webchat operator list shows all.')


def _revoke(loaded: Loaded, options: argparse.Namespace) -> None:
    wanted = options.operator
    with opened(loaded.settings) as store:
        count = store.revoke_operators(None if wanted == "all" else wanted)
    if not count and wanted != "all":
        raise _no_operator(wanted)
    print(
        f"{counted(count, 'operator')} revoked. They cannot sign in with the same link again."
        " The server prints a new one at its next start."
    )
