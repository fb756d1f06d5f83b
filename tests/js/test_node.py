"""The page's modules that need no browser, by Node's own test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


def run(file: Path, **environment: str) -> None:
    assert NODE is not None, "node is not installed; `make test` installs it"
    command = [NODE, "--test", "--test-force-exit", "--test-timeout=120000", str(file)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.js")), ids=lambda file: file.name)
def test_modules(file: Path) -> None:
    run(file)


@pytest.mark.slow
def test_the_hub_on_many_schedules() -> None:
    run(HERE / "hub.test.js", SCHEDULES="3000")
