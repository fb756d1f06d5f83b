"""`webchat space push` with the real `huggingface_hub`, in a process of its own, against a played Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.deploy.space_hub import Hub, running_hub
from tests.hub import TOKEN

KEY = "sk-planted-8e21"
GUARD = "https://models.example.com/v1"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        yield hub


def push(home: Path, hub: Hub, *flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_TOKEN": TOKEN,
        **environ,
    }
    command = [sys.executable, "-m", "webchat", "space", "push", *flags]
    return subprocess.run(
        command, cwd=home, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=250
    )


def test_a_space_is_created_with_its_secrets_and_updated_later(tmp_path: Path, hub: Hub) -> None:
    asked = push(tmp_path, hub, "ada/chat", "--endpoint", GUARD, OPENAI_API_KEY=KEY)
    assert asked.returncode == 2
    assert "add --yes" in asked.stderr
    assert not hub.spaces  # nothing happens before the answer
    assert "needs a paid" in asked.stdout

    done = push(tmp_path, hub, "ada/chat", "--endpoint", GUARD, "--yes", OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/spaces/ada/chat" in done.stdout
    space = hub.spaces["ada/chat"]
    assert space.made["visibility"] == "private"
    assert (space.made["sdk"], space.hardware) == ("gradio", "cpu-basic")
    assert space.secrets["OPENAI_API_KEY"] == KEY
    assert len(space.secrets["WEBCHAT_COOKIE_SECRET"]) >= 32
    assert "HF_TOKEN" not in space.secrets  # it may write everything
    for planted in (KEY, TOKEN, space.secrets["WEBCHAT_COOKIE_SECRET"]):
        assert planted not in done.stdout + done.stderr
        assert not [path for path, content in space.files.items() if planted.encode() in content]
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "webchat").rglob("*.py")}
    assert here <= set(space.files)
    assert any(path.endswith(".woff2") for path in hub.through_lfs)
    assert all(space.files[path] == (ROOT / path).read_bytes() for path in hub.through_lfs)

    # Later: new settings, hardware by the hour, a module that is gone; who is signed in stays so.
    before = dict(space.secrets)
    space.files["webchat/gone.py"] = b""
    flags = (
        "--kind",
        "endpoint",
        "--hardware",
        "t4-small",
        "--sleep-after",
        "60",
        "--variable",
        "A=1",
        "--bucket",
        "ada/b",
    )
    done = push(tmp_path, hub, "ada/chat", *flags, "--yes")
    assert done.returncode == 0, done.stderr
    assert "$0.4 for each hour" in done.stdout
    assert "webchat/gone.py" not in space.files
    assert b'snapshots = "/bucket"' in space.files["webchat.toml"]
    assert [(one["source"], one["mountPath"]) for one in space.volumes] == [("ada/b", "/bucket")]
    assert space.secrets["WEBCHAT_COOKIE_SECRET"] == before["WEBCHAT_COOKIE_SECRET"]
    assert (space.hardware, space.sleep) == ("t4-small", 3600)
    assert space.variables == {"A": "1", "WEBCHAT_SNAPSHOTS": "/bucket"}

    # An update that doesn't name the bucket again goes on with its snapshots, and says so to visitors.
    done = push(tmp_path, hub, "ada/chat", "--kind", "endpoint", "--yes")
    assert done.returncode == 0, done.stderr
    assert (space.variables["WEBCHAT_SNAPSHOTS"], len(space.volumes)) == ("/bucket", 1)
    assert "copied to `/bucket`" in space.files["README.md"].decode()

    # A Space of somebody's other app is left alone, and what the Hub refuses is said.
    space.files["app.py"] = b"import gradio"
    refused = push(tmp_path, hub, "ada/chat", "--kind", "endpoint", "--yes")
    assert refused.returncode == 2
    assert "contains other files" in refused.stderr
    hub.refuses = 402
    refused = push(tmp_path, hub, "ada/new", "--kind", "endpoint", "--yes")
    assert "asks for a paid plan" in refused.stderr
    refused = push(tmp_path, hub, "ada/new", "--kind", "endpoint", "--yes", HF_TOKEN="hf_wrong")
    assert "token is not valid" in refused.stderr
    assert refused.stderr.count("\n") == 1
