"""Finds model servers on this machine: asks the usual ports of loopback for models, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from backends.errors import AuthFailed, BackendError
from backends.openai_compat import list_models
from backends.providers.known import Provider, provider_at, providers

WITHIN = 3.0
"""Seconds that a server on this machine may take to list its models."""

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answered. provider: `None` for one that is not recognized. models: ids of its chat
    models. needs_key: it refused to list them without a key."""

    url: str
    provider: Provider | None
    models: tuple[str, ...] = ()
    needs_key: bool = False

    @property
    def title(self) -> str:
        return "An OpenAI-compatible server" if self.provider is None else self.provider.title

    @property
    def setting(self) -> str:
        """What `endpoint` is set to in order to use it: a name where that means this server."""
        named = provider_at(self.url)
        return named.name if named is not None and named == self.provider else self.url


async def look(ports: Sequence[int] | None = None, *, within: float = WITHIN) -> tuple[Found, ...]:
    """The servers that answer on these ports, by default the usual ones of all known servers."""
    usual = dict.fromkeys(port for one in providers().values() for port in one.ports)
    found = await asyncio.gather(*(_ask(port, within) for port in (usual if ports is None else ports)))
    return tuple(one for one in found if one is not None)


def recognize(port: int, owned_by: str) -> Provider | None:
    """Which server it is, by what its list of models says. One that says nothing of itself is the server that
    uses this port and never does."""
    known = providers().values()
    said = (one for one in known if one.owned_by and one.owned_by == owned_by)
    silent = (one for one in known if port in one.ports and not one.owned_by)
    return next(said, None) or next(silent, None)


async def _ask(port: int, within: float) -> Found | None:
    url = f"http://{HOST}:{port}/v1"
    try:
        async with asyncio.timeout(within):
            models = await list_models(url, within=within)
    except AuthFailed:
        return Found(url, None, needs_key=True)
    except (BackendError, TimeoutError):
        return None
    owner = models[0].server if models else ""
    return Found(url, recognize(port, owner), tuple(model.id for model in models if model.chat))
