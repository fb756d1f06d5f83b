"""What a container was given counts, not what its host has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from backends import _machine
from backends._machine import available_memory, engine_threads
from tests.clean_environment import ROOT

GB = 10**9


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(_machine, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, 15),
        ({"cpu.max": "max 100000\n"}, 15),
        ({"cpu.max": "200000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 15),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 15),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu.max": "nonsense"}, 15),
    ],
)
def test_one_core_of_the_share_is_left_to_the_rest(files: dict[str, str], threads: int, cgroup: Path) -> None:
    write(cgroup, files)
    assert engine_threads() == threads


def test_memory_ends_at_the_limit_of_the_container(cgroup: Path) -> None:
    of_the_machine = available_memory()
    assert of_the_machine is not None
    stat = f"anon 5\ninactive_file {GB // 2}\nactive_file 3\n"
    write(cgroup, {"memory.max": f"{2 * GB}\n", "memory.current": f"{GB * 2 - 1000}\n", "memory.stat": stat})
    assert available_memory() == GB // 2 + 1000
    assert available_memory(at_most=True) == GB // 2 + 1003
    write(cgroup, {"memory.max": "max\n"})
    told = available_memory()
    assert told is not None
    assert told > GB // 2 + 1000


@pytest.mark.parametrize(
    ("swap", "left"),
    [({}, 0), ({"max": "max", "current": "0"}, 293 * 1024), ({"max": "200000", "current": "80000"}, 120_000)],
)
def test_what_the_system_can_swap_is_not_full(
    swap: dict[str, str], left: int, cgroup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {
        "memory.max": "9000000",
        "memory.current": "9000000",
        "memory.stat": "inactive_file 0 active_file 0",
    }
    write(cgroup, {"meminfo": "MemTotal: 9000 kB\nMemAvailable: 1 kB\nSwapFree: 293 kB\nHugePages_Free: 0\n"})
    monkeypatch.setattr(_machine, "_MEMORY", cgroup / "meminfo")
    assert (available_memory(), available_memory(at_most=True)) == (1024, 294 * 1024)
    write(cgroup, full | {f"memory.swap.{name}": value for name, value in swap.items()})
    assert available_memory() == 0
    assert available_memory(at_most=True) == left


def test_free_pages_alone_are_not_all_that_is_left(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches fill most of them."""
    monkeypatch.setattr(_machine, "_MEMORY", cgroup / "nothing")
    assert available_memory() is not None
    assert available_memory(at_most=True) is None


def test_an_older_kernel_tells_the_limit_elsewhere(cgroup: Path) -> None:
    write(
        cgroup,
        {
            "memory/memory.limit_in_bytes": f"{GB // 10}",
            "memory/memory.usage_in_bytes": "0",
            "memory/memory.stat": "total_inactive_file 0\n",
        },
    )
    assert available_memory() == GB // 10


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (
            "0::/system.slice/webchat.service\n",
            {
                "system.slice/memory.max": f"{GB}",
                "system.slice/memory.current": "1000",
                "system.slice/memory.stat": "inactive_file 0\n",
                "system.slice/webchat.service/cpu.max": "300000 100000\n",
            },
        ),
        (
            "4:memory:/system.slice/webchat.service\n3:cpu,cpuacct:/system.slice\n2:pids:/other\n",
            {
                "memory/system.slice/memory.limit_in_bytes": f"{GB}",
                "memory/system.slice/memory.usage_in_bytes": "1000",
                "memory/system.slice/memory.stat": "total_inactive_file 0\n",
                "cpu/system.slice/cpu.cfs_quota_us": "300000",
                "cpu/system.slice/cpu.cfs_period_us": "100000",
            },
        ),
    ],
)
def test_limits_of_a_service_count_and_those_around_it(own: str, files: dict[str, str], cgroup: Path) -> None:
    write(cgroup, {"own": own, **files})
    assert available_memory() == GB - 1000
    assert engine_threads() == 2


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing says how much is used")
def test_a_limit_of_the_address_space_counts() -> None:
    code = """
        import resource
        from backends._machine import available_memory
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 40_000_000,) * 2)
        assert 20_000_000 < available_memory() <= 40_000_000
    """
    subprocess.run([sys.executable, "-c", dedent(code)], cwd=ROOT, check=True)
