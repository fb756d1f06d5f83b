"""New webhooks, as operators describe them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from backends.errors import ExplainedError
from webchat.store.webhook_records import EVENTS, Webhook, WebhookEvent
from webchat.webhooks.addresses import AddressRefused, check_host

MOST_URL = 2000


class BadWebhook(ExplainedError):
    """A webhook that cannot be."""

    code = "webhook_address"
    status = 422
    message = "This is not a web address."
    cure = "Enter one such as https://example.org/hook."


class PasswordInAddress(BadWebhook):
    code = "webhook_password"
    message = "A webhook's address can't contain a password."
    cure = "Remove it; deliveries are signed instead."


class NotHttps(BadWebhook):
    code = "webhook_https"
    message = "A webhook's address has to begin with https://."
    cure = "Use https://, or start the server with webhooks_private to allow http://."


class PrivateAddress(BadWebhook):
    code = "webhook_private"
    cure = "Use a public address, or start the server with webhooks_private."

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} is in a private network.", params={"host": host})


class UnknownEvent(BadWebhook):
    code = "webhook_event"
    cure = f"Choose from {', '.join(EVENTS)}."

    def __init__(self, event: str) -> None:
        super().__init__(f"There is no event {event!r}.", params={"event": event})


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
        raise UnknownEvent(unknown[0])
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return store.create_webhook(url, secret, chosen, content=content)


def _check_url(url: str, *, private: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or len(url) > MOST_URL or not url.isprintable() or " " in url:
        raise BadWebhook
    if parts.username or parts.password:
        raise PasswordInAddress
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise NotHttps
    if not private:
        try:
            check_host(host)
        except AddressRefused as error:
            raise PrivateAddress(error.host) from None
