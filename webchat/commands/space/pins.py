"""What a Space installs: the project's own dependencies at the tested versions."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from webchat.commands.space.kinds import Kind

HOST = {"pydantic": "2.12.5"}
"""The host installs `gradio[oauth,mcp]` in the same step; this is the newest pydantic that the extra `mcp`
accepts."""

_FILE = Path(__file__).parent / "pins.json"


@cache
def pins() -> dict[str, dict[str, str]]:
    """The tested version of each requirement, by extra; `""` has those of the core."""
    read: dict[str, dict[str, str]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return read


def requirements(kind: Kind) -> str:
    """The text of requirements.txt. Gradio comes from `sdk_version`, and `spaces` from the host."""
    wanted = {name: version for extra in ("", *kind.extras) for name, version in pins()[extra].items()}
    wanted |= {name: version for name, version in {**HOST, **kind.instead}.items() if name in wanted}
    return "".join(f"{name}=={version}\n" for name, version in sorted(wanted.items()) if name != "gradio")


def gradio_version() -> str:
    return pins()[""]["gradio"]
