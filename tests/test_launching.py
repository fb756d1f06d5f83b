"""`webchat.create` and `webchat.launch`: what a program of one's own starts, mounts and is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

import webchat
from backends.echo import EchoBackend
from tests.app_process import free_port
from tests.asgi import Ask, send
from tests.clean_environment import ROOT
from tests.pages import blocks
from webchat.app import App
from webchat.store import DatabaseBusy

PAGE = ROOT / "deploy/customize.md"


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is created and launched keeps its data here, and the environment that it sets is set back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    for name in ("HF_HOME", "HF_HUB_DISABLE_TELEMETRY", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


@contextmanager
def created(**values: Any) -> Iterator[App]:
    app = webchat.create(backend=EchoBackend(), titles=False, **values)
    try:
        yield app
    finally:
        app.store.close()


def test_settings_by_name_win_over_files_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "webchat.toml").write_text("trash_days = 1\nlanguage = 'zh-CN'", encoding="utf-8")
    monkeypatch.setenv("WEBCHAT_TRASH_DAYS", "2")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with created(trash_days=3, sign_in=["password"]) as app:
        settings = app.settings
        assert (settings.trash_days, settings.language, settings.sign_in) == (3, "zh-CN", ("password",))
        assert [info.name for info in app.models.infos()] == ["echo"]
    whole = webchat.Settings(data_dir=tmp_path / "other", cookie_secret=SecretStr("s" * 40))
    app = webchat.create(whole, backend={"Ada": EchoBackend(), "Ben": EchoBackend()})
    assert (app.settings.trash_days, app.settings.language) == (30, "auto")
    assert [info.name for info in app.models.infos()] == ["Ada", "Ben"]
    app.store.close()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"port": "many"}, 'port = "many" (from the argument port) is not valid; allowed: a whole number'),
        ({"prot": 80}, 'There is no setting "prot". Did you mean port?'),
        ({"backend": EchoBackend(), "model": "x"}, "Give either backend or model"),
        ({"backend": {}}, "allowed: a backend, or at least one by its name"),
        ({"model": "./none.gguf"}, "none.gguf"),
        ({"share": True, "access": "open", "backend": EchoBackend()}, "share needs a door"),
        ({"share": True, "public_url": "https://x.org", "backend": EchoBackend()}, "leave out public_url"),
        ({"root_path": "/api", "backend": EchoBackend()}, "root_path"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_is_a_sentence(values: dict[str, Any], said: str) -> None:
    for start in (webchat.create, webchat.launch):
        with pytest.raises(webchat.BadSettings) as refused:
            start(**values)
        assert said in str(refused.value)


def test_settings_are_given_in_one_way() -> None:
    with pytest.raises(TypeError, match="not both: port"):
        webchat.create(webchat.Settings(), port=80)
    with pytest.raises(AttributeError, match="no attribute 'creat'"):
        _ = webchat.creat  # type: ignore[attr-defined]


async def test_launch_says_that_it_needs_a_loop_of_its_own() -> None:
    with pytest.raises(RuntimeError, match=r"can't be called inside another.*webchat\.create"):
        webchat.launch(backend=EchoBackend())


def test_a_second_process_or_app_is_told_that_one_serves() -> None:
    with created(), pytest.raises(DatabaseBusy):
        webchat.create(backend=EchoBackend())


async def test_mounted_in_another_app_it_runs_with_its_lifespan() -> None:
    with created(root_path="/chat") as chat:
        site = FastAPI(lifespan=chat.lifespan)
        site.mount("/chat", chat)
        site.get("/")(lambda: {"home": True})
        early = await send(site, Ask("GET", b"/chat/api/me"))
        assert "lifespan=chat.lifespan" in str(early.raised)
        async with site.router.lifespan_context(site):
            assert (await send(site, Ask("GET", b"/"))).status == 200
            me = await send(site, Ask("GET", b"/chat/api/me"))
            assert (me.status, b'"kind":"local"' in me.body) == (200, True)
            page = await send(site, Ask("GET", b"/chat/"))
            assert page.status == 200
            style = page.body.partition(b'href="assets/')[2].partition(b'"')[0]
            assert (await send(site, Ask("GET", b"/chat/assets/" + style))).status == 200
            elsewhere = FastAPI()
            elsewhere.mount("/talk", chat)
            wrong = await send(elsewhere, Ask("GET", b"/talk/api/me"))
            assert 'root_path="/talk"' in str(wrong.raised)


async def test_without_a_link_it_is_for_this_machine_whatever_server_serves_it() -> None:
    with created() as app:
        async with app.lifespan(None):
            ask = Ask("GET", b"/api/me")
            assert (await send(app, ask)).status == 200
            far = await send(app, ask, client="192.0.2.7")
            assert (far.status, b"host_not_allowed" in far.body) == (403, True)


@contextmanager
def running(command: list[str], folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}
    program = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        deadline = time.monotonic() + 200
        while program.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield program
    finally:
        program.kill()
        program.communicate()


def test_the_scripts_of_the_page_serve(tmp_path: Path) -> None:
    port, files = free_port(), {block.file: block.text for block in blocks(PAGE) if block.file}
    (tmp_path / "serve.py").write_text(files["serve.py"].replace("7861", str(port)), encoding="utf-8")
    (tmp_path / "portal.py").write_text(files["portal.py"], encoding="utf-8")
    with running([sys.executable, "serve.py"], tmp_path, f"http://127.0.0.1:{port}") as script:
        assert httpx.get(f"http://127.0.0.1:{port}/api/me").json()["default_model"] == "Echo"
        script.send_signal(signal.SIGINT)
        said, _ = script.communicate(timeout=100)
    assert f"http://127.0.0.1:{port}" in said
    (command,) = (block.text for block in blocks(PAGE) if block.text.startswith("uvicorn"))
    served = [sys.executable, "-m", *command.split(), "--port", str(port)]
    url = f"http://127.0.0.1:{port}/chat"
    with running(served, tmp_path, url) as portal:
        assert httpx.get(f"{url}/api/me").json()["default_model"] == "echo"
        portal.send_signal(signal.SIGTERM)
        said, _ = portal.communicate(timeout=100)
    assert "Application shutdown complete" in said
