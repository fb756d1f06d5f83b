"""`webchat link`: tester links, with what their people may use and how much."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from webchat.commands.terminal import (
    AddCommand,
    CommandError,
    end_time,
    local_time,
    opened,
    printable,
    warn_of_unknown_models,
)
from webchat.settings import Loaded, Settings

if TYPE_CHECKING:
    from webchat.sharing import NewLink, TermsContent
    from webchat.store import Store
    from webchat.store.link_records import Link, ListedLink

_COUNTS = {
    "people": "people it admits, or none for no limit, as below",
    "conversations": "chats they can start, all together",
    "messages": "messages they can send, all together",
    "tokens": "tokens models write for them, all together",
    "replies_at_once": "replies they can have written at a time",
    "conversations_each": "chats each of them can start",
    "messages_each": "messages each of them can send",
    "tokens_each": "tokens models write for each of them",
    "retention_days": "days after which a chat without a change is deleted",
}
_NO_LIMIT = "none"


def add_link_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    link = commands.add_parser("link", help="Create, list, change and end tester links.", allow_abbrev=False)
    links = link.add_subparsers(title="commands", metavar="command", required=True)
    new = add("new", "Create a link that lets people in as guests.", _new, links.add_parser)
    new.add_argument("name", help="who it is for")
    option(new, "--expires", default="7d", metavar="WHEN", help="12h, 7d, 2w, 2027-01-31 or never (7d)")
    add("list", "List the links and what was used of each.", _list, links.add_parser)
    change = add("change", "Change a link; what is left out stays as it is.", _change, links.add_parser)
    change.add_argument("link", metavar="name", help="the link's name or id")
    option(change, "--name", metavar="NAME", help="its new name")
    option(change, "--expires", metavar="WHEN", help="12h, 7d, 2w from now, 2027-01-31 or never")
    copy = add("duplicate", "Create another link with the same terms.", _duplicate, links.add_parser)
    copy.add_argument("link", metavar="name", help="the link's name or id")
    option(copy, "--name", metavar="NAME", help="the name of the new one (the same)")
    for one in (new, copy):
        option(one, "--qr", action="store_true", help="show the link as a QR code, too")
    for one in (new, change):
        _add_terms(one, option)
    for name, about, command in (
        ("pause", "Let nobody in by a link, and end its people's replies, until it is resumed.", _pause),
        ("resume", "Let the people of a paused link in again.", _resume),
        ("revoke", "Revoke a link at once, for good.", _revoke),
    ):
        made = add(name, about, command, links.add_parser)
        made.add_argument("link", metavar="name", help="the link's name or id")


def _add_terms(command: argparse.ArgumentParser, option: Callable[..., None]) -> None:
    option(
        command,
        "--models",
        dest="offered",
        metavar="A,B",
        help="the models its people can use (all)",
    )
    option(command, "--blind", action="store_true", help="show the models as Model A, Model B")
    option(command, "--template", metavar="ID", help="the only prompt template or persona, a shared one")
    option(command, "--title", metavar="TEXT", help="what its people read in place of the link's name")
    for name, about in _COUNTS.items():
        option(command, f"--{name.replace('_', '-')}", metavar="N", help=about)
    option(command, "--consent", metavar="TEXT", help="a sentence to accept before the first message")
    option(
        command,
        "--moderation-profile",
        metavar="NAME",
        help="a profile of the rules file, applied in addition to the general rules, or none",
    )
    option(command, "--allow-shares", action="store_true", help="let its people share their chats read-only")
    option(
        command,
        "--training",
        action="store_true",
        help="the consent sentence says that what they write may train models",
    )
    option(command, "--hide-inspect", action="store_true", help="hide what models were sent, and provenance")
    option(
        command, "--hide-system-prompt", action="store_true", help="hide system prompts and other templates"
    )
    option(
        command,
        "--terms",
        metavar="FILE",
        help="all terms from a TOML or JSON file: instructions, opening, questions and the above",
    )


def _new(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.sharing import new_link

    now = datetime.now(UTC).astimezone()
    with opened(loaded.settings) as store, _told():
        made = new_link(store, options.name, options.expires, now, _terms(options), _profiles(loaded))
    _hand_out(loaded, options, made)
    warn_of_unknown_models(loaded.settings, made.link.terms.models)


def _duplicate(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.sharing import duplicate_link

    with opened(loaded.settings) as store, _told():
        made = duplicate_link(store, _found(store, options.link).id, datetime.now(UTC), options.name)
    _hand_out(loaded, options, made)


def _hand_out(loaded: Loaded, options: argparse.Namespace, made: NewLink) -> None:
    address = _address(loaded)
    url = made.url(address)
    print(url)
    if options.qr:
        from webchat.sharing.qr import qr_text

        print(qr_text(url))
    ends = made.link.expires_at
    until = f"It works until {end_time(ends)}." if ends else "It works until revoked."
    print(f"{until} The link is shown only once. Anyone who has it gets in.", file=sys.stderr)
    if Settings(host=urlsplit(address).hostname or "").loopback:
        print(
            "Only this machine can reach this address: start the server with --host or --share, or set"
            " --public-url to the address others use.",
            file=sys.stderr,
        )


def _address(loaded: Loaded) -> str:
    """The server's address for others: from the settings, else the one it last started with."""
    from webchat.data_folder import last_address

    settings = loaded.settings
    said = {"host", "port", "public_url", "root_path"} & loaded.origins.keys()
    return settings.base_url if said else last_address(settings) or settings.base_url


