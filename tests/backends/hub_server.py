"""A small Hugging Face hub: what `huggingface_hub` asks of the real one, on a free port of this machine.

Source: the hub's HTTP API as `huggingface_hub` 1.x calls it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.hub import COMMIT, HubHandler, serving

REFUSALS = {"nobody/gated": (403, "GatedRepo"), "nobody/nothing": (401, "RepoNotFound")}


@contextmanager
def running_hub(models: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    """Serve the files of `models` (id -> name -> content); yields the address. Other ids are refused."""
    with serving(_handler(models)) as address:
        yield address


def _handler(models: Mapping[str, Mapping[str, bytes]]) -> type[HubHandler]:
    class Hub(HubHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = self.path.partition("?")[0].strip("/").split("/")
            parts = parts[2:] if parts[0] == "api" else parts
            name, rest = "/".join(parts[:2]), parts[2:]
            if name not in models:
                status, code = REFUSALS.get(name, (404, "RepoNotFound"))
                self.answer({}, status, code)
            elif rest[:2] in ([], ["revision", "main"], ["revision", COMMIT]):
                files = [{"rfilename": file, "size": len(data)} for file, data in models[name].items()]
                said = {"id": name, "sha": COMMIT, "siblings": files, "private": False, "tags": []}
                self.answer(said)
            elif rest[0] == "revision":
                self.answer({}, 404, "RevisionNotFound")
            elif rest[0] == "tree":
                listed = [
                    {"type": "file", "path": file, "size": len(data), "oid": _etag(data)}
                    for file, data in models[name].items()
                ]
                self.answer(listed)
            else:
                self.file(models[name]["/".join(rest[2:])])

    return Hub


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
