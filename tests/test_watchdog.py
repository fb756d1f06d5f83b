"""What holds everybody is named with its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app_process import AppProcess
from webchat.store import Store
from webchat.watchdog import Watchdog

PATIENCE = 60.0


def hold_on(enough: Callable[[], bool]) -> None:
    """Hold whatever thread this is, until it was noticed."""
    end = time.monotonic() + PATIENCE
    while not enough() and time.monotonic() < end:
        time.sleep(0.001)


def hold_for(seconds: float) -> None:
    """From when it runs, however long it had to wait for that."""
    start = time.monotonic()
    hold_on(lambda: time.monotonic() > start + seconds)


async def test_a_hold_of_the_loop_is_named_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "webchat.watchdog")
    watchdog, looked = Watchdog(), asyncio.get_running_loop().time()
    watchdog.start()
    while "event loop" not in watchdog.longest:  # noqa: ASYNC110  a thread has no event of this loop
        await asyncio.sleep(0.001)
    before = watchdog.longest["event loop"]
    hold_on(lambda: asyncio.get_running_loop().time() > looked + 1)
    async with asyncio.timeout(PATIENCE):
        while watchdog.longest["event loop"] == before:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    watchdog.stop()
    hold = watchdog.longest["event loop"]
    assert "tests/test_watchdog.py" in hold.place
    assert "hold_on" in hold.place
    assert any("was held for" in text and "hold_on" in text for text in caplog.messages)
    assert any("longest hold of the event loop" in text for text in caplog.messages)


async def test_a_hold_of_the_writer_is_named_by_its_verb(tmp_path: Path) -> None:
    store, watchdog = Store.open(f"sqlite:///{tmp_path / 'chat.db'}"), Watchdog()
    try:
        store.watch = watchdog.wrote
        await store.call(store.local_owner)
        assert "local_owner" in watchdog.longest["writer"].place
        longest = watchdog.longest["writer"].seconds
        await asyncio.to_thread(store.in_turn, hold_for, 2 * longest)
        assert watchdog.longest["writer"].place == "hold_for"
        # Reading is nobody's wait.
        watchdog.longest.clear()
        await store.call(store.list_links)
        assert not watchdog.longest
    finally:
        store.close()


@pytest.mark.parametrize("level", ["debug", "info"])
def test_it_watches_where_everything_is_logged(level: str, tmp_path: Path) -> None:
    with AppProcess(tmp_path, "--log-level", level, preloaded=True) as app:
        log = app.log
    assert ("longest hold of the event loop" in log.read_text()) == (level == "debug")
