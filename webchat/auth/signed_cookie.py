"""A small signed cookie beside the one that names an owner."""

from __future__ import annotations

from hashlib import sha256

from itsdangerous import BadSignature

from webchat.signing import Signer


class SignedCookie:
    """purpose: names the cookie, and keeps its signature apart from others'. seconds: how long it lasts."""

    def __init__(self, secret: str, purpose: str, seconds: int) -> None:
        self._signer = Signer(secret, salt=f"webchat.{purpose}")
        digest = sha256(f"webchat.{purpose}-cookie\0{secret}".encode()).hexdigest()
        self._name = f"webchat_{purpose}_{digest[:8]}"
        self._seconds = seconds

    def read(self, cookies: str, *, secure: bool) -> str:
        """The value; empty if there is none, or if which one is ours is not certain. cookies: the request's
        header. secure: it came over https, so a cookie that other pages of the domain can set is not read."""
        found = set()
        for part in cookies.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._named(secure):
                found.add(value)
        try:
            value = self._signer.unsign(found.pop(), max_age=self._seconds).decode()
        except (KeyError, BadSignature):
            return ""
        return "" if found else value

    def header(self, value: str, *, secure: bool) -> str:
        """The `Set-Cookie` header."""
        return self._header(self._signer.sign(value).decode(), secure=secure, seconds=self._seconds)

    def cleared(self, *, secure: bool) -> str:
        """The `Set-Cookie` header that takes it back."""
        return self._header("", secure=secure, seconds=0)

    def _named(self, secure: bool) -> str:
        return f"__Host-{self._name}" if secure else self._name

    def _header(self, value: str, *, secure: bool, seconds: int) -> str:
        parts = (f"{self._named(secure)}={value}", "HttpOnly", f"Max-Age={seconds}", "Path=/", "SameSite=Lax")
        return "; ".join((*parts, "Secure") if secure else parts)
