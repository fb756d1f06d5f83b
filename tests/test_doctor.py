"""The doctor: whether each model fits into memory, and what to do where it does not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from backends.openai_compat import Learned
from webchat import doctor
from webchat.models.learned import FILE, LearnedFile
from webchat.settings import Settings


def model_lines(settings: Settings) -> list[str]:
    return [line for line in doctor.report(settings) if "  model " in line]


def test_each_model_is_told_to_fit_or_not(demo_gguf: Path) -> None:
    (fits,) = model_lines(Settings(model=str(demo_gguf), memory_budget=100))
    assert fits.startswith("ok  model ")
    assert "GB of 100.0 GB for models" in fits
    (unfit,) = model_lines(Settings(model=str(demo_gguf), memory_budget=0.2))
    assert unfit.startswith("--  model ")
    assert "only 0.2 GB are reserved" in unfit
    assert "Choose a smaller model" in unfit


def test_without_a_budget_it_is_measured(demo_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_memory", lambda device: 2 * 10**9)
    (line,) = model_lines(Settings(model=str(demo_gguf)))
    assert "of 1.8 GB for models" in line


def test_of_a_model_that_is_not_here_yet_nothing_is_guessed() -> None:
    (line,) = model_lines(Settings(model="org/not-downloaded"))
    assert line.endswith("known once it is downloaded")
    (line,) = model_lines(Settings(endpoint="http://127.0.0.1:9", model="m"))
    assert "GB" not in line


def ways(settings: Settings) -> list[str]:
    return [line for line in doctor.report(settings) if "  connection to " in line]


def test_the_way_to_each_endpoint_is_told_and_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    far, here = Settings(endpoint="http://models.example/v1"), Settings(endpoint="http://127.0.0.1:9/v1")
    assert ways(far) == []  # nobody speaks of proxies
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        monkeypatch.setenv("ALL_PROXY", f"socks://me:secret@127.0.0.1:{port}")
        assert ways(far) == [
            f"ok  connection to models.example: through the proxy socks5h://127.0.0.1:{port} (ALL_PROXY),"
            " which is reachable"
        ]
        assert ways(here) == ["ok  connection to 127.0.0.1:9: direct, without a proxy"]
    (line,) = ways(far)
    assert line.startswith("--  connection to models.example: ")
    assert "cannot be reached" in line
    monkeypatch.setenv("ALL_PROXY", "vmess://me:secret@127.0.0.1")
    (line,) = ways(far)
    assert "The variable ALL_PROXY cannot be used" in line
    assert "secret" not in line


def test_what_endpoints_do_not_take_is_told_and_forgotten_on_demand(tmp_path: Path) -> None:
    settings = Settings(endpoint="http://127.0.0.1:9", model="m", data_dir=tmp_path)
    learned = Learned(frozenset({"top_k"}), clashes=frozenset({("top_p", "temperature")}))
    LearnedFile(tmp_path / FILE).keep("localhost:9/v1", "m", learned)
    (line,) = [line for line in doctor.report(settings) if "  endpoint " in line]
    assert line.startswith(
        "ok  endpoint localhost:9/v1, m: requests leave out top_k, top_p beside temperature (detected"
    )
    assert doctor.forget(settings).startswith("ok  ")
    assert doctor.forget(settings).startswith("ok  ")
    assert not [line for line in doctor.report(settings) if "  endpoint " in line]
