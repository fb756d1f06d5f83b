"""What the played Hubs of the tests share: a server on a free port, and the form of its answers."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_planted0123456789"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Its address, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, said: object, status: int = 200, code: str = "") -> None:
        """JSON. code: the Hub's name for an error."""
        headers = {"Content-Type": "application/json", **({"X-Error-Code": code} if code else {})}
        self.end(json.dumps(said).encode(), headers, status)

    def file(self, content: bytes) -> None:
        self.end(content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def end(self, content: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests' output is theirs."""


def apply_commit(body: bytes, files: dict[str, bytes], lfs: Mapping[str, bytes]) -> str:
    """Change `files` as a commit says; its summary. lfs: what was uploaded, by its hash."""
    summary = ""
    for line in map(json.loads, body.splitlines()):
        value = line["value"]
        if line["key"] == "header":
            summary = value["summary"]
        elif line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            content = lfs[value["oid"]]
            assert hashlib.sha256(content).hexdigest() == value["oid"]
            files[value["path"]] = content
        elif line["key"] == "deletedFile":
            del files[value["path"]]
    return summary


def upload_places(url: str, body: bytes) -> object:
    """The answer to a request for places to upload to."""
    objects = [
        {**one, "actions": {"upload": {"href": f"{url}/upload/{one['oid']}"}}}
        for one in json.loads(body)["objects"]
    ]
    return {"transfer": "basic", "objects": objects}
