"""What this machine is, and how much memory this process takes."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def memory_bytes() -> int | None:
    """Resident memory of this process; `None` where the system does not say (Linux does)."""
    with suppress(OSError, ValueError, AttributeError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None


def machine() -> dict[str, str | int | None]:
    """The processor and the system."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
