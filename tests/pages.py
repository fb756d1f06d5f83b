"""The pages of the documentation: what their code blocks hold, and doing what they say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.app_process import AppProcess
from tests.clean_environment import ROOT

_BLOCK = re.compile(r"^(?:`([\w./-]+)`:\n\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block. file: the path named in the line before it."""

    file: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines of a block of commands without their comments."""
        lines = (line.partition(" # ")[0].strip() for line in self.text.splitlines())
        return [line for line in lines if line]


def blocks(page: Path) -> list[Block]:
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(file, language, text) for file, language, text in found]


def copy_of_the_project(folder: Path) -> Path:
    """What is in the repository, and what will be, without what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (source := ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def environment(*folders: Path) -> dict[str, str]:
    """The environment of a shell in which this Python's commands are found, and the packages of these
    folders."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def follow(page: Path, folder: Path) -> None:
    """Do what a page says, block by block: write files, change them, run commands. What `pip` installs goes
    into a folder beside. Raises `AssertionError` with what a command said."""
    installed = folder / ".installed"
    pip = {"INDEX": "1", "DEPS": "1", "BUILD_ISOLATION": "0"}  # the last means: no isolation
    shell = environment(folder, installed, ROOT) | {f"PIP_NO_{name}": value for name, value in pip.items()}
    for block in blocks(page):
        path = folder / block.file
        if block.language == "sh":
            for command in block.commands:
                run(command, folder, {**shell, "PIP_TARGET": str(installed)})
        elif block.language == "diff":
            path.write_text(changed(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
        elif block.file:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def changed(text: str, diff: str) -> str:
    """A text after a change: lines in front of which there is a space, a plus or a minus."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    assert text.count(before) == 1, f"not exactly once in the file:\n{before}"
    return text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))


def run(command: str, folder: Path, shell: Mapping[str, str], *, preloaded: bool = False) -> None:
    """Run a command to its end; one that serves, until it is ready. preloaded: see `AppProcess`."""
    name, *arguments = shlex.split(command)
    if name == "webchat" and (not arguments or arguments[0].startswith("-")):
        app = AppProcess(folder / "data", *arguments, env=shell, preloaded=preloaded, checkout=folder)
        with app:
            assert httpx.get(f"{app.url}/readyz").status_code == 200
        return
    done = subprocess.run(
        command, shell=True, cwd=folder, env=shell, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The files of this project that a page links to, each with the heading."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            path, _, heading = target.partition("#")
            yield (page.parent / path).resolve() if path else page, heading


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
