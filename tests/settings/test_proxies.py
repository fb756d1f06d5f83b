"""The proxies of the environment never stop a start; what other libraries cannot read is kept from them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from backends._proxies import proxy_for
from tests.app_process import ROOT
from webchat.settings.proxies import make_readable

FAR = "https://models.example/v1"


def made(environ: dict[str, str], *, socks: bool = False) -> list[str]:
    return list(make_readable(environ, has_socks=lambda: socks))


VALUES = [
    {"ALL_PROXY": "socks://127.0.0.1:7891"},
    {"ALL_PROXY": "socks5://127.0.0.1:7891"},
    {"all_proxy": "socks4a://127.0.0.1:7891", "HTTP_PROXY": "http://127.0.0.1:9"},
    {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost,[::1]"},
    {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost,127.0.0.0/8,::1/128"},
    {"https_proxy": '"http://127.0.0.1:9"', "no_proxy": " [fe80::]/10; *.local *"},
    {"HTTPS_PROXY": "127.0.0.1:9", "no_proxy": "[::1]:8000,2001:db8::1,a:b:c,://,%"},
    {"HTTPS_PROXY": "vmess://secret@127.0.0.1:9"},
    {"http_proxy": "http://me:p@ss/w#rd@127.0.0.1:9\r"},
    {"http_proxy": "http://[::1"},
    {"http_proxy": "", "HTTP_PROXY": " ", "NO_PROXY": "[::1]"},
]


@pytest.mark.parametrize("environ", VALUES, ids=str)
def test_what_is_left_is_read_by_httpx(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    changed = dict(environ)
    made(changed)
    for name in changed:
        monkeypatch.setenv(name, changed[name])
    httpx.Client().close()


@pytest.mark.parametrize("environ", VALUES, ids=str)
@pytest.mark.parametrize(
    "url", [FAR, "http://models.example/v1", "http://127.0.0.1:8000/v1", "http://x.local"]
)
def test_our_own_requests_go_as_they_would_have_gone(environ: dict[str, str], url: str) -> None:
    changed = dict(environ)
    made(changed)
    made(changed)  # a process may be told twice

    def way(seen: dict[str, str]) -> object:
        try:
            return proxy_for(url, seen)
        except Exception as error:
            return str(error)

    assert way(changed) == way(environ)


def test_what_is_readable_stays_as_it_is() -> None:
    environ = {"HTTPS_PROXY": "http://proxy.example:3128", "HOME": "/root"}
    assert made(environ) == []
    assert environ["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert environ["no_proxy"] == "localhost,127.0.0.1,0.0.0.0,::1"
    assert made(nothing := {"HOME": "/root"}) == []
    assert nothing == {"HOME": "/root"}


@pytest.mark.parametrize(
    ("value", "socks", "said"),
    [
        ("socks5://proxy.example", False, "pip install socksio"),
        ("socks5://proxy.example", True, None),
        ("socks://proxy.example", True, None),
        ("socks4://proxy.example", True, "http and SOCKS 5"),
        ("ftp://me:secret@proxy.example", False, "cannot be used"),
    ],
)
def test_what_goes_without_is_told_in_a_sentence(value: str, socks: bool, said: str | None) -> None:
    sentences = made({"ALL_PROXY": value}, socks=socks)
    assert len(sentences) == (said is not None)
    assert all("ALL_PROXY" in one and str(said) in one and "secret" not in one for one in sentences)


def test_gradio_is_imported_whatever_the_environment_says(tmp_path: Path) -> None:
    """Of these values, neither the proxy nor the exceptions from it can be read by httpx, which it uses."""
    code = (
        "from webchat.gradio_stubs import skip_gradio_stubs; from webchat.settings import Settings, hand_on;"
        " hand_on(Settings()); skip_gradio_stubs(); import gradio"
    )
    env = {**os.environ, "WEBCHAT_DATA_DIR": str(tmp_path), **VALUES[0], **VALUES[4]}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
