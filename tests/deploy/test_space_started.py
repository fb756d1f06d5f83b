"""Each kind of Space, in an environment made as the host makes it: it starts, answers in a browser, and has
its chats after a restart. `python -m pytest -m slow tests/deploy/test_space_started.py --timeout=1800`"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.app_process import free_port
from tests.clean_environment import kept_environment
from tests.served import served
from webchat.cli import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def built(folder: Path, *flags: str) -> Path:
    assert run(["space", "build", str(folder), *flags]) == 0
    return folder


def host_environment(space: Path) -> Path:
    """The interpreter of an environment with what the host installs, in one step: the requirements, Gradio
    with two extras, `spaces` and a few more (from the build logs of public Spaces, 2026)."""
    front = (space / "README.md").read_text(encoding="utf-8").split("---")[1]
    version = re.search(r"^sdk_version: (.+)$", front, re.MULTILINE)
    assert version is not None
    asked = (space / "requirements.txt").read_text(encoding="utf-8").split()
    host = (f"gradio[oauth,mcp]=={version[1]}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces")
    return kept_environment(*asked, *host, constrained=False)


def environment(home: Path, port: int) -> dict[str, str]:
    """What a Space sets, with a port of ours."""
    return {
        "SPACE_ID": "someone/webchat",
        "SYSTEM": "spaces",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "WEBCHAT_DATA_DIR": str(home / "data"),
        "WEBCHAT_COOKIE_SECRET": "a-secret-of-this-space-0123456789abcdef",
    }


async def test_a_space_answers_with_the_embedded_model(demo_gguf: Path, tmp_path: Path) -> None:
    space = built(tmp_path / "space")
    python, port = host_environment(space), free_port()
    env = environment(tmp_path, port) | {"WEBCHAT_CACHE_DIR": str(demo_gguf.parents[1])}
    async with served([python, "app.py"], port=port, cwd=space, env=env) as app:
        await app.open_page()
        assert "Paris" in await app.ask("What is the capital of France?")
