"""`webchat webhook`: other programs that are told what happens."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from webchat.commands.terminal import AddCommand, CommandError, local_time, opened, printable
from webchat.settings import Loaded

if TYPE_CHECKING:
    from webchat.store import Store
    from webchat.store.webhook_records import ListedWebhook


def add_webhook_commands(commands: Any, add: AddCommand, option: Callable[..., None]) -> None:
    """commands: of the whole command line; option: adds a flag to one of them."""
    webhook = commands.add_parser(
        "webhook", help="Create, list, test, disable and remove webhooks.", allow_abbrev=False
    )
    webhooks = webhook.add_subparsers(title="commands", metavar="command", required=True)
    new = add("new", "Create a webhook; the secret that signs is printed once.", _new, webhooks.add_parser)
    new.add_argument("url", help="where to send events, beginning with https://")
    option(
        new,
        "--events",
        metavar="A,B",
        help="reply.ended, judgement.saved, vote.saved (all)",
    )
    option(
        new,
        "--content",
        action="store_true",
        help="also send the texts of chats that operators may read (no)",
    )
    add("list", "List the webhooks and their waiting deliveries.", _list, webhooks.add_parser)
    for name, about, command in (
        ("test", "Send a signed test to a webhook, now.", _test),
        ("retry", "Send what was given up again.", _retry),
        ("disable", "Send nothing to a webhook, and note nothing for it, for the time being.", _disable),
        ("enable", "Send events to a disabled webhook again.", _enable),
        ("remove", "Remove a webhook and what waits for it.", _remove),
    ):
        one = add(name, about, command, webhooks.add_parser)
        one.add_argument("webhook", metavar="id", help="from webchat webhook list")


def _new(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat.webhooks import BadWebhook, new_webhook

    events = [one.strip() for one in (options.events or "").split(",") if one.strip()]
    private = loaded.settings.webhooks_private
    with opened(loaded.settings) as store:
        try:
            made = new_webhook(store, options.url, events, content=options.content, private=private)
        except BadWebhook as error:
            raise CommandError(str(error)) from None
    print(made.secret)
    print(
        f"The webhook {made.id} receives {', '.join(made.events)}. The secret is shown only once: the"
        " receiver checks signatures with it.",
        file=sys.stderr,
    )


def _list(loaded: Loaded, options: argparse.Namespace) -> None:
    with opened(loaded.settings) as store:
        found = store.list_webhooks()
    for one in found:
        webhook = one.webhook
        print(f"{webhook.id}  {printable(webhook.url)}  {' '.join(webhook.events)}  {_state(one)}")
    if not found:
        print("No webhooks yet. Create one with: webchat webhook new URL", file=sys.stderr)


def _state(listed: ListedWebhook) -> str:
    from webchat.webhooks import problem_text

    webhook = listed.webhook
    parts = ["disabled"] if webhook.disabled_at else []
    if webhook.content:
        parts.append("with texts")
    parts.append(
        f"last delivered {local_time(webhook.told_at)}" if webhook.told_at else "nothing delivered yet"
    )
    if listed.waiting:
        parts.append(f"{listed.waiting} waiting")
    if listed.dead:
        parts.append(f"{listed.dead} given up")
    if listed.full:
        parts.append("the oldest are dropped")
    if webhook.problem:
        parts.append(f"last problem: {printable(problem_text(webhook.problem))}")
    return ", ".join(parts)


def _test(loaded: Loaded, options: argparse.Namespace) -> None:
    from webchat import __version__
    from webchat.webhooks import NotDelivered, Sender

    with _found(loaded) as store:
        webhook = store.webhook(options.webhook)
    sender = Sender(private=loaded.settings.webhooks_private, version=__version__)
    try:
        asyncio.run(sender.test(webhook))
    except NotDelivered as error:
        raise CommandError(f"{printable(webhook.url)} did not receive the test: {error}.") from None
    print(f"{printable(webhook.url)} received the test.")


def _disable(loaded: Loaded, options: argparse.Namespace) -> None:
    _set_disabled(loaded, options.webhook, True)


def _enable(loaded: Loaded, options: argparse.Namespace) -> None:
    _set_disabled(loaded, options.webhook, False)


def _set_disabled(loaded: Loaded, id: str, disabled: bool) -> None:
    with _found(loaded) as store:
        webhook = store.set_webhook_disabled(id, disabled)
    print(f"The webhook {printable(webhook.url)} is {'disabled' if disabled else 'enabled'}.")


def _retry(loaded: Loaded, options: argparse.Namespace) -> None:
    with _found(loaded) as store:
        count = store.retry_deliveries(options.webhook)
    print(f"Deliveries being sent again: {count}.")


def _remove(loaded: Loaded, options: argparse.Namespace) -> None:
    with _found(loaded) as store:
        webhook = store.remove_webhook(options.webhook)
    print(f"The webhook {printable(webhook.url)} is removed.")


@contextmanager
def _found(loaded: Loaded) -> Iterator[Store]:
    """The store for a command about one webhook."""
    from webchat.store import NotFound

    with opened(loaded.settings) as store:
        try:
            yield store
        except NotFound:
            raise CommandError("there is no such webhook; webchat webhook list shows all.") from None
