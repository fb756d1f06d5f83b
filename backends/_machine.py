"""What this process may use of the machine: memory and cores, including the limits of its container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_CPU = Path("/proc/cpuinfo")
_MEMORY = Path("/proc/meminfo")


def available_memory(*, at_most: bool = False) -> int | None:
    """Bytes a program can still allocate without swapping; `None` if the system does not report it. at_most:
    count files that are in use, too, such as a model that is mapped, and free swap: the system uses those
    before it kills a program."""
    amounts = [_of_the_machine(at_most=at_most), _of_the_process()]
    amounts += [_of_the_container(folder, at_most=at_most) for folder in _cgroups("memory")]
    told = [amount for amount in amounts if amount is not None]
    return min(told, default=None)


def engine_threads() -> int:
    """How many threads an engine should compute with: all cores but one.

    Engines split every small step among their threads and wait for the slowest, so one thread that must share
    its core slows down all of them: on two cores with another busy process, two threads generated a tenth of
    what one did; on an idle machine, a fifth more. The remaining core serves the web server and everything
    else. In a container, the cores are its CPU quota: more threads would be throttled most of the time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [share for folder in _cgroups("cpu") if (share := _share_of_cores(folder)) is not None]
    return max(1, min(cores, *(round(share) for share in shares)) - 1) if shares else max(1, cores - 1)


def cpu_flags() -> frozenset[str]:
    """The CPU's features under Linux's names (`avx2`, `amx_tile`); empty if the system does not report
    them."""
    try:
        lines = _CPU.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split() for line in lines if line.startswith("flags")), ()))


def _of_the_machine(*, at_most: bool = False) -> int | None:
    told = _meminfo()
    if (available := told.get("MemAvailable")) is not None:
        return available + (told.get("SwapFree", 0) if at_most else 0)
    if at_most:
        return None  # the next does not count what the system would drop
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _meminfo() -> dict[str, int]:
    """Bytes by name; empty if the system does not report them."""
    try:
        lines = [line.split() for line in _MEMORY.read_text().splitlines()]
        return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[2:] == ["kB"]}
    except (OSError, ValueError):
        return {}


def _of_the_process() -> int | None:
    """Bytes of address space below the limit of `ulimit -v`."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError, ValueError):
        return None
    return max(0, limit - pages * resource.getpagesize())


def _cgroups(kind: str) -> Iterator[Path]:
    """This process's control group and those around it, such as a systemd service's. In a container, its own
    is where the others' root is elsewhere."""
    yield _CGROUP
    yield _CGROUP / kind
    try:
        lines = _OWN_CGROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if not kinds or kind in kinds.split(","):  # of cgroup v2, of v1
            folder = (_CGROUP / kind if kinds else _CGROUP) / path.lstrip("/")
            while folder not in (_CGROUP, _CGROUP / kind):
                yield folder
                folder = folder.parent


def _of_the_container(cgroup: Path, *, at_most: bool = False) -> int | None:
    """Bytes left below the container's limit; cached files count as free. Source: cgroup v2 and v1."""
    for limit_name, used_name, cached_names in (
        ("memory.max", "memory.current", ("inactive_file", "active_file")),
        (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            ("total_inactive_file", "total_active_file"),
        ),
    ):
        try:
            limit = int((cgroup / limit_name).read_text())  # `max`, no limit, is no number
            used = int((cgroup / used_name).read_text())
            stat = (cgroup / limit_name).with_name("memory.stat").read_text().split()
            cached = sum(int(stat[stat.index(name) + 1]) for name in cached_names[: 1 + at_most])
        except (OSError, ValueError):
            continue
        return max(0, limit - used + cached) + (_swap_of_the_container(cgroup) if at_most else 0)
    return None


def _swap_of_the_container(cgroup: Path) -> int:
    """Bytes of swap it may still use. Source: cgroup v2."""
    try:
        limit, used = ((cgroup / f"memory.swap.{name}").read_text().strip() for name in ("max", "current"))
        free = _meminfo().get("SwapFree", 0)
        return free if limit == "max" else max(0, min(free, int(limit) - int(used)))
    except (OSError, ValueError):
        return 0


def _share_of_cores(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((cgroup / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period"))
        except OSError:
            return None
    try:
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):  # `max`: no limit
        return None
