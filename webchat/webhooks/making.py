"""New webhooks, as operators describe them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from webchat.store.webhook_records import EVENTS, Webhook, WebhookEvent
from webchat.webhooks.addresses import AddressRefused, check_host

MOST_URL = 2000


class BadWebhook(Exception):
    """A webhook that cannot be. The message is one sentence."""


class WebhookKeeper(Protocol):
    """The part of the store that makes webhooks."""

    def create_webhook(
        self, url: str, secret: str, events: Sequence[WebhookEvent], *, content: bool = False
    ) -> Webhook: ...


def new_webhook(
    store: WebhookKeeper, url: str, events: Collection[str], *, content: bool, private: bool
) -> Webhook:
    """Create a webhook. events: empty for all. private: as of `Sender`. Raises BadWebhook, and what the store
    raises. What its name resolves to is checked with each connection."""
    _check_url(url, private=private)
    chosen: tuple[WebhookEvent, ...] = tuple(one for one in EVENTS if one in events or not events)
    if unknown := sorted(set(events) - set(EVENTS)):
        raise BadWebhook(f"There is no event {unknown[0]!r}; there are {', '.join(EVENTS)}.")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return store.create_webhook(url, secret, chosen, content=content)


def _check_url(url: str, *, private: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or len(url) > MOST_URL or not url.isprintable() or " " in url:
        raise BadWebhook("That is no address, such as https://example.org/hook.")
    if parts.username or parts.password:
        raise BadWebhook("An address can't carry a password; deliveries are signed instead.")
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise BadWebhook("The address has to begin with https://. With webhooks_private, http:// is allowed.")
    if not private:
        try:
            check_host(host)
        except AddressRefused as error:
            raise BadWebhook(f"{error}.") from None
