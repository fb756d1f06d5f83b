"""How much memory is free where models run. Imports nothing large, since it is used before anything is
loaded."""

from __future__ import annotations

import os
import shutil
import subprocess

from backends._machine import available_memory

_ASK_SECONDS = 10.0


def free_memory(device: str) -> int | None:
    """Bytes a program can still allocate on a device (`cpu`, `mps`, `cuda`, `cuda:1`); `None` if unknown.
    Queries a GPU's driver, which may block for a moment."""
    family, _, number = device.partition(":")
    if family in ("cpu", "mps"):  # an Apple GPU has no memory of its own
        return available_memory()
    return _of_nvidia(int(number or 0)) if family == "cuda" else None


def _of_nvidia(number: int) -> int | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    # What this process sees as its first GPU may be another one of the machine.
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    if visible and number >= len(visible):
        return None
    gpu = visible[number] if visible else str(number)
    query = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits", "-i", gpu]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True).stdout
        return int(said.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
