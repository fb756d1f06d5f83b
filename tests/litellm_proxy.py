"""A real litellm proxy in front of another endpoint, from an environment of its own: what a gateway does to
streams. The environment is made on first use, which takes minutes and the package index."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.app_process import free_port
from tests.clean_environment import ROOT, pip

VERSION = "1.80.0"
"""No newer one without a look at it: some releases since were not its makers' own."""
FOLDER = ROOT / ".cache" / f"litellm-{VERSION}"
KEY = "sk-5b0a4c0de1f24f7d9c3e8a617b2f9d04"
"""What the proxy asks of its clients; it does not start without one."""

START_SECONDS = 180.0


def installed() -> Path:
    """The proxy's program. Raises `RuntimeError` where it cannot be installed."""
    program = FOLDER / "bin" / "litellm"
    if not program.exists():
        try:
            venv.create(FOLDER, with_pip=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise RuntimeError(f"no environment for litellm: {error}") from error
        requirement = f"litellm[proxy]=={VERSION}"
        pip(FOLDER / "bin" / "python", "install", "--only-binary", ":all:", requirement)
    return program


@contextmanager
def proxy(program: Path, url: str, model: str) -> Iterator[str]:
    """The base URL of a proxy that has the `model` at `url` under its own name."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "config.yaml"
        settings.write_text(
            "model_list:\n"
            f"  - model_name: {model}\n"
            f"    litellm_params: {{model: openai/{model}, api_base: {url}, api_key: none}}\n"
        )
        log = Path(folder) / "log"
        command = [str(program), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
        # The list of prices comes with the package; it would be looked up on the network else.
        env = {**os.environ, "LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        with (
            log.open("wb") as out,
            subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=env) as process,
        ):
            try:
                _wait(process, f"http://127.0.0.1:{port}/health/liveliness", log)
                yield f"http://127.0.0.1:{port}/v1"
            finally:
                process.terminate()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError(f"litellm did not start:\n{log.read_text()[-4000:]}")
