"""Third-party libraries of the page: copied from their npm packages at pinned versions, never changed.

python -m webchat.ui.vendor            # check the files against the sums in the README beside them
python -m webchat.ui.vendor --refresh  # fetch those in packages.json (needs npm), write files and README
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).parent / "assets" / "vendor"

_ROW = re.compile(r"^\| `(?P<path>[^`]+)` \| (?P<size>\d+) \| `(?P<sum>[0-9a-f]{64})` \|$", re.MULTILINE)

_INTRO = """# Libraries by other people

Copied unchanged from their npm packages, each with its licence beside it. `packages.json` names the versions;
`python -m webchat.ui.vendor --refresh` fetches them and writes this page, without `--refresh` it checks the
sums.
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package. `files` maps a path or glob in the package to a file, or a folder ending in `/`."""

    name: str
    version: str
    licence: str
    note: str
    folder: str
    files: dict[str, str]


def packages(folder: Path = FOLDER) -> list[Package]:
    return [Package(**entry) for entry in json.loads((folder / "packages.json").read_text("utf-8"))]


def recorded(folder: Path = FOLDER) -> dict[str, str]:
    """Path to sha256, as the README says."""
    text = (folder / "README.md").read_text("utf-8")
    return {row["path"]: row["sum"] for row in _ROW.finditer(text)}


def actual(folder: Path = FOLDER) -> dict[str, str]:
    """Path to sha256 of every file in the packages' folders, but for our note of their types."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for package in packages(folder)
        for path in sorted((folder / package.folder).rglob("*"))
        if path.is_file() and not path.name.endswith(".d.ts")
    }


def refresh(folder: Path = FOLDER) -> None:
    """Fetch every package with npm and write its files and the README. Raises CalledProcessError."""
    for package in packages(folder):
        with tempfile.TemporaryDirectory() as scratch:
            spec = f"{package.name}@{package.version}"
            subprocess.run(
                ["npm", "pack", "--silent", spec], cwd=scratch, check=True, stdout=subprocess.DEVNULL
            )
            with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
                archive.extractall(scratch, filter="data")
            _copy(package, Path(scratch) / "package", folder / package.folder)
    (folder / "README.md").write_text(_readme(folder), "utf-8")


def _copy(package: Package, source: Path, target: Path) -> None:
    for pattern, name in package.files.items():
        for path in sorted(source.glob(pattern)):
            out = target / name / path.name if name.endswith("/") else target / name
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(path.read_bytes())


def _readme(folder: Path) -> str:
    parts = [_INTRO]
    sums = actual(folder)
    for package in packages(folder):
        parts.append(
            f"\n## {package.name} {package.version}\n\nLicence: {package.licence}. {package.note}".rstrip()
        )
        parts.append("\n\n| file | bytes | sha256 |\n|---|---|---|\n")
        for path, digest in sums.items():
            if PurePosixPath(path).parts[0] == package.folder:
                parts.append(f"| `{path}` | {(folder / path).stat().st_size} | `{digest}` |\n")
    return "".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m webchat.ui.vendor", description=__doc__)
    parser.add_argument("--refresh", action="store_true", help="fetch the pinned versions with npm")
    if parser.parse_args().refresh:
        refresh()
    wrong = sorted(set(recorded().items()) ^ set(actual().items()))
    for path, digest in wrong:
        print(f"{path}: {digest} is not in both the README and the folder", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
