"""The commands of the page on monitoring do what it says."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.pages import blocks, environment, run

PAGE = ROOT / "deploy/monitoring.md"
COMMANDS = [line for block in blocks(PAGE) if block.language == "sh" for line in block.commands]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, tmp_path: Path) -> None:
    name, *arguments = shlex.split(command)
    if name != "webchat" and shutil.which(name) is None:
        pytest.skip(f"{name.upper()} IS MISSING, and a command of the page was not run: {command}")
    shell = {**environment(ROOT), "WEBCHAT_DATA_DIR": str(tmp_path / "data")}
    if name == "webchat" and arguments[0].startswith("-"):
        run(command.replace("9464", "0"), tmp_path, shell, preloaded=True)
        return
    done = subprocess.run(
        [*shlex.split(command), *(["--port", "0"] if name == "webchat" else [])],
        cwd=ROOT, env=shell, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # A slow disk or little memory of this machine is a warning.
    assert done.returncode in ((0, 1) if name == "webchat" else (0,)), done.stdout + done.stderr
