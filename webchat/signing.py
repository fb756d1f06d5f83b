"""Signed values with a time: in cookies, and for what was unlocked."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from itsdangerous import SignatureExpired, TimestampSigner
from itsdangerous.encoding import base64_encode, int_to_bytes, want_bytes


class Signer(TimestampSigner):
    """salt: keeps its signatures apart from those of others. What was signed at a time to come is valid, so
    that nobody loses their chats where a clock is set back."""

    def __init__(self, secret: str, *, salt: str) -> None:
        super().__init__(secret, salt=salt, digest_method=sha256)

    def sign_again(self, value: str, before: datetime) -> bytes:
        """Sign what was signed `before`: by a clock that is set back for a while, it gets no older."""
        moment = max(self.get_timestamp(), int(before.timestamp()))
        signed = want_bytes(value) + want_bytes(self.sep) + base64_encode(int_to_bytes(moment))
        return signed + want_bytes(self.sep) + self.get_signature(signed)

    def unsign(self, value: str | bytes, max_age: int | None = None, return_timestamp: bool = False) -> Any:
        """Raises `BadSignature`, also for what is older than `max_age` seconds."""
        signed, made = super().unsign(value, return_timestamp=True)
        if max_age is not None and self.get_timestamp() - made.timestamp() > max_age:
            raise SignatureExpired("too old", payload=signed, date_signed=made)
        return (signed, made) if return_timestamp else signed
