"""The Hub as `huggingface_hub` 2.4 uses it for a dataset repository, on a free port of this machine: create,
list, upload through LFS, commit, delete, download."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_planted0123456789"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """files: of the one repository, `None` before it is made. cuts: whether the connection of the next upload
    ends in its middle. hidden: whether the token may not see the repository."""

    url: str = ""
    files: dict[str, bytes] | None = None
    private: bool = True
    cuts: bool = False
    hidden: bool = False
    lfs: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            size = int(self.headers.get("Content-Length") or 0)
            if parts[0] == "upload" and hub.cuts:
                hub.cuts = False
                self.rfile.read(size // 2)
                self.connection.close()
                return
            body = self.rfile.read(size)
            if parts[0] == "upload":
                hub.lfs[parts[1]] = body
                self._answer({})
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer({"error": "Invalid username or password."}, 401)
            elif parts[1:] == ["repos", "create"]:
                if hub.hidden:
                    self._answer({"error": "You don't have the rights"}, 403)
                    return
                hub.files = {} if hub.files is None else hub.files
                self._answer({"url": f"{hub.url}/datasets/me/kept", "name": "me/kept", "id": "1"})
            elif hub.files is None or hub.hidden:
                self._answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            else:
                self._of(hub.files, parts[3 + (parts[0] == "api") :], body)

        do_GET = do_HEAD = do_POST = do_PUT = _do

        def _of(self, files: dict[str, bytes], rest: list[str], body: bytes) -> None:
            match rest:
                case [] | ["revision", _]:
                    self._answer({"id": "me/kept", "sha": COMMIT, "siblings": [], "private": hub.private})
                case ["tree", _, *folder]:
                    self._tree(files, "/".join(folder))
                case ["info", "lfs", "objects", "batch"]:
                    ones = json.loads(body)["objects"]
                    for one in ones:
                        one["actions"] = {"upload": {"href": f"{hub.url}/upload/{one['oid']}"}}
                    self._answer({"transfer": "basic", "objects": ones})
                case ["preupload", _]:
                    asked = json.loads(body)["files"]
                    told = [
                        {"path": one["path"], "uploadMode": "lfs", "shouldIgnore": False} for one in asked
                    ]
                    self._answer({"files": told})
                case ["commit", _]:
                    self._commit(files, body)
                case ["resolve", _, *path]:
                    content = files["/".join(path)]
                    headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
                    self._end(200, content, headers)
                case _:
                    self._answer({"error": f"not played: {self.path}"}, 404)

        def _tree(self, files: dict[str, bytes], folder: str) -> None:
            below = f"{folder}/" if folder else ""
            inside = {path[len(below) :].split("/")[0] for path in files if path.startswith(below)}
            if folder and not inside:
                self._answer({"error": "no such folder"}, 404, {"X-Error-Code": "EntryNotFound"})
                return
            listed = []
            for name in sorted(inside):
                path = below + name
                if (content := files.get(path)) is None:
                    listed.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
                else:
                    oid = hashlib.sha1(content).hexdigest()
                    listed.append({"type": "file", "path": path, "oid": oid, "size": len(content)})
            self._answer(listed)

        def _commit(self, files: dict[str, bytes], body: bytes) -> None:
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "header":
                    hub.commits.append(value["summary"])
                elif line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    content = hub.lfs[value["oid"]]
                    assert hashlib.sha256(content).hexdigest() == value["oid"]
                    files[value["path"]] = content
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
            url = f"{hub.url}/datasets/me/kept/commit/{COMMIT}"
            self._answer({"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})

        def _answer(self, said: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
            self._end(
                status, json.dumps(said).encode(), {"Content-Type": "application/json", **(headers or {})}
            )

        def _end(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is theirs."""

    return Handler
