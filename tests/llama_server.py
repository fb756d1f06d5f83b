"""A real llama.cpp server in a process of its own: the remote endpoint of the tests.

Run alone: `python -m tests.llama_server MODEL.gguf`; it prints its address and serves until its standard
input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent
CONTEXT_PER_SLOT = 1024
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
        slots = httpx.get(f"{self.address}/slots", timeout=10).json()
        return sum(bool(slot["is_processing"]) for slot in slots)


@contextmanager
def running_llama_server(model: Path) -> Iterator[LlamaServer]:
    """Start the server on a free port and stop it when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.llama_server", str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"the llama.cpp server did not start (exit status {process.wait(10)})")
        yield LlamaServer(address)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def llama_server(demo_gguf: Path) -> Iterator[LlamaServer]:
    """A llama.cpp server with the demo model, one for the whole run."""
    with running_llama_server(demo_gguf) as server:
        yield server


def _serve(model: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {LlamaServer("").model}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = CONTEXT_PER_SLOT * SLOTS
    params.kv_unified = False
    params.n_threads_http = 8
    params.endpoint_slots = True
    # Spinning threads starve a busy machine, and the tests share theirs.
    params.cpuparams.n_threads = 2
    params.cpuparams.poll = 0
    server = xllamacpp.Server(params)
    address = server.listening_address
    while httpx.get(f"{address}/health").status_code != 200:
        time.sleep(0.05)
    print(address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve(sys.argv[1])
