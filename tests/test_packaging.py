"""The core alone: small, complete in its wheel, and enough for an endpoint."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.app_process import free_port
from tests.clean_environment import ROOT, build_wheel, environment_of, run
from tests.scripted_endpoint import ScriptedEndpoint
from tests.served import served

ENGINES = ("torch", "transformers", "xllamacpp", "gguf", "accelerate")

pytestmark = pytest.mark.timeout(600)

# Runs the app in this process, then says which engines got into it.
SERVE = f"""
import sys
from webchat.__main__ import main
code = main(sys.argv[1:])
print("engines:", [name for name in {ENGINES!r} if name in sys.modules], flush=True)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the core alone."""
    return environment_of(wheel, tmp_path_factory.mktemp("core"))


def test_the_wheel_holds_what_is_not_python_too(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "webchat", "backends"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    missing = {name for name in listed.stdout.split() if (ROOT / name).exists()} - packed
    assert not missing


def test_the_core_has_no_engine_and_says_what_to_add(core: Path, tmp_path: Path) -> None:
    tried = f"from importlib.util import find_spec; print([n for n in {ENGINES!r} if find_spec(n)])"
    assert run(core, "-c", tried, cwd=tmp_path)[1].strip() == "[]"
    code, out, err = run(core, "-m", "webchat", "--port", "0", cwd=tmp_path)
    assert (code, out) == ("2", "")
    assert err.count("\n") == 1
    assert "--endpoint" in err
    assert "webchat-own-model[llamacpp] @ file:" in err  # from where it came, whatever the index has


def test_the_module_and_the_command_are_the_same(core: Path, tmp_path: Path) -> None:
    module = run(core, "-m", "webchat", "--version", cwd=tmp_path)
    assert module == run(core, str(core.with_name("webchat")), "--version", cwd=tmp_path)
    assert module[0] == "0"


async def test_the_core_chats_with_an_endpoint_and_loads_no_engine(core: Path, tmp_path: Path) -> None:
    port = free_port()
    async with ScriptedEndpoint() as endpoint:
        flags = ["--port", str(port), "--endpoint", endpoint.url, "--no-titles"]
        command: list[str | Path] = [core, "-c", SERVE, *flags]
        async with served(command, port=port, cwd=tmp_path) as app:
            assert "gradio" in await app.open_page()
            assert (await app.ask("words=5 rate=0")).split() == ["w0", "w1", "w2", "w3", "w4"]
    assert "engines: []" in app.output
    assert app.url in app.output
    assert str(tmp_path) in app.output  # where the data lives
