"""Models from a hub: whole downloads with their progress, and what it means when the hub refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.backends.hub_server import COMMIT, running_hub

pytest.importorskip("huggingface_hub")

WEIGHTS = b"x" * 3_000_000
MODEL = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "README.md": b"words",
    "pytorch_model.bin": b"a pickle",
    "consolidated.safetensors": b"the same once more",
    "original/model.safetensors": b"the same once more",
}
ASKED = [("me/model", None), ("me/model", "old"), ("me/half", None), ("nobody/gated", None)]
ASKED += [("nobody/nothing", None), ("nobody/else", None)]

# In a process of its own: the hub's address is read from the environment when it is imported.
LOCATE = """
import json, sys
from backends.errors import BackendError
from backends.local.sources import locate
told = []
for source, revision in json.loads(sys.argv[1]):
    progress = []
    try:
        found = locate(source, revision=revision, token=None, report=progress.append)
        files = sorted(path.name for path in found.folder.rglob("*") if path.is_file())
        told.append({"files": files, "revision": found.revision, "bytes": found.weight_bytes})
    except BackendError as error:
        told.append({"error": type(error).__name__, "said": str(error)})
    told[-1]["progress"] = [[step.phase, step.done, step.total] for step in progress]
print(json.dumps(told))
"""


def located(asked: list[tuple[str, str | None]], home: Path, address: str) -> list[dict[str, Any]]:
    env = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", LOCATE, json.dumps(asked)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def test_a_hub_gives_the_model_or_the_reason_why_not(tmp_path: Path) -> None:
    half = {name: data for name, data in MODEL.items() if name != "model.safetensors"}
    with running_hub({"me/model": MODEL, "me/half": half}) as address:
        whole, old, incomplete, gated, nothing, other = located(ASKED, tmp_path, address)
        (again,) = located(ASKED[:1], tmp_path, address)
    assert whole["files"] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert whole["revision"] == COMMIT
    assert whole["bytes"] == len(WEIGHTS)
    assert whole["progress"][0][0] == "connecting"
    assert whole["progress"][-1][0] == "downloading"
    assert whole["progress"][-1][1] == whole["progress"][-1][2] >= len(WEIGHTS)
    assert (again["files"], again["bytes"]) == (whole["files"], whole["bytes"])
    (kept,) = located(ASKED[:1], tmp_path, "http://127.0.0.1:9")
    assert kept["files"] == whole["files"], "what is here needs no hub"
    assert old["error"] == "ModelNotFound"
    assert "at revision old" in old["said"]
    assert incomplete["error"] == "ModelNotFound"
    assert "me/half has no model.safetensors on the hub" in incomplete["said"]
    assert gated["error"] == "AuthFailed"
    assert "HF_TOKEN" in gated["said"]
    assert nothing["error"] == other["error"] == "ModelNotFound"
