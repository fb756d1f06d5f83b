"""Python environments made from nothing, as a user or a host makes them."""

from __future__ import annotations

import email
import hashlib
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
PIP_CACHE = ROOT / ".cache" / "pip"
KEPT = ROOT / ".cache" / "environments"


def kept_environment(*requirements: str, constrained: bool = True) -> Path:
    """The interpreter of an environment with the requirements, at the versions of constraints.txt where it is
    `constrained`, made from nothing. It is kept in the repository's cache, and used again while the same is
    asked; nobody changes it. Raises RuntimeError with what pip said."""
    constraints = ("--constraint", str(CONSTRAINTS)) if constrained else ()
    key = "\n".join([sys.version, *requirements, CONSTRAINTS.read_text("utf-8") if constrained else "free"])
    folder = KEPT / hashlib.sha256(key.encode()).hexdigest()[:16]
    python, whole = folder / "bin" / "python", folder / "whole"
    KEPT.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not whole.exists():
            venv.create(folder, clear=True)
            pip(python, "install", "--no-compile", *constraints, *requirements)
            whole.touch()
    return python


def environment_of(wheel: Path, folder: Path) -> Path:
    """Make an environment in `folder` with the wheel of this project and what it depends on; returns its
    interpreter."""
    kept = kept_environment(*_dependencies(wheel))
    venv.create(folder)
    python = folder / "bin" / "python"
    libraries = Path("lib") / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (folder / libraries / "kept.pth").write_text(f"{kept.parents[1] / libraries}\n")
    pip(python, "install", "--no-deps", "--no-compile", str(wheel))
    return python


def _dependencies(wheel: Path) -> Sequence[str]:
    """What the wheel asks for without any extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(name))
    return [line for line in said.get_all("Requires-Dist", []) if "extra ==" not in line]


def build_wheel(folder: Path) -> Path:
    """Build this project's wheel into `folder`."""
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("webchat_own_model-*.whl")
    return wheel


def pip(python: Path, command: str, *args: str) -> None:
    """Run pip quietly, with a cache that outlives the test."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python)),
            *("--quiet", "--disable-pip-version-check", command, *args),
        ],
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
