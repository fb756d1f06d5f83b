"""How this copy of the code was installed, and the commands that extend or upgrade it.

Every message that asks for another package gets its command from here: on the package index, the name of our
import package belongs to someone else, so a hand-written command may install the wrong thing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from shlex import join, quote
from typing import Any
from urllib.parse import unquote, urlsplit

NAME = "webchat-own-model"
"""The name of the distribution; the packages are `webchat` and `backends`, the command is `webchat`."""

IMAGE_EXTRAS = "image-extras"
"""A file in the environment of deploy/Dockerfile: the extras that the image was built with."""


def add_extra(extra: str) -> str:
    """The command that adds an optional extra of this project (`local`, `llamacpp`, ...)."""
    return this_copy().add_extra(extra)


def add_package(*packages: str) -> str:
    """The command that adds other packages to this environment."""
    return f"{_pip_install(this_copy().cwd)} {join(packages)}"


def renew() -> str:
    """The command that upgrades this project."""
    return this_copy().renew()


@dataclass(frozen=True, slots=True)
class Copy:
    """One installed copy.

    root: the folder that contains the packages. prefix: the one of its environment. cwd: where commands are
    run. distribution: its metadata, `None` if the packages were only copied.
    """

    root: Path
    prefix: Path
    cwd: Path
    distribution: Distribution | None
    space: bool = False

    def add_extra(self, extra: str) -> str:
        image = self.prefix / IMAGE_EXTRAS
        if image.is_file():
            extras = image.read_text(encoding="utf-8").strip()
            return f"docker build -f deploy/Dockerfile --build-arg EXTRAS={extras},{extra} -t webchat ."
        if self._is_space():
            return f"python deploy/space/build.py FOLDER {extra}"
        if self._is_checkout():
            return f"{_pip_install(self.cwd)} -e {quote(f'{self._folder()}[{extra}]')}"
        return self._install(self._requirement(f"[{extra}]"))

    def renew(self) -> str:
        if (self.prefix / IMAGE_EXTRAS).is_file():
            return "git pull && docker build -f deploy/Dockerfile -t webchat ."
        if self._is_space():
            return "git pull && python deploy/space/build.py FOLDER"
        if self._is_checkout():
            folder = self._folder()
            return f"git -C {quote(folder)} pull && {_pip_install(self.cwd)} -e {quote(folder)}"
        return self._install(self._requirement(""), "--upgrade")

    def _is_checkout(self) -> bool:
        """Whether the packages are next to the project's own pyproject.toml, as in an editable install."""
        try:
            text = (self.root / "pyproject.toml").read_text(encoding="utf-8")
        except OSError:
            return False
        return f'name = "{NAME}"' in text

    def _is_space(self) -> bool:
        """Whether deploy/space/build.py put the packages here."""
        return self.distribution is None and self.space

    def _folder(self) -> str:
        return "." if self.root == self.cwd else str(self.root)

    def _requirement(self, extra: str) -> str:
        """The project as an installer can find it again (PEP 610): its origin, if that still exists.
        Otherwise its name, which works even without an index because it is already installed."""
        source = self._source()
        url = str(source.get("url", ""))
        if vcs := source.get("vcs_info"):
            return f"{NAME}{extra} @ {vcs.get('vcs')}+{url}"
        path = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
        if path is not None and path.is_dir():
            return f"{path}{extra}"
        if url and (path is None or path.exists()):
            return f"{NAME}{extra} @ {url}"
        return f"{NAME}{extra}"

    def _source(self) -> dict[str, Any]:
        text = self.distribution.read_text("direct_url.json") if self.distribution is not None else None
        try:
            found = json.loads(text or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _install(self, requirement: str, *flags: str) -> str:
        words = join((*flags, requirement))
        if (self.prefix / "pipx_metadata.json").is_file():
            return f"pipx install --force {quote(requirement)}"
        if (self.prefix / "uv-receipt.toml").is_file():
            return f"uv tool install --force {words}"
        return f"{_pip_install(self.cwd)} {words}"


def this_copy() -> Copy:
    """The copy that is running."""
    try:
        found = distribution(NAME)
    except PackageNotFoundError:
        found = None
    root = Path(__file__).resolve().parents[1]
    return Copy(root, Path(sys.prefix), Path.cwd(), found, space="SPACE_ID" in os.environ)


def _pip_install(cwd: Path) -> str:
    """The command for this Python's pip; another pip on the PATH would install for another Python."""
    python = Path(sys.executable)
    first = shutil.which("pip")
    if first is not None and Path(first).parent == python.parent:
        return "pip install"
    shown = str(python.relative_to(cwd) if python.is_relative_to(cwd) else python)
    if find_spec("pip") is None:
        return f"uv pip install --python {quote(shown)}"
    return f"{quote(shown)} -m pip install"
