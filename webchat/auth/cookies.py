"""The signed cookie that names an owner, and the secret it is signed with."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.cookies import SimpleCookie
from pathlib import Path

from itsdangerous import BadSignature, TimestampSigner

MAX_AGE = timedelta(days=180)
RENEW_AFTER = timedelta(days=7)
_SECRET_BYTES = 32


def load_or_make_secret(path: Path) -> str:
    """Read the signing secret kept at `path`, or make one there, readable by this user only.

    Two servers that start at once agree on one secret: whoever links the file first wins. Raises `OSError`
    when the folder cannot be written, `ValueError` when the file holds too little to sign with.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(_SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                if not path.exists():
                    os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    secret = path.read_text(encoding="ascii").strip()
    if len(secret) < _SECRET_BYTES:
        raise ValueError(f"the signing secret in {path} is too short; delete the file to get a new one")
    return secret


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie whose signature holds. `stale` asks for a fresh one, so that it never ends while in use."""

    owner_id: str
    stale: bool


class Cookies:
    """Signs and reads the owner cookie.

    embedded: the page may live in another site's frame (a Space), which needs `SameSite=None; Secure;
    Partitioned`. Otherwise `SameSite=Lax`, and `Secure` whenever the request came by https.
    """

    name = "webchat_owner"

    def __init__(self, secret: str, *, embedded: bool = False) -> None:
        self._signer = TimestampSigner(secret, salt="webchat.owner", digest_method=sha256)
        self._embedded = embedded

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> Cookie | None:
        """The owner named by the first cookie whose signature holds; `None` without one."""
        for key, value in headers:
            if key != b"cookie":
                continue
            for part in value.split(b";"):
                name, _, signed = part.strip().partition(b"=")
                if name == self.name.encode():
                    found = self._check(signed)
                    if found is not None:
                        return found
        return None

    def given(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether there is such a cookie at all, whatever it is worth."""
        wanted = f"{self.name}=".encode()
        return any(key == b"cookie" and wanted in value for key, value in headers)

    def _check(self, signed: bytes) -> Cookie | None:
        try:
            owner_id, made = self._signer.unsign(
                signed, max_age=int(MAX_AGE.total_seconds()), return_timestamp=True
            )
        except BadSignature:
            return None
        return Cookie(owner_id.decode("ascii", "replace"), datetime.now(UTC) - made > RENEW_AFTER)

    def header(self, owner_id: str, *, secure: bool) -> str:
        """The value of a `Set-Cookie` header that makes its bearer this owner."""
        jar: SimpleCookie = SimpleCookie()
        jar[self.name] = self._signer.sign(owner_id).decode("ascii")
        morsel = jar[self.name]
        morsel["path"] = "/"
        morsel["httponly"] = True
        morsel["max-age"] = str(int(MAX_AGE.total_seconds()))
        morsel["samesite"] = "None" if self._embedded else "Lax"
        if secure or self._embedded:
            morsel["secure"] = True
        text = morsel.OutputString()
        # The standard library knows this attribute from 3.14 on.
        return f"{text}; Partitioned" if self._embedded else text
