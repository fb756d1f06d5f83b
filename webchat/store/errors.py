"""What the store raises on purpose.

    StoreError
    ├── NotFound           no such thing, or not this owner's: the two are never told apart
    ├── BadCursor          a listing was asked to go on from nowhere
    ├── TemplateChanged    somebody saved another version since this one was read
    ├── TooManyVersions    a message has as many versions as it may
    ├── NewerDatabase      a later webchat wrote this database
    ├── DatabaseBusy       another webchat serves this database
    └── StoreUnavailable   cannot be reached, read or written (disk full, file damaged, server down)

Every error carries `message`, a sentence for the person at the screen, and `cure`, what to do next; `code` is
the stable name that interfaces translate by. None of them ever holds a password or stored text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class StoreError(Exception):
    """Base of everything the store raises on purpose."""

    code: ClassVar[str] = "store_error"

    def __init__(
        self, message: str, *, cure: str = "", params: Mapping[str, str | int | float] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.params: Mapping[str, str | int | float] = dict(params or {})

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".strip()


class NotFound(StoreError):
    """There is no such thing, or it belongs to somebody else."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"This {what} doesn't exist or was deleted.", params={"what": what})


class BadCursor(StoreError):
    """A text that says where a page of a listing ended, and that no listing gave out."""

    code = "bad_request"

    def __init__(self) -> None:
        super().__init__("The request is not valid: cursor.", cure="Reload the page.")


class TemplateChanged(StoreError):
    """A change that was made to a version which is not the newest any more."""

    code = "template_changed"

    def __init__(self, version: int) -> None:
        super().__init__(
            "The template was changed in the meantime.",
            cure="Look at the newest version, then make your change there.",
            params={"version": version},
        )


class TooManyVersions(StoreError):
    """A message or reply has as many others in its place as it may."""

    code = "too_many_versions"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"A message can have {limit} versions at most.",
            cure="Go on from one of them, or start a new conversation.",
            params={"limit": limit},
        )


class NewerDatabase(StoreError):
    """The database was written by a later version of webchat."""

    code = "newer_database"


class DatabaseBusy(StoreError):
    """Another webchat serves this database."""

    code = "database_busy"


class StoreUnavailable(StoreError):
    """The database cannot be reached, read or written."""

    code = "store_unavailable"
