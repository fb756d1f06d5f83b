"""The doctor: what each check finds in real places, healthy and not, and what it says to do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from backends.echo import EchoBackend
from backends.openai_compat import Learned
from tests.api.conftest import MakeSite, make_site, serving
from tests.app_process import free_port
from tests.scripted_endpoint import ScriptedEndpoint
from webchat import doctor
from webchat.cli import run
from webchat.doctor import Finding, Patient, examine, fitting, machine, models, network, storage
from webchat.doctor.faces import cure, sentence
from webchat.doctor.fitting import fits, known_models, table
from webchat.doctor.machine import Gpu
from webchat.models import learned
from webchat.models.learned import FILE, LearnedFile
from webchat.sentences import LANGUAGES, locale
from webchat.settings import ModelSettings, Settings

__all__ = ["make_site"]


async def found(settings: Settings, *, quick: bool = True) -> list[Finding]:
    return [one async for one in examine(Patient(settings, "0.test", quick=quick))]


def codes(findings: Sequence[Finding], area: str) -> list[str]:
    return [one.code for one in findings if one.area == area]


async def test_each_model_is_said_to_fit_or_not(demo_gguf: Path) -> None:
    (fit,) = (
        one for one in await found(Settings(model=str(demo_gguf), memory_budget=100)) if one.area == "models"
    )
    assert (fit.code, fit.params["limit_gb"]) == ("model_fits", 100.0)
    unfit = next(
        one for one in await found(Settings(model=str(demo_gguf), memory_budget=0.2)) if one.area == "models"
    )
    assert unfit.level == "error"
    assert "only 0.2 GB are reserved" in sentence(unfit)
    assert "Choose a smaller model" in sentence(unfit)
    assert codes(await found(Settings(model="org/not-downloaded")), "models") == ["model_unknown"]
    (own,) = (
        one
        for one in await found(Settings(models=(ModelSettings(name="Echo", kind="echo"),)))
        if one.area == "models"
    )
    assert sentence(own) == "Model Echo: echo, default"


async def test_the_way_to_each_endpoint_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    far, here = Settings(endpoint="http://models.example/v1"), Settings(endpoint="http://127.0.0.1:9/v1")
    assert codes(await found(far), "endpoints") == []  # nobody speaks of proxies
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        monkeypatch.setenv("ALL_PROXY", f"socks://me:secret@127.0.0.1:{port}")
        assert codes(await found(far), "endpoints") == ["way_proxy"]
        assert codes(await found(here), "endpoints") == ["way_direct"]
    (dead,) = (one for one in await found(far) if one.area == "endpoints")
    assert (dead.code, dead.level) == ("way_unreachable", "error")
    assert "secret" not in sentence(dead)
    assert "NO_PROXY" in cure(dead)


async def test_what_endpoints_reject_is_told_and_forgotten_on_demand(tmp_path: Path) -> None:
    settings = Settings(endpoint="http://127.0.0.1:9", model="m", data_dir=tmp_path)
    rejected = Learned(frozenset({"top_k"}), clashes=frozenset({("top_p", "temperature")}))
    LearnedFile(tmp_path / FILE).keep("localhost:9/v1", "m", rejected)
    (one,) = (one for one in await found(settings) if one.area == "endpoints")
    assert "requests leave out top_k, top_p beside temperature" in sentence(one)
    assert doctor.forget(settings).level == "ok"
    assert codes(await found(settings), "endpoints") == []
    assert learned.FILE == FILE


async def test_an_endpoint_is_asked_and_said_to_stream_or_not(tmp_path: Path) -> None:
    async with ScriptedEndpoint() as endpoint:
        endpoint.answers[models.QUESTION] = "words=10 rate=40"
        settings = Settings(endpoint=endpoint.url, model="m", data_dir=tmp_path)
        (one,) = (one for one in await found(settings, quick=False) if one.area == "endpoints")
        assert one.code == "endpoint"
        assert int(one.params["pieces"]) > 1
        endpoint.answers[models.QUESTION] = "words=1"
        (one,) = (one for one in await found(settings, quick=False) if one.area == "endpoints")
        assert (one.code, one.level) == ("endpoint_whole", "warning")
    (dead,) = (one for one in await found(settings, quick=False) if one.area == "endpoints")
    assert (dead.code, dead.level) == ("endpoint_fails", "error")
    assert cure(dead)


@asynccontextmanager
async def buffering(upstream: str) -> AsyncIterator[str]:
    """A proxy that sends an answer once it has all of it."""

    async def proxy(scope: dict[str, object], receive: object, send: object) -> None:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{upstream}{scope['path']}")
        headers = [(b"content-type", b"text/event-stream"), (b"date", answer.headers["date"].encode())]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": answer.content})  # type: ignore[operator]

    async with serving(proxy) as url:  # type: ignore[arg-type]
        yield url


async def test_a_proxy_that_buffers_is_told_from_one_that_streams(make_site: MakeSite) -> None:
    async with make_site(EchoBackend()) as site, serving(site.door) as url, buffering(url) as slow:
        for address, code in ((url, "public"), (slow, "public_buffers")):
            seen = [one async for one in network.public(Settings(public_url=address))]
            assert [one.code for one in seen] == ["clock", code]
        dead = Settings(public_url=f"http://127.0.0.1:{free_port()}")
        (one,) = [one async for one in network.public(dead)]
        assert one.code == "public_silent"


def test_a_clock_that_is_off_is_a_warning() -> None:
    off = network.clock_off("Mon, 30 Nov 2026 06:00:00 GMT", 1796018400.0 + 90)
    assert off == 90
    assert network.clock(off).level == "warning"
    assert network.clock(-3).level == "ok"
    for wrong in ("yesterday", "99999999999999999999 Jan 1 1:1:1"):
        assert network.clock_off(wrong, 0) is None


def test_the_port_is_free_or_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(port=taken.getsockname()[1])
        (one,) = network.port(settings)
        assert (one.code, one.level) == ("port_taken", "error")
    (one,) = network.port(settings)
    assert one.level == "ok"


def test_a_disk_that_is_slow_full_or_closed_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path)
    monkeypatch.setattr(storage, "SLOW_SYNC", -1.0)
    monkeypatch.setattr(storage, "LITTLE_DISK", 2**62)
    assert [one.code for one in storage.disk(settings)] == ["disk_low", "sync_slow"]

    def refuse(_: Path) -> float:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(storage, "sync_seconds", refuse)
    assert [one.code for one in storage.disk(settings)][1] == "disk_unwritable"
    assert list(tmp_path.iterdir()) == []


def test_of_a_gpu_its_driver_and_whether_torch_can_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Gpu("NVIDIA H200", 140 * 10**9, 138 * 10**9, "570.1")
    for torch, last in ((None, "gpu_unused"), ("2.13.0+cpu", "gpu_torch_cpu"), ("2.13.0+cu130", "gpu")):
        monkeypatch.setattr(machine, "installed", lambda _, torch=torch: torch)
        assert [finding.code for finding in machine.gpu((one,))][-1] == last
    assert [finding.code for finding in machine.gpu(None)] == ["gpu_silent"]
    said = list(fitting.fitting((one,)))
    assert said[0].params["gbs"] == 4800
    assert {finding.code for finding in said[1:]} == {"fits_speed"}


def test_models_fit_by_memory_and_their_speed_is_the_bandwidth_s() -> None:
    small = fits(4e9, 20e9)
    assert {one.model.name for one in small} <= {"Qwen3 0.6B", "Llama 3.2 1B", "Qwen3 1.7B", "Llama 3.2 3B"}
    for one in small:
        assert one.memory <= 4e9
    (fast, slow) = (
        next(one for one in fits(4e9, speed) if one.model.parameters < 0.8) for speed in (40e9, 20e9)
    )
    assert fast.speed is not None
    assert slow.speed is not None
    assert fast.form == slow.form
    assert fast.speed == pytest.approx(2 * slow.speed)
    assert fits(1e8, 1e12) == []
    # A mixture of experts reads a part of its weights.
    experts = next(one for one in fits(80e9, 1e12) if one.model.name == "Qwen3 30B-A3B")
    dense = next(one for one in fits(80e9, 1e12) if one.model.name == "Qwen3 32B")
    assert experts.speed is not None
    assert dense.speed is not None
    assert experts.speed > 5 * dense.speed
    assert len(known_models()) >= 15
    assert f"{table()['date']}" >= "2026-11-30"


def test_every_finding_has_its_sentence_in_both_languages_with_the_same_placeholders() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(doctor.__file__).parent.glob("*.py"))
    import re

    for language in LANGUAGES:
        mine = {key: text for key, text in locale(language).items() if key.startswith("doctor.")}
        for key, text in mine.items():
            code = key.removeprefix("doctor.").removesuffix(".cure")
            assert f'"{code}"' in source, f"nothing finds {code}"
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", locale("en")[key])), key


def test_the_command_says_it_in_lines_or_json_and_exits_by_the_worst(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(storage, "SLOW_SYNC", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["doctor", "--quick", "--port", port]) == 2
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith("ERROR ") and port in line for line in lines)
        assert any(line.strip().startswith("-> ") for line in lines)
        assert run(["doctor", "--quick", "--json", "--port", port]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["exit_code"] == 2
    worst = next(one for one in said["findings"] if one["level"] == "error")
    assert worst["area"] == "network"
    assert worst["cure"]
    assert run(["doctor", "--quick", "--port", "0"]) in (0, 1)
    assert not (tmp_path / "data").exists()


def test_the_doctor_imports_no_library_of_models(tmp_path: Path) -> None:
    code = (
        "import sys; from webchat.cli import run;"
        f"run(['doctor', '--quick', '--port', '0', '--data-dir', {str(tmp_path)!r}, '--model', 'org/none']);"
        "print([name for name in ('torch', 'transformers', 'xllamacpp', 'gradio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_exit_code_is_that_of_the_worst() -> None:
    ok, warning = Finding("machine", "ok", "cpu"), Finding("machine", "warning", "memory_low")
    assert doctor.exit_code([ok]) == 0
    assert doctor.exit_code([ok, warning]) == 1
