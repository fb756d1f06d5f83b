"""`webchat --discover`: the model servers on this machine, and how to use each."""

from __future__ import annotations

import asyncio

from backends.providers import Found, look, providers
from webchat.commands.terminal import printable

MOST_NAMES = 3


def discover() -> str:
    """The answer for the terminal."""
    found = asyncio.run(look())
    if not found:
        ports = sorted({port for one in providers().values() for port in one.ports})
        return (
            "No model server answers on this machine. The ports that were asked:"
            f" {', '.join(map(str, ports))}. For another one: webchat --endpoint http://127.0.0.1:PORT/v1"
        )
    return "\n".join(_lines(one) for one in found)


def _lines(found: Found) -> str:
    command = f"    webchat --endpoint {found.setting}"
    if found.needs_key:
        return f"{found.title} at {found.url} needs a key:\n    OPENAI_API_KEY=... {command.strip()}"
    if not found.models:
        return f"{found.title} at {found.url} has no chat model yet. Once it has one:\n{command}"
    names = ", ".join(map(printable, found.models[:MOST_NAMES]))
    more = len(found.models) - MOST_NAMES
    return f"{found.title} at {found.url}: {names}{f' and {more} more' if more > 0 else ''}\n{command}"
