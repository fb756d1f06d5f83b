"""`webchat user`: the people who sign in."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import TYPE_CHECKING, Any

from backends._plurals import counted
from webchat.commands.terminal import AddCommand, CommandError, local_time, opened, printable
from webchat.settings import Loaded

if TYPE_CHECKING:
    from webchat.store import Store
    from webchat.store.people_records import Person


def add_user_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    about = "Add, list and change the people who sign in."
    user = commands.add_parser("user", help=about, allow_abbrev=False)
    users = user.add_subparsers(title="commands", metavar="command", required=True)
    new = add("add", "Add a person who signs in with a password, which is asked for.", _add, users.add_parser)
    new.add_argument("user", metavar="name", help="the user name")
    option(new, "--operator", action="store_true", help="make this person an operator")
    add("list", "List the people who have signed in or were added.", _list, users.add_parser)
    for name, about, command in (
        ("disable", "Sign a person out everywhere and refuse further sign-ins. Their data stays.", _disable),
        ("enable", "Let a disabled person sign in again.", _enable),
        ("reset", "Give a person a new password, which signs them out everywhere.", _reset),
        ("operator", "Make a person an operator, or a member again.", _operator),
    ):
        made = add(name, about, command, users.add_parser)
        made.add_argument("user", metavar="name", help="the user name, or the id that the list shows")
    made.add_argument("state", choices=("on", "off"), metavar="state", help="on or off")
    about = "Delete a person's account and all their data. This can't be undone."
    made = add("remove", about, _remove, users.add_parser)
    made.add_argument("user", metavar="name", help="the user name, or the id that the list shows")
    option(made, "--yes", action="store_true", help="don't ask for confirmation")


def _add(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.auth.passwords.checking import hash_password, user_name
    from webchat.store import NotFound, PersonExists
    from webchat.store.people_records import PASSWORD_ISSUER

    with _clear_errors():
        subject = user_name(options.user)
    with opened(loaded.settings) as store:
        try:
            store.find_person(PASSWORD_ISSUER, subject)
        except NotFound:
            pass
        else:
            raise PersonExists(subject)
        if "password" not in loaded.settings.sign_in:
            print(
                f"Note: {subject} can sign in once the server is started with --sign-in password.",
                file=sys.stderr,
                flush=True,
            )
        hashed = hash_password(_new_password(subject))
        store.add_person(
            PASSWORD_ISSUER,
            subject,
            options.user.strip(),
            operates=options.operator,
            password_hash=hashed,
        )
    print(f"{subject} is added{' as an operator' if options.operator else ''}.")


def _list(loaded: Loaded, _options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        people = store.people()
    for person in people:
        print(f"{person.owner_id}  {_named(person)}  {_state(person)}")
    if not people:
        print("Nobody yet. Add somebody with: webchat user add NAME", file=sys.stderr)


def _disable(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        person = store.set_disabled(find_person(store, options.user).owner_id, True)
    print(f"{_named(person)} is disabled and signed out everywhere.")


def _enable(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        person = store.set_disabled(find_person(store, options.user).owner_id, False)
    print(f"{_named(person)} can sign in again.")


def _reset(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.auth.passwords.checking import hash_password
    from webchat.store.people_records import PASSWORD_ISSUER

    with opened(loaded.settings) as store:
        person = find_person(store, options.user)
        if person.issuer != PASSWORD_ISSUER:
            raise CommandError(f"{_named(person)} does not sign in with a password of this server.")
        store.set_password(person.owner_id, hash_password(_new_password(person.subject)))
    print(f"{_named(person)} has a new password and is signed out everywhere.")


def _operator(loaded: Loaded, options: argparse.Namespace) -> None:
    operates = options.state == "on"
    with opened(loaded.settings) as store:
        person = store.set_operates(find_person(store, options.user).owner_id, operates)
    print(f"{_named(person)} is {'now an operator' if operates else 'no longer an operator'}.")


def _remove(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.store.verbs.trash import PURGE_DISCARDED

    with opened(loaded.settings) as store:
        person = find_person(store, options.user)
        what = f"{_named(person)}: account, chats and personal prompt templates"
        if not options.yes and not _agreed(f"Delete {what} for good? [y/N] "):
            raise CommandError("nothing was deleted; --yes deletes without asking.")
        deletion = store.remove_person(person.owner_id)
        if not deletion.running:
            store.purge(PURGE_DISCARDED)
    print(f"{_named(person)} is removed, with {counted(deletion.conversations, 'chat')}.")


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def find_person(store: Store, wanted: str) -> Person:
    """The person with this id or user name; of another issuer, with this subject or email, if it is one."""
    from webchat.auth.passwords.checking import UserNameInvalid, user_name
    from webchat.store.people_records import PASSWORD_ISSUER

    try:
        name = user_name(wanted)
    except UserNameInvalid:
        name = ""
    people = store.people()
    for found in (
        [person for person in people if person.owner_id == wanted],
        [person for person in people if (person.issuer, person.subject) == (PASSWORD_ISSUER, name)],
        [person for person in people if wanted in (person.subject, person.email)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise CommandError(f'there are several users "{wanted}"; use an id from webchat user list.')
    raise CommandError(f'there is no user "{wanted}"; webchat user list shows all.')


def _new_password(subject: str) -> str:
    """Asked for twice on a terminal; otherwise the first line of standard input."""
    from webchat.auth.passwords.checking import check_rules

    try:
        if sys.stdin.isatty():
            password = getpass(f"Password for {subject}: ")
            if getpass("Again: ") != password:
                raise CommandError("the two passwords differ; nothing was changed.")
        else:
            password = sys.stdin.readline().rstrip("\r\n")
    except EOFError:
        password = ""
    except UnicodeDecodeError:
        raise CommandError("the password on standard input is not text in this system's encoding.") from None
    if not password:
        raise CommandError("no password was given; type one, or pass it as the first line of standard input.")
    with _clear_errors():
        check_rules(password, subject)
    return password


@contextmanager
def _clear_errors() -> Iterator[None]:
    from webchat.auth.passwords.checking import PasswordError

    try:
        yield
    except PasswordError as error:
        raise CommandError(str(error)) from None


def _named(person: Person) -> str:
    from webchat.store.people_records import PASSWORD_ISSUER

    if person.issuer == PASSWORD_ISSUER:
        return person.subject
    return printable(f"{person.email or person.name} ({person.subject} of {person.issuer})")


def _state(person: Person) -> str:
    parts = ["operator" if person.operates else "member"]
    if person.disabled_at is not None:
        parts.append(f"disabled {local_time(person.disabled_at)}")
    parts.append(f"last seen {local_time(person.seen_at)}" if person.seen_at else "never signed in")
    return ", ".join(parts)
