"""The real `transformers serve` in a process of its own: the second remote endpoint of the slow tests.

Run alone: `python -m tests.transformers_server FOLDER`, see `tests.child_server`. One route is added, which
says how many replies it is writing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app_process import free_port
from tests.child_server import serving


@pytest.fixture(scope="session")
def transformers_server(demo_folder: Path) -> Iterator[str]:
    """`transformers serve` with the demo model, one for the whole run; its address."""
    pytest.importorskip("transformers")
    with serving("tests.transformers_server", str(demo_folder)) as address:
        yield address


def busy(address: str) -> int:
    """How many replies the server is writing at this moment."""
    return int(httpx.get(f"{address}/busy", timeout=60).json())


def _serve(folder: str) -> None:
    from transformers import GenerationMixin
    from transformers.cli.serve import Serve

    # The server logs to where the address is expected.
    out, sys.stdout = sys.stdout, sys.stderr
    lock, at_work = threading.Lock(), 0
    generate = GenerationMixin.generate

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal at_work
        with lock:
            at_work += 1
        try:
            return generate(*args, **options)
        finally:
            with lock:
                at_work -= 1

    GenerationMixin.generate = counted  # type: ignore[method-assign]
    port = free_port()
    made: Any = Serve(folder, device="cpu", dtype="float32", host="127.0.0.1", port=port, non_blocking=True)
    made.server.config.app.add_api_route("/busy", lambda: at_work)
    address = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx.get(f"{address}/health", timeout=60).raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    print(address, file=out, flush=True)
    sys.stdin.read()
    made.kill_server()


if __name__ == "__main__":
    _serve(sys.argv[1])
