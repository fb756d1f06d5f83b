"""What can be wrong with a backup.

BackupError
├── Damaged     it is torn, changed, or no backup
├── WrongKey    it is sealed with another key
├── KeyMissing  it is sealed, and no key is set
├── TooNew      a newer version of webchat made it
└── Unreachable where snapshots are kept cannot be reached, read or written
"""

from __future__ import annotations

from backends.errors import ExplainedError
from backends.installation import renew


class BackupError(ExplainedError):
    """A backup or snapshot cannot be made, read or put in place; told to the operator at the terminal and in
    the log."""


class Damaged(BackupError):
    """why: what is wrong, going on from "it is damaged:"."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The file is damaged or not a backup: {why}.", cure="Use an earlier one.")
        self.why = why


class WrongKey(BackupError):
    message = "The backup is encrypted with another key."
    cure = "Set WEBCHAT_BACKUP_KEY to the one it was made with."


class KeyMissing(BackupError):
    message = "The backup is encrypted."
    cure = "Set WEBCHAT_BACKUP_KEY to the key it was made with."


class TooNew(BackupError):
    def __init__(self) -> None:
        super().__init__(
            "The backup was made by a newer version of webchat. Nothing was changed.",
            cure=f"Update webchat ({renew()}), or use a backup from before its update.",
        )


class Unreachable(BackupError):
    """Raised with its sentence."""
