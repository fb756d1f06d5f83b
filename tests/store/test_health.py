"""What the database says of itself."""

from __future__ import annotations

import pytest

from webchat.store import Store, StoreUnavailable
from webchat.store.database.migrate import VERSION_TABLE


def test_a_probe_leaves_nothing(store: Store) -> None:
    store.probe()
    with store.transaction(write=False) as connection:
        probes = connection.exec_driver_sql("SELECT count(*) FROM owners WHERE kind = 'probe'").scalar()
    assert probes == 0


def test_a_probe_fails_where_the_tables_are_older(store: Store) -> None:
    with store.transaction(write=True) as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0018'")
    with pytest.raises(StoreUnavailable, match="older version"):
        store.probe()
