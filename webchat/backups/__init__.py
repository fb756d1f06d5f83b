"""Backups and snapshots: one format, made while the server runs, checked, and put back.

archive    the format of a file; sealing: its encryption
making     makes a file of a database in use; restoring: puts one in place of a database
snapshots  backups of a running server, made again and again, and put in place where there is no database;
           places, hub: where they are kept; history: which of them belong together
errors     what can be wrong with a file
"""

from __future__ import annotations

from webchat.backups.archive import Manifest
from webchat.backups.errors import BackupError
from webchat.backups.history import last_saved
from webchat.backups.making import make_backup
from webchat.backups.restoring import Restored, finish_restoring, restore, verify
from webchat.backups.snapshots import Snapshots, SnapshotState, prepare_database

__all__ = [
    "BackupError",
    "Manifest",
    "Restored",
    "SnapshotState",
    "Snapshots",
    "finish_restoring",
    "last_saved",
    "make_backup",
    "prepare_database",
    "restore",
    "verify",
]
