"""A real server that loses its disk begins again where its last snapshot left off."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.app_process import AppProcess
from tests.store.talk import Talk
from webchat.store import Store


@pytest.mark.slow
def test_a_server_without_its_disk_goes_on_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    data, bucket = tmp_path / "data", tmp_path / "bucket"
    bucket.mkdir()
    env = {
        "WEBCHAT_SNAPSHOTS": str(bucket),
        "WEBCHAT_SNAPSHOTS_EVERY": "0.05",
        "WEBCHAT_BACKUP_KEY": "a key of sixteen",
        "WEBCHAT_EPHEMERAL": "true",
    }
    server = AppProcess(data, env=env, preloaded=True)

    def say(text: str) -> None:
        with closing(Store.open(f"sqlite:///{data / 'webchat.db'}", serve=False)) as store:
            Talk(store, store.local_owner().id).say(text, "reply")

    def saved() -> bool:
        told = httpx.get(f"{server.url}/api/me", timeout=30).json()
        assert told["ephemeral"] is False
        assert told["saved"]["failed"] is False
        return told["saved"]["age"] is not None and len(list((bucket / "webchat").iterdir())) == wanted

    server.start()
    say("before the kill")
    wanted = 1
    deadline = time.monotonic() + 200
    while not saved():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    server.kill()
    shutil.rmtree(data)
    server.start()
    say("before the stop")
    server.stop()
    shutil.rmtree(data)
    with server:
        titles = [one["title"] for one in httpx.get(f"{server.url}/api/conversations").json()["items"]]
    assert sorted(titles) == ["before the kill", "before the stop"]
