"""The Space's folder, built and started as a host does it: answers in an environment of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app_process import free_port
from tests.clean_environment import ROOT, kept_environment
from tests.scripted_endpoint import ScriptedEndpoint
from tests.served import served

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space")
    subprocess.run([sys.executable, ROOT / "deploy/space/build.py", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def python(space: Path) -> Path:
    """The interpreter of an environment as the host makes it: Gradio first, then the requirements."""
    front = (space / "README.md").read_text(encoding="utf-8").split("---")[1]
    version = re.search(r"^sdk_version: (.+)$", front, re.MULTILINE)
    assert version is not None
    asked = (space / "requirements.txt").read_text(encoding="utf-8")
    return kept_environment(f"gradio=={version[1]}", *asked.split())


def environment(home: Path, port: int) -> dict[str, str]:
    """What a Space sets, with a port of ours."""
    return {
        "SPACE_ID": "someone/webchat",
        "SYSTEM": "spaces",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "WEBCHAT_DATA_DIR": str(home / "data"),
    }


async def test_a_space_answers_with_the_embedded_model(
    space: Path, python: Path, demo_gguf: Path, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(tmp_path, port) | {"WEBCHAT_CACHE_DIR": str(demo_gguf.parents[1])}
    async with served([python, "app.py"], port=port, cwd=space, env=env) as app:
        await app.open_page()
        assert "Paris" in await app.ask("What is the capital of France?")


async def test_a_space_answers_through_an_endpoint_and_each_visitor_sees_only_their_own(
    space: Path, python: Path, tmp_path: Path
) -> None:
    port = free_port()
    async with ScriptedEndpoint() as endpoint:
        env = environment(tmp_path, port) | {"OPENAI_BASE_URL": endpoint.url, "OPENAI_API_KEY": "key"}
        async with served([python, "app.py"], port=port, cwd=space, env=env) as app:
            await app.open_page()
            assert (await app.ask("words=3 rate=0")).split() == ["w0", "w1", "w2"]
            assert len((await app.client.get("/api/conversations")).json()["items"]) == 1
            await app.open_page()
            assert (await app.client.get("/api/conversations")).json()["items"] == []
