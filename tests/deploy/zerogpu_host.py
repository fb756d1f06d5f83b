"""What ZeroGPU's host is to the wheel `spaces`: a scheduler over HTTP, and a GPU.

The scheduler is as `spaces.zero.api` of 0.51 calls it. The GPU is played by the CPU: run as a program,
`python zerogpu_host.py app.py` starts a Space's app with the emulated CUDA of `spaces` at import, and with
what needs a real driver left out: packing to disk, CUDA's own initialization, and the copy to the device.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Scheduler:
    """calls: each request, as its path and parameters. refuses: the status of the next answers to
    `/schedule`. waiting: while set, a caller is kept in the queue."""

    url: str = ""
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refuses: int = 0
    waiting: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def of(self, path: str) -> list[dict[str, str]]:
        return [params for called, params in self.calls if called == path]


@contextmanager
def running_scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(scheduler))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    scheduler.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield scheduler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(scheduler: Scheduler) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            scheduler.calls.append((parts.path, {key: of[0] for key, of in parse_qs(parts.query).items()}))
            if parts.path != "/schedule":
                self._answer(200, b"")
            elif scheduler.refuses == 429:
                self._answer(429, json.dumps({"left": 3, "wait": 600}).encode())
            elif scheduler.refuses:
                self._answer(scheduler.refuses, b"")
            elif scheduler.waiting.is_set():
                self._queue()
            else:
                self._answer(200, json.dumps(self._gpu()).encode())

        def _gpu(self) -> dict[str, Any]:
            granted = str(len(scheduler.of("/schedule")))
            return {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": granted}

        def _queue(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                while scheduler.waiting.is_set():
                    self.wfile.write(b"event: ping\n\n")
                    self.wfile.flush()
                    scheduler.waiting.wait(0)
                    threading.Event().wait(0.1)
                self.wfile.write(b"event: succeeded\ndata: " + json.dumps(self._gpu()).encode() + b"\n\n")
            except OSError:
                scheduler.left.set()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is theirs."""

    return Handler


def play_gpu() -> None:
    """Let the CPU play the GPU in the process that a reply borrows it in."""
    import torch

    # A build without CUDA lacks what `spaces` replaces.
    torch.version.cuda = "12.8"
    vars(torch._C).setdefault("_cuda_init", lambda: None)
    vars(torch.cuda)["_is_in_bad_fork"] = bool  # one that can be pickled
    import spaces
    from spaces.zero import torch as zero
    from spaces.zero.torch import patching

    def move(callback: Any = None) -> None:
        for fake, original in patching.cuda_aliases.items():
            if original is not None:
                fake.data = original

    assert spaces.GPU
    zero.pack, zero.size = lambda: 0, lambda: 0
    zero.init, zero.move = lambda uuid: None, move


if __name__ == "__main__":
    play_gpu()
    sys.argv = sys.argv[1:]
    sys.path.insert(0, "")
    runpy.run_path(sys.argv[0], run_name="__main__")
