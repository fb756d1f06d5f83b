"""Nothing is imported for a person who was removed meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from tests.imports.into import Into, importer
from tests.imports.samples import chatgpt, written
from webchat.imports import Found
from webchat.store import NotFound


@pytest.mark.parametrize("in_the_page", [True, False])
def test_a_person_removed_during_their_import_leaves_no_words(into: Into, in_the_page: bool) -> None:
    store = into.store
    owner = store.add_person("local", "eve", "Eve").owner_id
    job = store.begin_file_import(owner, "x.json", 1).id if in_the_page else None
    path = written(into.folder / "x.json", [chatgpt(id) for id in "abc"])

    async def removed(found: Found) -> None:
        if found.counts["entries"] == 1:
            await store.call(store.remove_person, owner)

    with pytest.raises(NotFound):
        asyncio.run(importer(store).bring(path, owner, removed, job=job))
    assert list(store.conversation_ids(owner)) == []
