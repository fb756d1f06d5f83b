"""Models from a hub: whole downloads with their progress, and what it means when the hub refuses."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backends.errors import Unavailable
from backends.local.loading.hub import download
from tests.backends.hub_server import running_hub
from tests.hub import COMMIT

pytest.importorskip("huggingface_hub")

HEADER = b'{"weight":{"dtype":"U8","shape":[3000000],"data_offsets":[0,3000000]}}'
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + b"x" * 3_000_000
MODEL = {
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "tokenizer.json": b"{}",
    "README.md": b"words",
    "pytorch_model.bin": b"a pickle",
    "consolidated.safetensors": b"the same once more",
    "original/model.safetensors": b"the same once more",
    "checkpoint-10/model.safetensors": b"from the middle of its training",
}
ADAPTER = {
    "adapter_config.json": json.dumps({"base_model_name_or_path": "me/model", "peft_type": "LORA"}).encode(),
    "adapter_model.safetensors": WEIGHTS,
}
ASKED = [("me/model", None), ("me/model", "old"), ("me/half", None), ("nobody/gated", None)]
ASKED += [("nobody/nothing", None), ("nobody/else", None)]

# In a process of its own: the hub's address is read from the environment when it is imported.
LOCATE = """
import json, sys
from backends.errors import BackendError
from backends.local.loading.model import resolve
from backends.local.loading.sources import locate
from backends.options import LocalOptions
told = []
for source, revision in json.loads(sys.argv[1]):
    progress = []
    try:
        asked = resolve(LocalOptions(source=source, revision=revision))
        found = locate(asked.source, revision=asked.revision, token=None, report=progress.append)
        files = sorted(path.name for path in found.folder.rglob("*") if path.is_file())
        told.append({"files": files, "revision": found.revision, "bytes": found.weight_bytes})
        told[-1]["adapter"] = asked.adapter
    except BackendError as error:
        told.append({"error": type(error).__name__, "said": str(error)})
    told[-1]["progress"] = [[step.phase, step.done, step.total] for step in progress]
print(json.dumps(told))
"""


def located(
    asked: list[tuple[str, str | None]], home: Path, address: str, before: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """before: a command line that runs the one behind it."""
    env = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    command = [*before, sys.executable, "-c", LOCATE, json.dumps(asked)]
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


def test_an_adapter_from_a_hub_brings_its_model(tmp_path: Path) -> None:
    with running_hub({"me/model": MODEL, "me/adapter": ADAPTER}) as address:
        adapter, pinned = located([("me/adapter", None), ("me/model", COMMIT)], tmp_path, address)
    assert adapter["adapter"] == "me/adapter"
    assert adapter["files"] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert adapter["revision"] == pinned["revision"] == COMMIT


def test_weights_that_arrive_cut_short_are_told(tmp_path: Path) -> None:
    with running_hub({"me/model": {**MODEL, "model.safetensors": WEIGHTS[:-1]}}) as address:
        (short,) = located([("me/model", None)], tmp_path, address)
    assert short["error"] == "ModelUnsupported"
    assert "model.safetensors is incomplete" in short["said"]


def full_disk(home: Path) -> list[str]:
    """A command line that gives the one behind it a disk of 2 MB at `home`, in a world of its own."""
    mount = f'mount -t tmpfs -o size=2m tmpfs {shlex.quote(str(home))} && exec "$@"'
    world = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*world, "true"], capture_output=True).returncode:
        pytest.skip("this system makes no small disks for tests")
    return world


def test_a_disk_that_becomes_full_is_told_and_what_is_there_is_kept(tmp_path: Path) -> None:
    with running_hub({"me/model": MODEL}) as address:
        (full,) = located(ASKED[:1], tmp_path, address, before=full_disk(tmp_path))
        (then,) = located(ASKED[:1], tmp_path, address)
    assert full["error"] == "Unavailable"
    assert "The disk ran out of space while me/model was being downloaded" in full["said"]
    assert "HF_HOME" in full["said"]
    assert then["bytes"] == len(WEIGHTS)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EDQUOT, "no more for you"),
        RuntimeError("Data processing error: IO Error: No space left on device (os error 28)"),
    ],
    ids=["disk", "quota", "words"],
)
def test_a_full_disk_is_known_however_it_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("download failed") from error

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(Unavailable, match="disk ran out of space"):
        download("me/model", None, None, lambda _: None)
