"""One attempt to tell a webhook, in the form of Standard Webhooks (standardwebhooks.com)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import orjson
from standardwebhooks import Webhook as Signer

from backends._plurals import filled
from webchat.sentences import Language, locale
from webchat.store.database.codec import new_id
from webchat.store.webhook_records import Delivery, EventData, Webhook
from webchat.webhooks.addresses import AddressRefused, PublicResolver, check_host, public_socket

SECONDS = 15.0
"""For one attempt, from looking up the name to the status of the answer."""


Problem = Literal["private", "no_tls", "timeout", "unreachable", "status"]


class NotDelivered(Exception):
    """An attempt failed. The message is one sentence without its full stop. problem: what is stored of it.
    gone: the receiver said that it wants no more."""

    def __init__(self, kind: Problem, value: object = "", *, gone: bool = False) -> None:
        self.problem = f"{kind} {value}"
        self.gone = gone
        super().__init__(problem_text(self.problem))


def problem_text(problem: str, language: Language = "en") -> str:
    """A stored problem in words; those of earlier versions were stored as sentences."""
    kind, _, value = problem.partition(" ")
    words = locale(language).get(f"webhooks.problem.{kind}")
    return problem if words is None else filled(words, {"value": value})


class Sender:
    """private: addresses in private networks may be reached, and without TLS."""

    def __init__(self, *, private: bool = False, version: str = "", seconds: float = SECONDS) -> None:
        self.private = private
        self._agent = f"webchat/{version}"
        self._seconds = seconds

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Connections for several attempts."""
        resolver: Any = aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(
            resolver=resolver if self.private else PublicResolver(resolver),
            use_dns_cache=False,
            socket_factory=None if self.private else public_socket,
        )
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        # A proxy of the environment would look names up itself, where nobody checks what it finds.
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
            yield session

    async def send(
        self, session: aiohttp.ClientSession, webhook: Webhook, delivery: Delivery, data: EventData
    ) -> None:
        """Raises NotDelivered."""
        parts = urlsplit(webhook.url)
        try:
            if not self.private:
                if parts.scheme != "https":
                    raise NotDelivered("no_tls")
                check_host(parts.hostname or "")
            body = orjson.dumps(
                {"type": delivery.event, "timestamp": delivery.created_at, "data": data}, option=_TIMES
            )
            headers = self._headers(webhook, delivery, body)
            # Where a redirect leads was not what the operator named.
            async with session.post(webhook.url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except AddressRefused as error:
            raise NotDelivered("private", error.host) from None
        except TimeoutError:
            raise NotDelivered("timeout", f"{self._seconds:g}") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise NotDelivered("unreachable", parts.hostname) from None
        if not 200 <= status < 300:
            raise NotDelivered("status", status, gone=status == 410)

    async def test(self, webhook: Webhook) -> None:
        """Send a signed test, now. Raises NotDelivered."""
        delivery = Delivery(new_id(), webhook.id, "test", "", datetime.now(UTC), 1)
        async with self.opened() as session:
            await self.send(session, webhook, delivery, {})

    def _headers(self, webhook: Webhook, delivery: Delivery, body: bytes) -> dict[str, str]:
        moment = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "user-agent": self._agent,
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Signer(webhook.secret).sign(delivery.id, moment, body.decode()),
        }


_TIMES = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
