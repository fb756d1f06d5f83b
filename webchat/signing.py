"""Signed values with a time: in cookies, and for what was unlocked."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from itsdangerous import SignatureExpired, TimestampSigner


class Signer(TimestampSigner):
    """salt: keeps its signatures apart from those of others. What was signed at a time to come is valid, so
    that nobody loses their chats where a clock is set back."""

    def __init__(self, secret: str, *, salt: str) -> None:
        super().__init__(secret, salt=salt, digest_method=sha256)

    def unsign(self, value: str | bytes, max_age: int | None = None, return_timestamp: bool = False) -> Any:
        """Raises `BadSignature`, also for what is older than `max_age` seconds."""
        signed, made = super().unsign(value, return_timestamp=True)
        if max_age is not None and self.get_timestamp() - made.timestamp() > max_age:
            raise SignatureExpired("too old", payload=signed, date_signed=made)
        return (signed, made) if return_timestamp else signed
