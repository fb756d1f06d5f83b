"""A Space on ZeroGPU with the published wheel `spaces` and a real model: import, emulated CUDA, forked
process, queues and protocol are its own; the scheduler and the GPU are played (see `zerogpu_host`).

`python -m pytest -m slow tests/deploy/test_zerogpu.py`. Not run: the host's own build, CUDA, its quotas.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.app_process import free_port
from tests.clean_environment import ROOT, pip
from tests.deploy.zerogpu_host import Scheduler, running_scheduler
from tests.served import Served, served
from webchat.cli import run

SPACES = "0.51.3"
VISITOR = "visitor.e30.signature"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The folder with `spaces`. It is installed nowhere else: every Gradio imports it where it can."""
    folder = ROOT / ".cache" / f"spaces-{SPACES}"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            pip(Path(sys.executable), "install", "--no-deps", "--target", str(folder), f"spaces=={SPACES}")
    return folder


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    with running_scheduler() as scheduler:
        yield scheduler


@asynccontextmanager
async def on_zerogpu(
    folder: Path, wheel: Path, model: Path, scheduler: Scheduler
) -> AsyncIterator[tuple[Served, Callable[..., Any]]]:
    """The Space, and what sends a message and returns the reply's id."""
    space, port = folder / "space", free_port()
    assert run(["space", "build", str(space), "--kind", "zerogpu"]) == 0
    env = {
        "SPACE_ID": "someone/webchat",
        "SYSTEM": "spaces",
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": scheduler.url,
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "WEBCHAT_DATA_DIR": str(folder / "data"),
        "WEBCHAT_MODEL": str(model),
        "PYTHONPATH": str(wheel),
    }
    host = Path(__file__).parent / "zerogpu_host.py"
    async with served([sys.executable, host, "app.py"], port=port, cwd=space, env=env) as app:
        await app.open_page()
        app.client.headers["x-ip-token"] = VISITOR

        async def send(text: str, **sampling: Any) -> str:
            turn = {
                "kind": "send",
                "conversation_id": None,
                "text": text,
                "client_key": os.urandom(8).hex(),
                "settings": {"sampling": sampling},
            }
            begun = await app.client.post("/api/turns", json=turn, headers={"Origin": app.url})
            assert begun.status_code == 201, begun.text
            return str(begun.json()["reply"]["id"])

        yield app, send


async def ended(app: Served, reply: str) -> dict[str, Any]:
    """The reply once it is over."""
    async with app.client.stream("GET", f"/api/messages/{reply}/events?from=0") as events:
        kind = ""
        async for line in events.aiter_lines():
            kind = line.partition(":")[2].strip() if line.startswith("event:") else kind
            if line.startswith("data:") and kind == "done":
                message: dict[str, Any] = json.loads(line.partition(":")[2])["message"]
                return message
    raise AssertionError("the stream ended before the reply was done")


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  (what changes is in another thread)
        await asyncio.sleep(0.05)


async def test_replies_borrow_a_gpu_for_as_long_as_they_need_and_can_be_stopped(
    tmp_path: Path, wheel: Path, demo_folder: Path, scheduler: Scheduler
) -> None:
    async with on_zerogpu(tmp_path, wheel, demo_folder, scheduler) as (app, send):
        assert scheduler.of("/startup-report")
        first = await ended(app, await send("What is the capital of France?", max_tokens=20))
        assert first["state"] == "complete"
        assert "Paris" in first["text"]
        (asked,) = scheduler.of("/schedule")
        assert (asked["token"], asked["durationSeconds"]) == (VISITOR, "30")
        assert scheduler.of("/release") == [{"allowToken": "1", "fail": "false"}]

        # A long one is stopped in the middle; its words stay and the GPU is free.
        reply = await send("Write a very long story.", max_tokens=1500, temperature=0)
        await until(lambda: len(scheduler.of("/allow")) == 2)
        assert 80 < int(scheduler.of("/schedule")[1]["durationSeconds"]) < 120
        async with app.client.stream("GET", f"/api/messages/{reply}/events?from=0") as events:
            async for line in events.aiter_lines():
                if line.startswith(("event: delta", "event:delta")):
                    break
        assert (await app.client.post(f"/api/messages/{reply}/stop", headers={"Origin": app.url})).is_success
        stopped = await ended(app, reply)
        assert stopped["state"] == "stopped"
        assert stopped["text"]
        await until(lambda: len(scheduler.of("/release")) == 2)

        # One that waits for a GPU is stopped there.
        scheduler.waiting.set()
        reply = await send("Hello")
        await until(lambda: len(scheduler.of("/schedule")) == 3)
        assert (await app.client.post(f"/api/messages/{reply}/stop", headers={"Origin": app.url})).is_success
        assert (await ended(app, reply))["state"] == "stopped"
        await until(scheduler.left.is_set)
        scheduler.waiting.clear()

        # No GPU time left: said in our words, and the next one works.
        scheduler.refuses = 429
        refused = await ended(app, await send("Hello"))
        assert refused["state"] == "failed"
        assert refused["failure"]["code"] == "rate_limited", refused
        scheduler.refuses = 0
        assert (await ended(app, await send("Say hello.", max_tokens=5)))["state"] == "complete"
