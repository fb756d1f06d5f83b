"""Gradio's routes, seen from the door: which of them exist here, and whose session a request speaks of.

Gradio keeps a session under a `session_hash` that the browser makes up with `Math.random` and asks nobody
whose it is: anyone who knows or guesses one reads that session's events and cancels its work. So the door
replaces it on the way in by a keyed hash of owner and session hash. Every owner has a space of sessions of
its own, and there is nothing to remember, to evict, or to race for.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

PREFIX = "/gradio_api/"

_IN_BODY = frozenset({"queue/join", "cancel"})
_IN_QUERY = frozenset({"queue/data"})
_WITHOUT_SESSION = frozenset({"startup-events", "info", "theme.css", "app_id", "reset", "queue/status"})
_CLOSED = frozenset({"/monitoring", "/docs", "/redoc", "/openapi.json", "/login", "/logout"})


class BadSession(ValueError):
    """The request names its session in no way that Gradio's own page would."""


class Sessions:
    """Maps session hashes into their owner's space."""

    def __init__(self, secret: str) -> None:
        self._key = sha256(b"webchat.gradio-session\0" + secret.encode()).digest()

    def hash_for(self, owner_id: str, session_hash: str) -> str:
        """The session hash that Gradio sees."""
        words = f"{len(owner_id)}:{owner_id}:{session_hash}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, words, sha256).hexdigest()[:32]

    def in_query(self, owner_id: str, query: bytes) -> bytes:
        """The query string with every `session_hash` replaced."""
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        return urlencode(
            [(k, self.hash_for(owner_id, v) if k == "session_hash" else v) for k, v in pairs]
        ).encode("ascii")

    def in_body(self, owner_id: str, body: bytes) -> bytes:
        """The JSON body with its `session_hash` replaced. Raises `BadSession`.

        The body is written anew, so that Gradio cannot read another session out of it than the one seen here
        (a key given twice, say).
        """
        try:
            value: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise BadSession from None
        if not isinstance(value, dict) or not isinstance(value.get("session_hash"), str):
            raise BadSession
        value["session_hash"] = self.hash_for(owner_id, value["session_hash"])
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def is_closed(path: str) -> bool:
    """Whether a path of Gradio's is not served here: run history, deep links, proxying, direct calls that
    would pass by the page, calls of a component's own functions, uploads and files, monitoring, and whatever
    a later release adds."""
    if path.rstrip("/") in _CLOSED or path.startswith("/monitoring/"):
        return True
    if not path.startswith(PREFIX):
        return path == PREFIX.rstrip("/")
    rest = path[len(PREFIX) :]
    known = rest.rstrip("/")
    return not (
        known in _IN_BODY or known in _IN_QUERY or known in _WITHOUT_SESSION or rest.startswith("heartbeat/")
    )


def session_in_body(path: str) -> bool:
    return path.startswith(PREFIX) and path[len(PREFIX) :].rstrip("/") in _IN_BODY


def session_in_query(path: str) -> bool:
    return path.startswith(PREFIX) and path[len(PREFIX) :].rstrip("/") in _IN_QUERY


def session_in_path(path: str) -> str | None:
    """The session hash at the end of `heartbeat/...`, else `None`."""
    start = PREFIX + "heartbeat/"
    return path[len(start) :].rstrip("/") if path.startswith(start) else None
