"""The Hub as `huggingface_hub` 2.4 uses it for a Space, on a free port of this machine: create, look at,
commit with the decision what goes to LFS, upload there, secrets, variables, hardware."""

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
class Space:
    """files: path -> content; large ones only by way of LFS."""

    made: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    hardware: str = ""
    sleep: int | None = None
    volumes: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Hub:
    """refuses: status of the next creations. lfs: what was uploaded there, by its hash."""

    url: str = ""
    spaces: dict[str, Space] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)
    through_lfs: set[str] = field(default_factory=set)
    refuses: int = 0


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
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._do()

        def do_HEAD(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def do_PUT(self) -> None:
            self._do()

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if parts[0] != "upload" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._answer(401, {"error": "Invalid username or password."})
            match parts:
                case ["api", "repos", "create"]:
                    return self._create(json.loads(body))
                case ["api", "validate-yaml"]:
                    return self._answer(200, {"warnings": [], "errors": []})
                case ["api", "spaces", "hardware"]:
                    return self._answer(200, [_T4])
                case ["upload", oid]:
                    hub.lfs[oid] = body
                    return self._answer(200, {})
                case ["spaces", owner, name, "info", "lfs", "objects", "batch"]:
                    return self._batch(json.loads(body))
                case ["api", "spaces", owner, name, *rest] | ["spaces", owner, name, *rest]:
                    if f"{owner}/{name}" not in hub.spaces:
                        return self._answer(404, {"error": "Repository not found"}, code="RepoNotFound")
                    return self._of(hub.spaces[f"{owner}/{name}"], rest, body)
            return self._answer(404, {"error": f"not played: {self.path}"})

        def _create(self, asked: dict[str, Any]) -> None:
            if hub.refuses:
                return self._answer(hub.refuses, {"error": "no"})
            name = f"{asked['organization']}/{asked['name']}"
            hub.spaces[name] = Space(
                asked,
                {".gitattributes": b"", "README.md": b"---\nsdk: gradio\n---\n"},
                {one["key"]: one["value"] for one in asked.get("secrets", ())},
                {one["key"]: one["value"] for one in asked.get("variables", ())},
                asked.get("hardware", ""),
                asked.get("sleepTimeSeconds"),
            )
            self._answer(200, {"url": f"{hub.url}/spaces/{name}", "name": name, "id": "1"})

        def _batch(self, asked: dict[str, Any]) -> None:
            objects = [
                {**one, "actions": {"upload": {"href": f"{hub.url}/upload/{one['oid']}"}}}
                for one in asked["objects"]
            ]
            self._answer(200, {"transfer": "basic", "objects": objects})

        def _of(self, space: Space, rest: list[str], body: bytes) -> None:
            match rest:
                case [] | ["revision", _]:
                    self._answer(
                        200, {"id": "a/b", "sha": COMMIT, "siblings": [], "tags": [], "private": True}
                    )
                case ["tree", *_]:
                    listed = [
                        {"type": "file", "path": path, "size": len(of), "oid": hashlib.sha1(of).hexdigest()}
                        for path, of in space.files.items()
                    ]
                    self._answer(200, listed)
                case ["resolve", _, *path]:
                    self._file(space.files["/".join(path)])
                case ["preupload", _]:
                    asked = json.loads(body)["files"]
                    self._answer(200, {"files": [self._mode(one) for one in asked]})
                case ["commit", _]:
                    self._commit(space, body)
                case ["secrets"] if self.command == "POST":
                    one = json.loads(body)
                    space.secrets[one["key"]] = one["value"]
                    self._answer(200, {})
                case ["secrets"]:
                    self._answer(200, {name: {} for name in space.secrets})
                case ["variables"]:
                    if self.command == "POST":
                        one = json.loads(body)
                        space.variables[one["key"]] = one["value"]
                    self._answer(200, {name: {"value": value} for name, value in space.variables.items()})
                case ["volumes"]:
                    space.volumes = json.loads(body)["volumes"]
                    self._answer(200, {})
                case ["hardware"]:
                    one = json.loads(body)
                    space.hardware, space.sleep = one["flavor"], one.get("sleepTimeSeconds")
                    self._answer(200, {"stage": "BUILDING", "hardware": {}})
                case _:
                    self._answer(404, {"error": f"not played: {self.path}"})

        def _mode(self, one: dict[str, Any]) -> dict[str, Any]:
            binary = b"\0" in base64.b64decode(one["sample"])
            if binary:
                hub.through_lfs.add(one["path"])
            return {"path": one["path"], "uploadMode": "lfs" if binary else "regular", "shouldIgnore": False}

        def _commit(self, space: Space, body: bytes) -> None:
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    space.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    content = hub.lfs[value["oid"]]
                    assert hashlib.sha256(content).hexdigest() == value["oid"]
                    space.files[value["path"]] = content
                elif line["key"] == "deletedFile":
                    del space.files[value["path"]]
            self._answer(
                200,
                {"commitUrl": f"{hub.url}/spaces/a/b/commit/{COMMIT}", "commitOid": COMMIT, "hookOutput": ""},
            )

        def _file(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self._end(content)

        def _answer(self, status: int, said: object, code: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if code:
                self.send_header("X-Error-Code", code)
            self._end(json.dumps(said).encode())

        def _end(self, content: bytes) -> None:
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is theirs."""

    return Handler


_T4 = {
    "name": "t4-small",
    "prettyName": "Nvidia T4 - small",
    "cpu": "4 vCPU",
    "ram": "15 GB",
    "unitCostMicroUSD": 6667,
    "unitCostUSD": 0.4,
    "unitLabel": "hour",
}