def _list(loaded: Loaded, _options: argparse.Namespace) -> None:
    now, cursor, some = datetime.now(UTC), None, False
    with opened(loaded.settings) as store:
        while True:
            page = store.listed_links(cursor=cursor, limit=200)
            for listed in page.items:
                some = True
                link = listed.link
                print(f"{link.id}  {printable(link.name)}  {_state(link, now)}  {_used(listed)}")
            if (cursor := page.next) is None:
                break
    if not some:
        print("No links yet. Create one with: webchat link new NAME", file=sys.stderr)


def _state(link: Link, now: datetime) -> str:
    match link.end(now):
        case "link_revoked":
            return f"revoked {local_time(link.revoked_at or now)}"
        case "link_expired":
            return f"worked until {end_time(link.expires_at or now)}"
        case "link_paused":
            return f"paused {local_time(link.paused_at or now)}"
    return f"works until {end_time(link.expires_at)}" if link.expires_at else "works until revoked"


def _used(listed: ListedLink) -> str:
    link, terms = listed.link, listed.link.terms
    parts = [
        f"{used}{'' if limit is None else f'/{limit}'} {name}"
        for name, used, limit in (
            ("people", link.uses, terms.people),
            ("chats", link.conversations, terms.conversations),
            ("messages", link.messages, terms.messages),
            ("tokens", link.tokens, terms.tokens),
        )
    ]
    if listed.running:
        parts.append(f"{listed.running} running")
    return ", ".join(parts)


def _change(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.sharing import change_link

    now = datetime.now(UTC).astimezone()
    with opened(loaded.settings) as store, _told():
        terms = _terms(options)
        link = change_link(
            store,
            _found(store, options.link).id,
            now,
            name=options.name,
            lifetime=options.expires,
            terms=terms,
            profiles=_profiles(loaded),
        )
    print(f"The link {printable(link.name)} is changed, from the next request of its people on.")
    warn_of_unknown_models(loaded.settings, terms.models)


def _pause(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        link = store.change_link(_found(store, options.link).id, paused=True)
    print(f"The link {printable(link.name)} is paused. To open it again: webchat link resume {link.id}")


def _resume(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        link = store.change_link(_found(store, options.link).id, paused=False)
    print(f"The link {printable(link.name)} is open again.")


def _revoke(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.store import NotFound

    with opened(loaded.settings) as store:
        try:
            link = store.revoke_link(options.link)
        except NotFound:
            raise _no_link(options.link) from None
    print(f"The link {printable(link.name)} is revoked; its visitors are signed out.")


def _found(store: Store, wanted: str) -> Link:
    """The link with this id, or the only one of this name that is not revoked."""
    links = store.list_links()
    for found in (
        [link for link in links if link.id == wanted],
        [link for link in links if link.name == wanted and link.revoked_at is None],
        [link for link in links if link.name == wanted],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise CommandError(f'there are several links "{wanted}"; use an id from webchat link list.')
    raise _no_link(wanted)


def _no_link(wanted: str) -> CommandError:
    return CommandError(f'there is no link "{wanted}"; webchat link list shows all.')


def _terms(options: argparse.Namespace) -> TermsContent:
    """What the options say; they win over the file."""
    from webchat.sharing import read_terms

    given: dict[str, object] = {} if options.terms is None else dict(_file(Path(options.terms)))
    if options.offered is not None:  # `models` is a setting
        given["models"] = [name.strip() for name in options.offered.split(",") if name.strip()]
    for name in ("template", "title", "consent"):
        if (value := getattr(options, name)) is not None:
            given[name] = value
    if (profile := options.moderation_profile) is not None:
        given["moderation_profile"] = "" if profile == _NO_LIMIT else profile
    for name in _COUNTS:
        if (value := getattr(options, name)) is not None:
            given[name] = _count(name, value)
    for flag, name, value in (
        ("blind", "blind", True),
        ("allow_shares", "shares", True),
        ("training", "training", True),
        ("hide_inspect", "inspect", False),
        ("hide_system_prompt", "system_prompt", False),
    ):
        if getattr(options, flag):
            given[name] = value
    return read_terms(given)


def _profiles(loaded: Loaded) -> Sequence[str]:
    """The names of the moderation profiles in the rules file."""
    from webchat.moderation.rules import BadRules, profile_names

    path = loaded.settings.moderation
    try:
        return () if path is None else profile_names(path)
    except BadRules as error:
        raise CommandError(f"moderation = {error}.") from None


def _count(name: str, text: str) -> int | None:
    if text == _NO_LIMIT:
        return None
    if not (text.isascii() and text.isdigit()):
        flag = name.replace("_", "-")
        raise CommandError(f"--{flag}: {text!r} is neither a number nor {_NO_LIMIT}.")
    return int(text)


def _file(path: Path) -> Mapping[str, object]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise CommandError(f"--terms: {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CommandError(f"--terms: {path} is not valid: {error}.") from None
    if not isinstance(found, dict):
        raise CommandError(f"--terms: {path} does not contain terms by name.")
    return found


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a link in one sentence."""
    from webchat.sharing import BadTerms

    try:
        yield
    except BadTerms as error:
        field, reason = error.params["field"], error.params["reason"]
        flag = f"--{field}" if field == "expires" else str(field)
        raise CommandError(f"{flag}: {reason}.") from None
