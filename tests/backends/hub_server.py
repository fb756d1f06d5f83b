"""A small Hugging Face hub: what `huggingface_hub` asks of the real one, on a free port of this machine.

Source: the hub's HTTP API as `huggingface_hub` 1.x calls it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSALS = {"nobody/gated": (403, "GatedRepo"), "nobody/nothing": (401, "RepoNotFound")}


@contextmanager
def running_hub(models: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    """Serve the files of `models` (id -> name -> content); yields the address. Other ids are refused."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(models))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(models: Mapping[str, Mapping[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            parts = parts[2:] if parts[0] == "api" else parts
            name, rest = "/".join(parts[:2]), parts[2:]
            if name not in models:
                status, code = REFUSALS.get(name, (404, "RepoNotFound"))
                self._answer(status, b"{}", {"X-Error-Code": code})
            elif rest[:2] in ([], ["revision", "main"], ["revision", COMMIT]):
                files = [{"rfilename": file, "size": len(data)} for file, data in models[name].items()]
                said = {"id": name, "sha": COMMIT, "siblings": files, "private": False, "tags": []}
                self._answer(200, json.dumps(said).encode(), {"Content-Type": "application/json"})
            elif rest[0] == "revision":
                self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif rest[0] == "tree":
                listed = [
                    {"type": "file", "path": file, "size": len(data), "oid": _etag(data)}
                    for file, data in models[name].items()
                ]
                self._answer(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
            else:
                self._file(models[name]["/".join(rest[2:])])

        def _file(self, data: bytes) -> None:
            self._answer(200, data, {"ETag": f'"{_etag(data)}"', "X-Repo-Commit": COMMIT})

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is theirs."""

    return Hub


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
