"""Where a model runs and with which numbers, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backends._machine import available_memory
from backends.errors import ModelUnsupported, OutOfMemory

_ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class Placement:
    """A device (`cpu`, `cuda`, `cuda:1`, `mps`), a dtype by its name in torch, and the reason for it."""

    device: str
    dtype: str
    reason: str

    @property
    def family(self) -> str:
        return self.device.partition(":")[0]


def choose(device: str | None, dtype: str | None) -> Placement:
    """The device and dtype asked for, or the best here. Raises `ModelUnsupported` for what is not there."""
    import torch

    chosen = device or ("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    family = chosen.partition(":")[0]
    if (family == "cuda" and not torch.cuda.is_available()) or (family == "mps" and not _has_mps()):
        raise ModelUnsupported(
            f"There is no device {chosen} that torch can use.",
            cure="Leave the device out, or install a torch made for it.",
            params={"device": chosen},
        )
    if dtype and dtype != "auto":
        if dtype not in _ITEM_BYTES:
            raise ModelUnsupported(
                f"{dtype} is not a dtype weights can have.",
                cure=f"Choose one of {', '.join(_ITEM_BYTES)}.",
                params={"dtype": dtype},
            )
        return Placement(chosen, dtype, "as asked for")
    return Placement(chosen, *_best_dtype(family))


def _best_dtype(family: str) -> tuple[str, str]:
    import torch

    if family == "cuda":
        if torch.cuda.get_device_capability() >= (8, 0):
            return "bfloat16", "this GPU computes in bfloat16"
        return "float16", "this GPU is older than bfloat16"
    if family == "mps":
        return "float16", "half the memory of float32, at full speed on this GPU"
    if _cpu_has_bfloat16():
        return "bfloat16", "this CPU has AMX or AVX512-BF16"
    return "float32", "this CPU has neither AMX nor AVX512-BF16, without which bfloat16 is very slow"


def _cpu_has_bfloat16() -> bool:
    import torch

    # Torch keeps these probes private; a torch without them is taken for a CPU without the units.
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def _has_mps() -> bool:
    import torch

    return bool(torch.backends.mps.is_available())


def check_memory(placement: Placement, weight_bytes: int, stored_dtype: str | None, name: str) -> None:
    """Refuse what cannot fit before the system kills the process. Raises `OutOfMemory` with the numbers."""
    stored = _ITEM_BYTES.get(stored_dtype or "", 2)
    needed = weight_bytes * _ITEM_BYTES[placement.dtype] // stored
    free = free_memory(placement)
    if free is not None and needed > free:
        raise out_of_memory(name, placement, needed=needed)


def free_memory(placement: Placement) -> int | None:
    """Bytes free on the device."""
    if placement.family == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(placement.device)[0])
    return available_memory()


def out_of_memory(name: str, placement: Placement, *, needed: int | None = None) -> OutOfMemory:
    """The error, with what is needed (bytes, where known) and what is free."""
    free = free_memory(placement)
    params: dict[str, str | int | float] = {"device": placement.device, "dtype": placement.dtype}
    need = have = ""
    if needed is not None:
        params["needed_gb"] = round(needed / 1e9, 1)
        need = f"needs {needed / 1e9:.1f} GB in {placement.dtype}"
    if free is not None:
        params["free_gb"] = round(free / 1e9, 1)
        have = f"{free / 1e9:.1f} GB are free on {placement.device}"
    sentence = " and ".join(part for part in (need, have) if part)
    return OutOfMemory(
        f"{name} does not fit into memory{': it ' + sentence if need else f'; {have}' if have else ''}.",
        cure="Choose a smaller model or a quantized GGUF, or shorten the conversation.",
        params=params,
    )


def quantization(placement: Placement, *, in_8bit: bool, in_4bit: bool) -> Any:
    """The configuration for bitsandbytes, `None` for none. Raises `ModelUnsupported` where it cannot work."""
    if not (in_8bit or in_4bit):
        return None
    option = "load_in_8bit" if in_8bit else "load_in_4bit"
    if in_8bit and in_4bit:
        raise ModelUnsupported("load_in_8bit and load_in_4bit exclude each other.", cure="Give one of them.")
    if placement.family != "cuda":
        raise ModelUnsupported(
            f"{option} needs an NVIDIA GPU, and this model would run on {placement.device}.",
            cure="Leave it out, or use a quantized GGUF, which runs well on a CPU.",
            params={"option": option, "device": placement.device},
        )
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelUnsupported(
            f"{option} needs the package bitsandbytes.",
            cure="pip install bitsandbytes",
            params={"option": option},
        )
    import torch
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig
    if in_8bit:
        return configuration(load_in_8bit=True)
    return configuration(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=getattr(torch, placement.dtype),
    )
