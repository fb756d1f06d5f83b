"""The example packages, installed as their readers install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.clean_environment import ROOT

EXAMPLES = ROOT / "deploy/examples"


def install(name: str, folder: Path) -> Path:
    """A folder in which an example is installed, as `pip install` leaves it. Needs no network."""
    source = folder / "source"
    shutil.copytree(EXAMPLES / name, source)  # building leaves files behind
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(folder / "installed"), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder / "installed"


def own_tests(name: str, installed: Path) -> str:
    """What pytest says of an example's own tests. Raises AssertionError if one fails."""
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    command.append(str(EXAMPLES / name / "tests"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
