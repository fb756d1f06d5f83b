"""Which replies a set is made of, where that is not in the database."""

from __future__ import annotations

import json
from pathlib import Path


class BadExport(Exception):
    """A folder is no export, or has no held-out rows. The message is a sentence."""


def held_out(folder: Path) -> tuple[str, ...]:
    """Ids of the judgements and comparisons in the test split of an export. Raises BadExport."""
    found: dict[str, None] = {}
    files = sorted(folder.glob("*/test.jsonl"))
    for path in files:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                id = _judgement(line)
                if id is None:
                    raise BadExport(f"{path} is not a file of webchat export.")
                found[id] = None
    if not found:
        raise BadExport(f"{folder} has no held-out rows: no test.jsonl of webchat export is in it.")
    return tuple(found)


def _judgement(line: str) -> str | None:
    try:
        about = json.loads(line)["webchat"]
        id = about["judgement"]
    except (ValueError, KeyError, TypeError):
        return None
    return id if isinstance(id, str) else None
