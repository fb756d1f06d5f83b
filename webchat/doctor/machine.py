"""The machine: processor, memory, GPU, and which engines are installed. Their libraries are not imported."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from backends._machine import available_memory
from backends.installation import add_extra
from webchat.doctor.finding import Finding, gigabytes

BACKENDS = {"llamacpp": ("xllamacpp",), "local": ("torch", "transformers", "accelerate")}
LITTLE_MEMORY = 10**9
_SMI_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Gpu:
    """memory, free: in bytes."""

    name: str
    memory: int
    free: int
    driver: str


def machine(version: str) -> Iterator[Finding]:
    """The versions, the processor and the memory. version: of webchat."""
    system = platform.platform(terse=True)
    versions = {"version": version, "python": platform.python_version(), "system": system}
    yield Finding("machine", "ok", "versions", versions)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("machine", "ok", "cpu", {"cpu": cpu(), "cores": cores})
    free, total = available_memory(), memory()
    if free is not None and total is not None:
        level, code = ("ok", "memory") if free > LITTLE_MEMORY else ("warning", "memory_low")
        sizes = {"free_gb": gigabytes(free), "total_gb": gigabytes(total)}
        yield Finding("machine", level, code, sizes)  # type: ignore[arg-type]


def engines() -> Iterator[Finding]:
    """The kinds of models that can run here."""
    for kind, packages in BACKENDS.items():
        found = {package: installed(package) for package in packages}
        if None in found.values():
            yield Finding("machine", "note", "backend_missing", {"kind": kind, "command": add_extra(kind)})
        else:
            versions = ", ".join(f"{package} {number}" for package, number in found.items())
            yield Finding("machine", "ok", "backend", {"kind": kind, "versions": versions})


def gpu(found: tuple[Gpu, ...] | None) -> Iterator[Finding]:
    """The GPUs, and whether what is installed can use them. found: `None` if the driver does not respond."""
    if found is None:
        yield Finding("machine", "warning", "gpu_silent")
        return
    for one in found:
        sizes = {"memory_gb": gigabytes(one.memory), "free_gb": gigabytes(one.free)}
        yield Finding("machine", "ok", "gpu", {"name": one.name, "driver": one.driver, **sizes})
    torch = installed("torch")
    if found and torch is None:
        yield Finding("machine", "note", "gpu_unused", {"command": add_extra("local")})
    elif found and torch is not None and "+cpu" in torch:
        yield Finding("machine", "warning", "gpu_torch_cpu", {"torch": torch})
    elif not found:
        apple = platform.system() == "Darwin" and platform.machine() == "arm64"
        yield Finding("machine", "ok" if apple else "note", "gpu_apple" if apple else "gpu_none")


def gpus() -> tuple[Gpu, ...] | None:
    """NVIDIA's GPUs; `None` if their driver does not respond. Blocks."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    fields = "name,memory.total,memory.free,driver_version"
    query = [tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=_SMI_SECONDS, check=True).stdout
        rows = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line.strip()]
        return tuple(
            Gpu(name, int(total) * 2**20, int(free) * 2**20, driver) for name, total, free, driver in rows
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def installed(package: str) -> str | None:
    """Its version, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def memory() -> int | None:
    """All memory of the machine, in bytes."""
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def cpu() -> str:
    """The processor's name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
