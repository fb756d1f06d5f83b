"""Writes a Space's folder: everything its repository needs, the app included."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import backends
import webchat
from webchat.commands.space.carried import Carried
from webchat.commands.space.front import readme
from webchat.commands.space.kinds import Kind
from webchat.commands.space.pins import requirements
from webchat.commands.terminal import CommandError
from webchat.settings import Settings

MARK = "# Written by `webchat space build`, which replaces this file.\n"

APP = f'''{MARK}"""Settings come from webchat.toml, the Space's variables and its secrets."""

import sys

from webchat.__main__ import main

if __name__ == "__main__":
    sys.exit(main([]))
'''

ZEROGPU_APP = f'''{MARK}"""Settings come from webchat.toml, the Space's variables and its secrets."""

import sys

import spaces  # before torch, which it prepares for a GPU that comes and goes

from webchat.zerogpu import launch

if __name__ == "__main__":
    sys.exit(launch())
'''

PACKAGES = ("webchat", "backends")
OURS = frozenset(
    {*PACKAGES, ".gitattributes", "README.md", "app.py", "files", "models", "requirements.txt", "rules"}
)
"""What a Space's folder may have at its top, beside what git and the Hub put there."""
TOML = "webchat.toml"
NOT_OURS_TO_JUDGE = frozenset({".git", ".gitignore", ".huggingface", ".cache"})

BINARIES = ("*.woff2", "*.gguf", "*.png")
"""What a Space's repository takes only through Git LFS."""


def build(folder: Path, kind: Kind, settings: Settings, found: Carried, title: str) -> None:
    """Write the Space, over an earlier one in that folder. Raises `CommandError` for a folder with other
    things in it, before anything is written, and `OSError`."""
    check_replaceable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*PACKAGES, "files", "rules", "models"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for package in (webchat, backends):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in written(kind, settings, found, title).items():
        (folder / name).write_text(text, encoding="utf-8")
    if not found.toml():
        (folder / TOML).unlink(missing_ok=True)
    for at, source in found.files.items():
        (folder / at).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / at)


def written(kind: Kind, settings: Settings, found: Carried, title: str) -> dict[str, str]:
    """The files that are made and not copied, by name."""
    made = {
        "README.md": readme(kind, settings, found, title),
        "app.py": ZEROGPU_APP if kind.name == "zerogpu" else APP,
        "requirements.txt": requirements(kind),
        ".gitattributes": "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in BINARIES),
    }
    if toml := found.toml():
        made[TOML] = MARK + toml
    return made


def check_replaceable(folder: Path) -> None:
    """Raises `CommandError` unless the folder is new, empty, a fresh clone or an earlier Space of ours."""
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file; give a folder.")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    app = folder / "app.py"
    ours = app.is_file() and app.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    if others := strangers(names, ours=ours):
        raise CommandError(
            f"{folder} contains other files: {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}."
            " Give an empty folder, a fresh clone of a Space, or one that `webchat space build` wrote."
        )


def strangers(names: set[str], *, ours: bool) -> list[str]:
    """Names at the top of a Space that this command did not write. ours: whether its app.py is from here."""
    known = NOT_OURS_TO_JUDGE | (OURS | {TOML} if ours else {".gitattributes", "README.md"})
    return sorted(names - known)


def files_in(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
