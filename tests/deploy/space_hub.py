"""The Hub as `huggingface_hub` 2.4 uses it for a Space, on a free port of this machine: create, look at,
commit with the decision what goes to LFS, upload there, secrets, variables, hardware."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.hub import COMMIT, TOKEN, HubHandler, apply_commit, serving, upload_places


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
    with serving(_handler(hub)) as hub.url:
        yield hub


def _handler(hub: Hub) -> type[HubHandler]:
    class Handler(HubHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if parts[0] != "upload" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer({"error": "Invalid username or password."}, 401)
            match parts:
                case ["api", "repos", "create"]:
                    return self._create(json.loads(body))
                case ["api", "validate-yaml"]:
                    return self.answer({"warnings": [], "errors": []})
                case ["api", "spaces", "hardware"]:
                    return self.answer([_T4])
                case ["upload", oid]:
                    hub.lfs[oid] = body
                    return self.answer({})
                case ["spaces", owner, name, "info", "lfs", "objects", "batch"]:
                    return self.answer(upload_places(hub.url, body))
                case ["api", "spaces", owner, name, *rest] | ["spaces", owner, name, *rest]:
                    if f"{owner}/{name}" not in hub.spaces:
                        return self.answer({"error": "Repository not found"}, 404, "RepoNotFound")
                    return self._of(hub.spaces[f"{owner}/{name}"], rest, body)
            return self.answer({"error": f"not played: {self.path}"}, 404)

        do_GET = do_HEAD = do_POST = do_PUT = _do

        def _create(self, asked: dict[str, Any]) -> None:
            if hub.refuses:
                return self.answer({"error": "no"}, hub.refuses)
            name = f"{asked['organization']}/{asked['name']}"
            hub.spaces[name] = Space(
                asked,
                {".gitattributes": b"", "README.md": b"---\nsdk: gradio\n---\n"},
                {one["key"]: one["value"] for one in asked.get("secrets", ())},
                {one["key"]: one["value"] for one in asked.get("variables", ())},
                asked.get("hardware", ""),
                asked.get("sleepTimeSeconds"),
            )
            self.answer({"url": f"{hub.url}/spaces/{name}", "name": name, "id": "1"})

        def _of(self, space: Space, rest: list[str], body: bytes) -> None:
            match rest:
                case [] | ["revision", _]:
                    self.answer({"id": "a/b", "sha": COMMIT, "siblings": [], "tags": [], "private": True})
                case ["tree", *_]:
                    listed = [
                        {"type": "file", "path": path, "size": len(of), "oid": hashlib.sha1(of).hexdigest()}
                        for path, of in space.files.items()
                    ]
                    self.answer(listed)
                case ["resolve", _, *path]:
                    self.file(space.files["/".join(path)])
                case ["preupload", _]:
                    asked = json.loads(body)["files"]
                    self.answer({"files": [self._mode(one) for one in asked]})
                case ["commit", _]:
                    self._commit(space, body)
                case ["secrets"] if self.command == "POST":
                    one = json.loads(body)
                    space.secrets[one["key"]] = one["value"]
                    self.answer({})
                case ["secrets"]:
                    self.answer({name: {} for name in space.secrets})
                case ["variables"]:
                    if self.command == "POST":
                        one = json.loads(body)
                        space.variables[one["key"]] = one["value"]
                    self.answer({name: {"value": value} for name, value in space.variables.items()})
                case ["volumes"]:
                    space.volumes = json.loads(body)["volumes"]
                    self.answer({})
                case ["hardware"]:
                    one = json.loads(body)
                    space.hardware, space.sleep = one["flavor"], one.get("sleepTimeSeconds")
                    self.answer({"stage": "BUILDING", "hardware": {}})
                case _:
                    self.answer({"error": f"not played: {self.path}"}, 404)

        def _mode(self, one: dict[str, Any]) -> dict[str, Any]:
            binary = b"\0" in base64.b64decode(one["sample"])
            if binary:
                hub.through_lfs.add(one["path"])
            return {"path": one["path"], "uploadMode": "lfs" if binary else "regular", "shouldIgnore": False}

        def _commit(self, space: Space, body: bytes) -> None:
            apply_commit(body, space.files, hub.lfs)
            self.answer(
                {"commitUrl": f"{hub.url}/spaces/a/b/commit/{COMMIT}", "commitOid": COMMIT, "hookOutput": ""}
            )

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
