"""The Hub as `huggingface_hub` 2.4 uses it for a dataset repository, on a free port of this machine: create,
list, upload through LFS, commit, delete, download."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tests.hub import COMMIT, TOKEN, HubHandler, apply_commit, serving, upload_places


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
    with serving(_handler(hub)) as hub.url:
        yield hub


def _handler(hub: Hub) -> type[HubHandler]:
    class Handler(HubHandler):
        def _do(self) -> None:
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            size = int(self.headers.get("Content-Length") or 0)
            if parts[0] == "upload" and hub.cuts:
                hub.cuts = False
                self.rfile.read(size // 2)
                self.close_connection = True
                self.connection.close()
                return
            body = self.rfile.read(size)
            if parts[0] == "upload":
                hub.lfs[parts[1]] = body
                self.answer({})
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer({"error": "Invalid username or password."}, 401)
            elif parts[1:] == ["repos", "create"]:
                if hub.hidden:
                    self.answer({"error": "You don't have the rights"}, 403)
                    return
                hub.files = {} if hub.files is None else hub.files
                self.answer({"url": f"{hub.url}/datasets/me/kept", "name": "me/kept", "id": "1"})
            elif hub.files is None or hub.hidden:
                self.answer({"error": "Repository not found"}, 404, "RepoNotFound")
            else:
                self._of(hub.files, parts[3 + (parts[0] == "api") :], body)

        do_GET = do_HEAD = do_POST = do_PUT = _do

        def _of(self, files: dict[str, bytes], rest: list[str], body: bytes) -> None:
            match rest:
                case [] | ["revision", _]:
                    self.answer({"id": "me/kept", "sha": COMMIT, "siblings": [], "private": hub.private})
                case ["tree", _, *folder]:
                    self._tree(files, "/".join(folder))
                case ["info", "lfs", "objects", "batch"]:
                    self.answer(upload_places(hub.url, body))
                case ["preupload", _]:
                    asked = json.loads(body)["files"]
                    told = [
                        {"path": one["path"], "uploadMode": "lfs", "shouldIgnore": False} for one in asked
                    ]
                    self.answer({"files": told})
                case ["commit", _]:
                    self._commit(files, body)
                case ["resolve", _, *path]:
                    self.file(files["/".join(path)])
                case _:
                    self.answer({"error": f"not played: {self.path}"}, 404)

        def _tree(self, files: dict[str, bytes], folder: str) -> None:
            below = f"{folder}/" if folder else ""
            inside = {path[len(below) :].split("/")[0] for path in files if path.startswith(below)}
            if folder and not inside:
                self.answer({"error": "no such folder"}, 404, "EntryNotFound")
                return
            listed = []
            for name in sorted(inside):
                path = below + name
                if (content := files.get(path)) is None:
                    listed.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
                else:
                    oid = hashlib.sha1(content).hexdigest()
                    listed.append({"type": "file", "path": path, "oid": oid, "size": len(content)})
            self.answer(listed)

        def _commit(self, files: dict[str, bytes], body: bytes) -> None:
            hub.commits.append(apply_commit(body, files, hub.lfs))
            url = f"{hub.url}/datasets/me/kept/commit/{COMMIT}"
            self.answer({"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})

    return Handler
