"""How much memory is free, asked of the system and of the GPU's driver."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from backends.memory import free_memory


def driver(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
    """A `nvidia-smi` that knows these GPUs by number or name."""

    def run(query: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        gpu = query[-1]
        if gpu not in answers:
            raise subprocess.CalledProcessError(6, query)
        return subprocess.CompletedProcess(query, 0, stdout=answers[gpu])

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("backends.memory.shutil.which", lambda name: name)
    monkeypatch.setattr("backends.memory.subprocess.run", run)


def test_main_memory_is_what_the_system_says() -> None:
    free = free_memory("cpu")
    assert free is None or free > 0
    assert free_memory("npu:0") is None


def test_a_gpu_is_the_one_this_process_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, {"0": "100\n", "1": "200\n", "3": "400\n", "GPU-abc": "800\n"})
    assert free_memory("cuda") == 100 * 2**20
    assert free_memory("cuda:1") == 200 * 2**20
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc")
    assert free_memory("cuda:0") == 400 * 2**20
    assert free_memory("cuda:1") == 800 * 2**20
    assert free_memory("cuda:2") is None


@pytest.mark.parametrize("said", ["", "[N/A]\n", "No devices were found"])
def test_a_driver_that_does_not_tell_is_no_error(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, {"0": said})
    assert free_memory("cuda") is None
    assert free_memory("cuda:7") is None
    monkeypatch.setattr("backends.memory.shutil.which", lambda name: None)
    assert free_memory("cuda") is None
