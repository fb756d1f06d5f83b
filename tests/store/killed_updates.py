"""Updates of a database that are killed, each in a process of its own: `python -m tests.store.killed_updates
URL` prints the version of the tables after each."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from webchat.store import Store
from webchat.store import store as opening
from webchat.store.checkup import check_up
from webchat.store.database import migrate

KILLS = ("backup", "statement 1", "statement 20", "statement 60", "commit", "committed")
"""While the copy is written that is made before, before these statements, and around the end."""


def _end(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _update(url: str, kill: str) -> None:
    done = 0

    def count(*_: Any) -> None:
        nonlocal done
        done += 1
        if kill == f"statement {done}":
            _end()

    def killed(*args: Any) -> None:
        event.listen(Engine, "before_cursor_execute", count)
        if kill == "commit":
            event.listen(Engine, "commit", lambda _: _end() if done > 1 else None)
        migrate.migrate(*args)
        _end()

    if kill == "backup":  # which PostgreSQL has none of
        migrate.os.fsync = _end  # type: ignore[attr-defined]
        setattr(opening, "migrate", killed if url.startswith("sqlite") else _end)  # noqa: B010
    else:
        setattr(opening, "migrate", killed)  # noqa: B010
    Store.open(url, backup_dir=Path(sys.argv[2]))


def main() -> None:
    url = sys.argv[1]
    for kill in KILLS:
        child = os.fork()
        if not child:
            _update(url, kill)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, (kill, status)
        found = check_up(url)
        assert found is not None
        print(kill, found.revision, found.tables, flush=True)


if __name__ == "__main__":
    main()
