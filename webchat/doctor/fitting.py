"""Which well-known models fit this machine, and about how fast they would write.

To write a token, a model reads all its active weights once, so memory bandwidth limits its speed. It is
measured on the CPU, and taken from the maker's figures for a GPU, where measuring would need a large library.
Real engines reach about half of it.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from backends._machine import available_memory, engine_threads
from webchat.doctor.finding import Finding, Value, gigabytes
from webchat.doctor.machine import Gpu

MEASURE_SECONDS = 0.5
EFFICIENCY = 0.55
CONTEXT_TOKENS = 8192
"""Of conversations, in the cache."""

OVERHEAD = 0.6e9
"""Bytes beside weights and cache."""

SHARE = 0.9
USEFUL = 3.0
"""Tokens a second below which nobody wants to read along."""

_BLOCK = 64 * 2**20
_MOST = 4


@dataclass(frozen=True, slots=True)
class Known:
    """A model of the table; see there."""

    name: str
    hub: str
    parameters: float
    cache: int
    active: float
    bits: float | None


@dataclass(frozen=True, slots=True)
class Fit:
    """A model in a form that fits. memory: bytes. speed: tokens a second of one reply, an estimate; `None` if
    the bandwidth is unknown."""

    model: Known
    form: str
    memory: float
    speed: float | None


@cache
def table() -> Mapping[str, Any]:
    """The file."""
    return tomllib.loads(files("webchat.doctor").joinpath("known_models.toml").read_text(encoding="utf-8"))


@cache
def known_models() -> Sequence[Known]:
    """All models of the table, the smallest first."""
    rows = table()["models"]
    return tuple(Known(**{"active": row["parameters"], "bits": None, **row}) for row in rows)


def fits(memory: float, bandwidth: float | None) -> list[Fit]:
    """Each model that fits, in the best form that does. memory, bandwidth: in bytes, and bytes a second."""
    found = []
    for model in known_models():
        forms = {"MXFP4": model.bits} if model.bits else table()["quantizations"]
        for form, bits in sorted(forms.items(), key=lambda one: -one[1]):
            needed = model.parameters * 1e9 * bits / 8 + CONTEXT_TOKENS * model.cache + OVERHEAD
            read = model.active * 1e9 * bits / 8
            speed = None if bandwidth is None else EFFICIENCY * bandwidth / read
            if needed <= memory and (speed is None or speed >= USEFUL):
                found.append(Fit(model, form, needed, speed))
                break
    return found


def fitting(found: tuple[Gpu, ...] | None) -> Iterator[Finding]:
    """What fits on the largest GPU, else in memory. Blocks."""
    if found:
        gpu = max(found, key=lambda one: one.memory)
        bandwidth = next((speed * 1e9 for name, speed in table()["gpus"].items() if name in gpu.name), None)
        params = {"name": gpu.name, "gbs": round((bandwidth or 0) / 1e9)}
        code = "bandwidth_gpu" if bandwidth else "bandwidth_unknown"
        yield Finding("fitting", "note", code, params)
        yield from _told(fits(SHARE * gpu.free, bandwidth))
        return
    bandwidth = measured_bandwidth()
    params = {"gbs": round(bandwidth / 1e9, 1), "threads": engine_threads(), "seconds": MEASURE_SECONDS}
    yield Finding("fitting", "note", "bandwidth", params)
    free = available_memory()
    if free is not None:
        yield from _told(fits(SHARE * free, bandwidth))


def _told(found: Sequence[Fit]) -> Iterator[Finding]:
    """The largest few; the date of the table with the first."""
    if not found:
        yield Finding("fitting", "note", "fits_nothing")
    for one in found[-_MOST:]:
        params: dict[str, Value] = {
            "model": one.model.name,
            "hub": one.model.hub,
            "form": one.form,
            "memory_gb": gigabytes(one.memory),
            "date": str(table()["date"]),
        }
        if one.speed is None:
            yield Finding("fitting", "note", "fits", params)
        else:
            speed = round(one.speed) if one.speed >= 10 else round(one.speed, 1)
            yield Finding("fitting", "note", "fits_speed", {**params, "speed": speed})


def measured_bandwidth() -> float:
    """Bytes a second that the cores an engine would use read and write in large copies, at their best: other
    programs may be busy now. Blocks."""
    import numpy as np

    threads = engine_threads()
    blocks = [(np.ones(_BLOCK, np.uint8), np.zeros(_BLOCK, np.uint8)) for _ in range(threads)]

    def fastest(number: int) -> float:
        source, target = blocks[number]
        np.copyto(target, source)  # its pages exist only now
        took, end = float("inf"), time.perf_counter() + MEASURE_SECONDS
        while (began := time.perf_counter()) < end:
            np.copyto(target, source)
            took = min(took, time.perf_counter() - began)
        return took

    with ThreadPoolExecutor(threads) as pool:
        return sum(2 * _BLOCK / took for took in pool.map(fastest, range(threads)))
