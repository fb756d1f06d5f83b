"""`--share`: the whole app behind a stand-in of Gradio's tunnel, and what is said where there is none."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.app_process import AppProcess, free_port
from tests.clean_environment import ROOT
from tests.share_server import BALANCER, PUBLIC, VISITOR
from webchat.auth.forwarding import client_address
from webchat.settings import Settings

HOST = PUBLIC.partition("//")[2]
ENDPOINT = ("--endpoint", "http://127.0.0.1:9/v1", "--model", "m")


def environment(folder: Path, port: int) -> dict[str, str]:
    """In which Gradio finds our program where it would keep its own."""
    from gradio.tunneling import BINARY_FILENAME

    program = folder / "hub/gradio/frpc" / BINARY_FILENAME
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests/share_server.py"} "$@"\n')
    program.chmod(0o700)
    return {
        "GRADIO_SHARE_SERVER_ADDRESS": f"127.0.0.1:{port}",
        "HF_HOME": str(folder / "hub"),
        "HTTP_PROXY": "",
        "HTTPS_PROXY": "",
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppProcess, httpx.Client]]:
    """The app, and somebody elsewhere who knows its public address until the last test ends the tunnel."""
    folder, port = tmp_path_factory.mktemp("shared"), free_port()
    app = AppProcess(folder / "data", *ENDPOINT, "--share", env=environment(folder, port))
    with (
        app,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"host": HOST}, timeout=60) as visitor,
    ):
        yield app, visitor


def test_the_public_address_has_a_door_and_https_cookies(shared: tuple[AppProcess, httpx.Client]) -> None:
    app, visitor = shared
    said = app.log.read_text()
    (token,) = re.findall(re.escape(f"webchat 0.1.0 · {PUBLIC}/t#") + r"(wts_\S+)", said)
    assert f"operator's own link: {PUBLIC}/t#wto_" in said
    assert "for a week at most" in said
    assert visitor.get("/api/me").status_code == 401
    for evil in ("https://evil.example", "null"):
        assert visitor.post("/t/redeem", json={"token": token}, headers={"origin": evil}).status_code == 403
    came = visitor.post(
        "/t/redeem", json={"token": token}, headers={"origin": PUBLIC, "x-forwarded-for": "198.51.100.1"}
    )
    assert came.status_code == 204, came.text
    cookie = came.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "Secure" in cookie
    me = visitor.get("/api/me", headers={"cookie": cookie.partition(";")[0]})
    assert me.json()["owner"]["kind"] == "visitor"
    assert "strict-transport-security" in me.headers


def test_an_end_of_the_tunnel_is_logged(shared: tuple[AppProcess, httpx.Client]) -> None:
    app, _ = shared
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(app.pid)], capture_output=True, text=True)
    (program,) = [
        int(pid)
        for pid in children.stdout.split()
        if b"share_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(program, signal.SIGTERM)
    for _ in range(2000):
        if "the share link has stopped working" in app.log.read_text():
            break
        httpx.get(f"{app.url}/healthz")
    assert "the share link has stopped working" in app.log.read_text()


def test_without_a_tunnel_the_start_says_what_to_use_instead(tmp_path: Path) -> None:
    env = {**os.environ, **environment(tmp_path, 9), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "webchat", *ENDPOINT, "--share", "--port", "0", "--no-open"]
    command += ["--data-dir", str(tmp_path / "data")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=250)
    assert done.returncode == 2
    assert "The share link could not be created (" in done.stderr
    assert "--public-url" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data/webchat.db").exists()


def test_visitors_are_counted_by_the_address_that_the_share_server_saw() -> None:
    hops = ["198.51.100.1", VISITOR, BALANCER]
    assert client_address("127.0.0.1", hops, Settings(share=True).proxies) == VISITOR
    assert client_address("127.0.0.1", hops[:2], Settings(share=True).proxies) == VISITOR
    # Where machines of the own network connect too, those are believed nothing.
    assert client_address("192.168.1.7", hops, Settings(share=True, host="0.0.0.0").proxies) == "192.168.1.7"
    assert client_address("127.0.0.1", hops, Settings().proxies) == "127.0.0.1"
