"""Cursors: where a page of a listing ended, returned by the next request.

People can send any text; one that no listing returned is rejected before it is used in a statement.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime

from webchat.store.errors import BadCursor

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def place(at: datetime, id: str, *, pinned: bool = False) -> str:
    return base64.urlsafe_b64encode(json.dumps([pinned, at.isoformat(), id]).encode()).decode()


def read_place(cursor: str) -> tuple[bool, datetime, str]:
    """Pinned, the moment in UTC, the id. Raises `BadCursor`."""
    try:
        pinned, at, id = json.loads(base64.urlsafe_b64decode(cursor))
        said = datetime.fromisoformat(at)
        moment = said.astimezone(UTC) if said.tzinfo else None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise BadCursor from None
    if moment is None or not (isinstance(pinned, bool) and isinstance(id, str) and _ID.fullmatch(id)):
        raise BadCursor
    return pinned, moment, id


def read_id(cursor: str) -> str:
    """Raises `BadCursor`."""
    if not _ID.fullmatch(cursor):
        raise BadCursor
    return cursor


def read_number(cursor: str) -> int:
    """Raises `BadCursor`."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise BadCursor
    return int(cursor)
