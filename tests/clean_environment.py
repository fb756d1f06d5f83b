"""Python environments made from nothing, as a user or a host makes them."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
PIP_CACHE = ROOT / ".cache" / "pip"


def make_environment(folder: Path, *requirements: str) -> Path:
    """Make an environment in `folder` with the requirements at the versions of constraints.txt; returns its
    interpreter. Raises RuntimeError with what pip said."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip(python, "install", "--constraint", str(CONSTRAINTS), *requirements)
    return python


def build_wheel(folder: Path) -> Path:
    """Build this project's wheel into `folder`."""
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("webchat_own_model-*.whl")
    return wheel


def pip(python: Path, command: str, *args: str) -> None:
    """Run pip quietly, with a cache that outlives the test."""
    done = subprocess.run(
        [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", command, *args],
        env={**os.environ, "PIP_CACHE_DIR": str(PIP_CACHE)},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"pip {command} failed:\n{done.stderr[-4000:]}")


def run(python: Path, *args: str, cwd: Path, env: dict[str, str] | None = None) -> Sequence[str]:
    """Run the environment's Python; returns (exit code as text, stdout, stderr)."""
    done = subprocess.run(
        [str(python), *args], cwd=cwd, env=bare(cwd, env), capture_output=True, text=True, timeout=100
    )
    return str(done.returncode), done.stdout, done.stderr


def bare(home: Path, env: dict[str, str] | None = None) -> dict[str, str]:
    """An environment without anything of the person who runs the tests."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(env or {})}
