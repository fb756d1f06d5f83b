"""Put a Space together in one folder: `python deploy/space/build.py FOLDER [EXTRA ...]`.

A Space installs `requirements.txt` before its other files are there, so it cannot install the project
itself. The two packages therefore lie beside `app.py`, and the requirements are those of the core, the
embedded engine, PostgreSQL and the extras named, at the versions of constraints.txt. Gradio itself comes
from `sdk_version`.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = ("webchat", "backends")
EXTRAS = ("llamacpp", "postgres")


def requirements(extras: Sequence[str] = EXTRAS) -> str:
    """The text of requirements.txt: what the project asks for directly, at the tested versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    # `pip freeze` writes a name as its project does, an index takes "-" and "_" for the same.
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    pinned = dict(
        line.split("==", 1) for line in constraints.splitlines() if "==" in line and not line.startswith("#")
    )
    lines = []
    for requirement in sorted(set(wanted)):
        name, extra = re.findall(r"^([A-Za-z0-9_-]+)(\[\w+\])?", requirement)[0]
        if name != "gradio":
            lines.append(f"{name}{extra}=={pinned[name.lower().replace('_', '-')]}\n")
    return "".join(lines)


def build(folder: Path, extras: Sequence[str] = EXTRAS) -> None:
    """Write the Space into `folder`, over what was there before of the same names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("README.md", "app.py"):
        shutil.copy(HERE / name, folder / name)
    for name in PACKAGES:
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "requirements.txt").write_text(requirements(extras), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python deploy/space/build.py FOLDER [EXTRA ...]")
    build(Path(sys.argv[1]), (*EXTRAS, *sys.argv[2:]))
    print(f"The Space is in {sys.argv[1]}; push that folder to its repository.")
