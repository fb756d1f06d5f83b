from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports.into import Into
from webchat.store import Store


@pytest.fixture
def into(tmp_path: Path) -> Iterator[Into]:
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    yield Into(store, store.create_owner("visitor", "Ada").id, tmp_path)
    store.close()
