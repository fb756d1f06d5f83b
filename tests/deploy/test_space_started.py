"""Each kind of Space that runs on a CPU, in an environment made as the host makes it: it starts, answers in a
browser, and has its chats after a restart on an empty disk.

`python -m pytest -m slow tests/deploy/test_space_started.py`; the kinds with a GPU: `test_zerogpu`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from tests.app_process import free_port
from tests.browser import LAUNCH
from tests.clean_environment import kept_environment
from tests.e2e.chat import BOX
from tests.scripted_endpoint import ScriptedEndpoint
from tests.served import served
from webchat.cli import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def host_environment(space: Path) -> Path:
    """The interpreter of an environment with what the host installs, in one step: the requirements, Gradio
    with two extras, `spaces` and a few more (from the build logs of public Spaces, 2026)."""
    front = (space / "README.md").read_text(encoding="utf-8").split("---")[1]
    version = re.search(r"^sdk_version: (.+)$", front, re.MULTILINE)
    assert version is not None
    asked = (space / "requirements.txt").read_text(encoding="utf-8").split()
    host = (f"gradio[oauth,mcp]=={version[1]}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces")
    return kept_environment(*asked, *host, constrained=False)


@pytest.mark.parametrize(
    ("kind", "asked", "answer"),
    [
        ("embedded", "What is the capital of France?", "Paris"),
        ("endpoint", "words=3 rate=0", "w0 w1 w2"),
    ],
)
async def test_a_space_answers_in_a_browser_and_survives_its_restart(
    kind: str, asked: str, answer: str, demo_gguf: Path, tmp_path: Path
) -> None:
    space, port = tmp_path / "space", free_port()
    assert run(["space", "build", str(space), "--kind", kind]) == 0
    python = host_environment(space)
    async with ScriptedEndpoint() as endpoint, async_playwright() as playwright:
        env = {  # what a Space sets, with a port of ours, and its variables and secrets
            "SPACE_ID": "someone/webchat",
            "SYSTEM": "spaces",
            "GRADIO_SERVER_NAME": "0.0.0.0",
            "GRADIO_SERVER_PORT": str(port),
            "WEBCHAT_DATA_DIR": str(tmp_path / "data"),
            "WEBCHAT_CACHE_DIR": str(demo_gguf.parents[1]),
            "WEBCHAT_COOKIE_SECRET": "a-secret-of-this-space-0123456789abcdef",
            "WEBCHAT_SNAPSHOTS": str(tmp_path / "bucket"),
        }
        if kind == "endpoint":
            env |= {"OPENAI_BASE_URL": endpoint.url, "OPENAI_API_KEY": "key"}
        browser = await playwright.chromium.launch(**LAUNCH)
        page = await browser.new_page()
        (tmp_path / "bucket").mkdir()
        async with served([python, "app.py"], port=port, cwd=space, env=env) as app:
            await page.goto(app.url)
            await page.locator(BOX).fill(asked)
            await page.locator(BOX).press("Enter")
            await expect(page.get_by_text(answer).first).to_be_visible(timeout=120_000)
            await page.wait_for_url("**/?c=*")
            await expect(page.locator("text=Stop").first).to_be_hidden(timeout=120_000)
        shutil.rmtree(tmp_path / "data")
        async with served([python, "app.py"], port=port, cwd=space, env=env):
            await page.reload()
            await expect(page.get_by_text(answer).first).to_be_visible(timeout=60_000)
        await browser.close()
