"""Errors the store raises on purpose.

    StoreError
    ├── NotFound           no such thing, or not this owner's: the two are never told apart
    ├── BadCursor          a listing was asked to go on from nowhere
    ├── TemplateChanged    somebody saved another version since this one was read
    ├── PersonExists       the issuer already has a person of this name
    ├── PersonDisabled     somebody an operator has disabled
    ├── TooManyVersions    a message has as many versions as it may
    ├── NewerDatabase      a later webchat wrote this database
    ├── DatabaseBusy       another webchat serves this database
    └── StoreUnavailable   cannot be reached, read or written (disk full, file damaged, server down)

None of them ever holds a password or stored text.
"""

from __future__ import annotations

from backends.errors import ExplainedError


class StoreError(ExplainedError):
    """Base of all errors the store raises on purpose."""

    code = "store_error"


class NotFound(StoreError):
    """It does not exist, or belongs to someone else."""

    code = "not_found"
    status = 404

    def __init__(self, what: str) -> None:
        super().__init__(f"This {what} doesn't exist or was deleted.", params={"what": what})


class BadCursor(StoreError):
    """A cursor that no listing returned."""

    code = "bad_request"
    status = 400
    message = "The request is not valid: cursor."
    cure = "Reload the page."

    def __init__(self) -> None:
        super().__init__(params={"field": "cursor"})


class TemplateChanged(StoreError):
    """A change based on a version that is no longer the newest."""

    code = "template_changed"
    status = 409
    message = "The template was changed in the meantime."
    cure = "Open the newest version and make your change there."

    def __init__(self, version: int) -> None:
        super().__init__(params={"version": version})


class PersonExists(StoreError):
    """Another person has this name with the same issuer."""

    code = "person_exists"
    status = 409
    cure = "Choose another name."

    def __init__(self, subject: str) -> None:
        super().__init__(f'The user name "{subject}" is already taken.', params={"name": subject})


class PersonDisabled(StoreError):
    """A person who may not sign in at present."""

    code = "person_disabled"
    status = 403
    message = "This account is disabled."
    cure = "Contact the administrator."


class TooManyVersions(StoreError):
    """A message or reply has reached the maximum number of siblings."""

    code = "too_many_versions"
    status = 409
    cure = "Continue from one of them, or start a new chat."

    def __init__(self, limit: int) -> None:
        super().__init__(f"A message can have {limit} versions at most.", params={"limit": limit})


class NewerDatabase(StoreError):
    """The database was written by a newer version of webchat."""

    code = "newer_database"


class DatabaseBusy(StoreError):
    """Another webchat server uses this database."""

    code = "database_busy"


class StoreUnavailable(StoreError):
    """The database cannot be reached, read or written."""

    code = "store_unavailable"
    status = 503
