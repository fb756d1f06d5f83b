"""Backups and snapshots: one format, made while the server runs, checked, and put back.

archive    the format of a file; sealing: its encryption
making     makes a file of a database in use; restoring: puts one in place of a database
errors     what can be wrong with a file
"""

from __future__ import annotations

from webchat.backups.archive import Manifest
from webchat.backups.errors import BackupError
from webchat.backups.making import make_backup
from webchat.backups.restoring import Restored, finish_restoring, restore, verify

__all__ = [
    "BackupError",
    "Manifest",
    "Restored",
    "finish_restoring",
    "make_backup",
    "restore",
    "verify",
]
