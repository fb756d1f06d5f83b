"""The proxies of `deploy/proxy/`, run as they are shipped."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from tests.proxies import nginx


class _Named(BaseHTTPRequestHandler):
    """Answers with the address of its server."""

    def do_GET(self) -> None:
        host, port, *_ = self.request.getsockname()
        body = f"{host}:{port}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Replica:
    """A stand-in for the app, of which only its address matters."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Named)
        self.name = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Replica:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_browser_stays_with_its_replica_while_it_runs(tmp_path: Path) -> None:
    with ExitStack() as stack:
        replicas = {(one := stack.enter_context(Replica())).name: one for _ in range(3)}
        front = stack.enter_context(nginx(tmp_path, list(replicas)))
        browsers = [
            stack.enter_context(httpx.Client(base_url=front.url, verify=front.tls)) for _ in range(24)
        ]
        first = [browser.get("/").text for browser in browsers]
        assert len(set(first)) > 1, "they are spread"
        for _ in range(3):
            assert [browser.get("/").text for browser in browsers] == first
        replicas[gone := first[0]].end()
        then = [browser.get("/").text for browser in browsers]
        assert gone not in then
        assert [new for new, old in zip(then, first, strict=True) if old != gone] == [
            old for old in first if old != gone
        ], "the others notice nothing"
