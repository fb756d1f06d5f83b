"""`webchat key`: keys with which programs use the server for a person."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from webchat.commands.terminal import (
    AddCommand,
    CommandError,
    end_time,
    local_time,
    opened,
    printable,
    warn_of_unknown_models,
)
from webchat.commands.user import find_person
from webchat.settings import Loaded

if TYPE_CHECKING:
    from webchat.store import Store
    from webchat.store.key_records import ApiKey, KeyTerms

_COUNTS = {
    "requests_per_minute": "requests it can make in a minute",
    "tokens_per_day": "tokens models write for it in a day",
    "at_once": "requests it can have open at a time",
}


def add_key_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    key = commands.add_parser("key", help="Create, list and revoke API keys.", allow_abbrev=False)
    keys = key.add_subparsers(title="commands", metavar="command", required=True)
    new = add("new", "Create a key, which is printed once.", _new, keys.add_parser)
    new.add_argument("name", help="what it is for")
    option(new, "--user", metavar="NAME", help="whose key it is (this machine's owner)")
    option(new, "--scopes", metavar="A,B", help="what it opens: chat for /v1, read and write for /api (all)")
    # `models` is a setting
    option(new, "--models", dest="offered", metavar="A,B", help="the models it can use (all)")
    option(new, "--expires", default="never", metavar="WHEN", help="12h, 7d, 2w, 2027-01-31 or never (never)")
    option(
        new,
        "--stored",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep what is asked through /v1 as chats (yes)",
    )
    for name, about in _COUNTS.items():
        option(new, f"--{name.replace('_', '-')}", metavar="N", help=f"{about}; no limit without it")
    listing = add("list", "List the keys.", _list, keys.add_parser)
    option(listing, "--user", metavar="NAME", help="only this person's")
    revoke = add("revoke", "Revoke a key at once, for good.", _revoke, keys.add_parser)
    revoke.add_argument("key", metavar="id", help="the key's id, or its beginning that the list shows")


def _new(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.auth.api_keys import new_key

    now = datetime.now(UTC).astimezone()
    with _told():
        terms = _terms(options)
    with opened(loaded.settings) as store, _told():
        owner = _holder(store, options.user)
        made = new_key(store, owner, options.name, options.expires, now, terms)
    print(made.token)
    warn_of_unknown_models(loaded.settings, terms.models)
    ends = made.key.expires_at
    until = f"It works until {end_time(ends)}." if ends else "It works until revoked."
    print(f"{until} The key is shown only once. Whoever has it can do what it opens.", file=sys.stderr)


def _terms(options: argparse.Namespace) -> KeyTerms:
    from webchat.auth.api_keys import read_key_terms

    given: dict[str, object] = {"stored": options.stored}
    for name, value in (("scopes", options.scopes), ("models", options.offered)):
        if value is not None:
            given[name] = [one.strip() for one in value.split(",") if one.strip()]
    for name in _COUNTS:
        if (value := getattr(options, name)) is not None:
            if not (value.isascii() and value.isdigit()):
                raise CommandError(f"--{name.replace('_', '-')}: {value!r} is not a number.")
            given[name] = int(value)
    return read_key_terms(given)


def _holder(store: Store, user: str | None) -> str:
    """The id of the person, or of an operator who came by a link; the owner of a start without links if none
    is named."""
    if user is None:
        return store.local_owner().id
    if any(operator.id == user for operator in store.operators()):
        return user
    return find_person(store, user).owner_id


def _list(loaded: Loaded, options: argparse.Namespace) -> None:
    now, cursor, some = datetime.now(UTC), None, False
    with opened(loaded.settings) as store:
        owner = None if options.user is None else _holder(store, options.user)
        while True:
            page = store.listed_keys(owner=owner, cursor=cursor)
            for listed in page.items:
                some = True
                key = listed.key
                whose = printable(listed.owner) or "this machine"
                print(f"{key.id}  {key.prefix}  {printable(key.name)}  {whose}  {_state(key, now)}")
            if (cursor := page.next) is None:
                break
    if not some:
        print("No keys yet. Create one with: webchat key new NAME", file=sys.stderr)


def _state(key: ApiKey, now: datetime) -> str:
    parts = [" ".join(sorted(key.terms.scopes))]
    if key.terms.models:
        parts.append(f"models {printable(', '.join(key.terms.models))}")
    if not key.terms.stored:
        parts.append("not stored")
    end = key.end(now)
    if end == "key_revoked":
        parts.append(f"revoked {local_time(key.revoked_at or now)}")
    elif key.expires_at is not None:
        parts.append(f"{'worked until' if end else 'works until'} {end_time(key.expires_at)}")
    parts.append(f"last used {local_time(key.last_used_at)}" if key.last_used_at else "never used")
    return ", ".join(parts)


def _revoke(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        key = store.revoke_key(None, _found(store, options.key).id)
    print(f"The key {printable(key.name)} ({key.prefix}) is revoked.")


def _found(store: Store, wanted: str) -> ApiKey:
    """The key with this id or prefix, which is not revoked."""
    for listed in store.listed_keys(text=wanted).items:
        key = listed.key
        named = wanted in (key.id, key.prefix) or wanted.startswith(f"{key.prefix}_")
        if named and key.revoked_at is None:
            return key
    raise CommandError("there is no such key; webchat key list shows all.")


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a key in one sentence."""
    from webchat.sharing import BadTerms

    try:
        yield
    except BadTerms as error:
        field = str(error.params["field"]).replace("_", "-")
        raise CommandError(f"{'' if field == 'name' else '--'}{field}: {error.params['reason']}.") from None
