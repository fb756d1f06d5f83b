"""A real llama.cpp server in a process of its own: the remote endpoint of the tests.

Run alone: `python -m tests.llama_server MODEL.gguf [PORT]`, see `tests.child_server`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.child_server import serving

CONTEXT_PER_SLOT = 2048
SLOTS = 4


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """Where the server listens, without a path, and the name it gives its model."""

    address: str
    model: str = "smol"

    @property
    def url(self) -> str:
        return f"{self.address}/v1"

    def busy_slots(self) -> int:
        """How many requests the server is working on at this moment."""
        slots = httpx.get(f"{self.address}/slots", timeout=60).json()
        return sum(bool(slot["is_processing"]) for slot in slots)


@pytest.fixture(scope="session")
def llama_server(demo_gguf: Path) -> Iterator[LlamaServer]:
    """A llama.cpp server with the demo model, one for the whole run."""
    with serving("tests.llama_server", str(demo_gguf)) as address:
        yield LlamaServer(address)


def _serve(model: str, port: int = 0) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {LlamaServer("").model}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT_PER_SLOT * SLOTS
    params.kv_unified = False
    params.n_threads_http = 8
    params.endpoint_slots = True
    # Threads that wait for each other crawl on a busy machine, and the tests share theirs.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    address = server.listening_address
    while httpx.get(f"{address}/health", timeout=60).status_code != 200:
        time.sleep(0.05)
    print(address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1], *map(int, sys.argv[2:]))
