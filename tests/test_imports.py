"""Importing has no effect: no file, no look at the environment, no thread, nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
ENGINES = {"torch", "transformers", "accelerate", "peft", "xllamacpp", "gguf"}
HEAVY = {*ENGINES, "gradio", "sqlalchemy", "pandas", "numpy"}

WATCH = """
import json, os, sys, threading
watched, seen = ("WEBCHAT_", "OPENAI_", "HF_", "DATABASE_URL", "SPACE_ID"), []

class Watched(type(os.environ)):
    def __getitem__(self, key):
        if str(key).startswith(watched):
            seen.append(f"reads {key}")
        return super().__getitem__(key)

os.environ.__class__ = Watched

def hook(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"writes {args[0]}")
    elif event in ("os.mkdir", "socket.connect", "subprocess.Popen"):
        seen.append(f"{event} {args[0]}")

sys.addaudithook(hook)
for name in sys.argv[1].split(","):
    __import__(name)
print(json.dumps({"seen": seen, "modules": sorted(sys.modules), "threads": threading.active_count()}))
"""


def imported(names: str, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, names], cwd=cwd, capture_output=True, text=True, timeout=100,
        env={"PYTHONPATH": str(ROOT), "HOME": str(cwd), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("names", ["webchat", "backends", "webchat.cli,webchat.settings", "webchat.models"])
def test_importing_has_no_effect_and_takes_nothing_heavy(names: str, tmp_path: Path) -> None:
    result = imported(names, tmp_path)
    assert result["seen"] == []
    assert result["threads"] == 1
    assert not HEAVY & set(result["modules"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "names",
    [
        "backends.registry,backends.echo,backends.openai_compat,backends.local,backends.llamacpp.demo",
        "webchat.store",
        "webchat.turns,webchat.sharing,webchat.auth,webchat.api,webchat.prompts,webchat.moderation,webchat.privacy",
    ],
)
def test_every_room_can_be_imported_without_an_effect_or_an_engine(names: str, tmp_path: Path) -> None:
    result = imported(names, tmp_path)
    assert result["seen"] == []
    assert not {"torch", "transformers", "xllamacpp", "gradio"} & set(result["modules"])
    assert list(tmp_path.iterdir()) == []


def test_the_server_starts_without_an_engine() -> None:
    code = f"import sys, webchat.server; print([name for name in {sorted(ENGINES)} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
