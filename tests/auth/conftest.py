"""A provider that can misbehave, and the client that signs in there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from tests.auth.oidc_provider import SECRET, Clock, Logins, Misbehaving, running
from webchat.auth.oidc import OpenIdClient, Provider, Requests


@pytest.fixture
def provider() -> Iterator[Misbehaving]:
    with running() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(provider: Misbehaving, clock: Clock) -> AsyncIterator[OpenIdClient]:
    made = OpenIdClient(
        Provider(provider.issuer, "webchat", SecretStr(SECRET)),
        Logins(),
        requests=Requests(seconds=5, most_bytes=200_000),
        now=clock,
        clock=clock,
    )
    yield made
    await made.aclose()
