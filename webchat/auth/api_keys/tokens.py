"""The form of an API key: `wk_`, 12 hex digits by which it is looked up and shown, and 32 random bytes, of
which only a hash is stored."""

from __future__ import annotations

import re
import secrets

from webchat.auth.incoming import KEY_PREFIX as PREFIX

_TOKEN = re.compile(rf"({PREFIX}[0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}")


def make_token() -> tuple[str, str]:
    """The public part of a new key, and the whole of it."""
    prefix = PREFIX + secrets.token_hex(6)
    return prefix, f"{prefix}_{secrets.token_urlsafe(32)}"


def public_part(token: str) -> str | None:
    """What a key is looked up by; `None` for a text that has not the form of one."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else found[1]
