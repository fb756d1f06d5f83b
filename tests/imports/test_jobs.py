"""The state of an import is its owner's alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.imports.into import Into
from webchat.store import NotFound


def test_nobody_else_sees_or_changes_an_import(into: Into) -> None:
    store, eve = into.store, into.store.create_owner("visitor", "Eve").id
    job = store.begin_file_import(into.owner, "export.zip", 10)
    assert store.list_file_imports(eve) == []
    for ask in (
        lambda owner: store.file_import(owner, job.id),
        lambda owner: store.change_file_import(owner, job.id, {"received": 5}),
        lambda owner: store.forget_file_import(owner, job.id),
    ):
        with pytest.raises(NotFound):
            ask(eve)
    assert store.file_import(into.owner, job.id) == job == store.list_file_imports(into.owner)[0]
    assert store.change_file_import(into.owner, job.id, {"received": 5}, ("uploading",)).received == 5
    with pytest.raises(NotFound):
        store.change_file_import(into.owner, job.id, {"received": 9}, ("importing",))
    store.forget_file_import(into.owner, job.id)
    assert store.list_file_imports(into.owner) == []
    with pytest.raises(NotFound):
        store.begin_file_import("nobody", "x", 1)


def test_idle_imports_are_forgotten_and_working_ones_found_again(into: Into) -> None:
    idle, working = (into.store.begin_file_import(into.owner, name, 1) for name in "ab")
    into.store.change_file_import(into.owner, working.id, {"state": "importing"})
    assert [job.id for job in into.store.unfinished_file_imports()] == [working.id]
    assert into.store.trim_file_imports(datetime.now(UTC) - timedelta(days=1)) == []
    assert into.store.trim_file_imports(datetime.now(UTC) + timedelta(days=1)) == [idle.id]
    assert into.store.file_import(into.owner, working.id).state in ("checking", "importing")
