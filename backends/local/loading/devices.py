"""Which device and number format a model runs with, and why."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from typing import Any

from backends._machine import available_memory, cpu_flags
from backends.errors import ModelUnsupported, OutOfMemory
from backends.installation import add_package
from backends.local.loading.shards import Weights

QUANTIZATIONS = ("none", "fp16", "int8", "nf4")
"""The quantizations of weights. fp16 on a CPU: see `weights`; int8 and nf4 are bitsandbytes'."""

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_NF4_BYTES = 0.56
"""Per weight, including its share of the scales."""


@dataclass(frozen=True, slots=True)
class Units:
    """The fast arithmetic units of a device. amx: of a CPU. no_half: why float16 weights have no kernels,
    `None` if they do."""

    bfloat16: bool = False
    amx: bool = False
    no_half: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """A device (`cpu`, `cuda`, `cuda:1`, `mps`), torch's name of the dtype computed in, the quantization of
    the weights (`none`: they have that dtype), and the reason."""

    device: str
    dtype: str
    reason: str
    quantization: str = "none"

    @property
    def family(self) -> str:
        return self.device.partition(":")[0]


def choose(device: str | None, dtype: str | None, quantization: str | None = None) -> Placement:
    """The requested device, dtype and quantization, or the best ones here.

    Raises `ModelUnsupported` for anything unavailable, or that would ruin the replies.
    """
    chosen = available(device)
    return placed(chosen, dtype, quantization, units_of(chosen))


def available(device: str | None) -> str:
    """The requested device, or the best one here. Raises `ModelUnsupported` if it is not available."""
    import torch

    chosen = device or ("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    family = chosen.partition(":")[0]
    if (family == "cuda" and not torch.cuda.is_available()) or (family == "mps" and not _has_mps()):
        raise ModelUnsupported(
            f"torch cannot use the device {chosen}.",
            cure="Leave the device unset, or install a torch build that supports it.",
            params={"device": chosen},
        )
    return chosen


def placed(device: str, dtype: str | None, quantization: str | None, units: Units) -> Placement:
    """The number format of a model on a device with these units: the only place that decides, without torch.

    Raises `ModelUnsupported` for unknown formats, or ones that would ruin the replies.
    """
    family = device.partition(":")[0]
    dtype = None if dtype == "auto" else dtype
    for name, value, known in (("dtype", dtype, ITEM_BYTES), ("quantization", quantization, QUANTIZATIONS)):
        if value is not None and value not in known:
            raise ModelUnsupported(
                f"{value} is not a valid {name}.",
                cure=f"Choose one of {', '.join(known)}.",
                params={name: value},
            )
    if quantization in ("int8", "nf4"):
        _check_bitsandbytes(quantization, device)
    if quantization == "fp16":
        return _halved(device, dtype, units)
    if dtype is not None:
        return Placement(device, dtype, "as asked for", quantization or "none")
    # With AMX bfloat16 was not measured against float16 weights; it is what the units are made for.
    if quantization is None and family == "cpu" and units.no_half is None and not units.amx:
        return Placement(device, "float32", _HALF_REASON, "fp16")
    return Placement(device, *_best_dtype(family, units), quantization or "none")


_HALF_REASON = (
    "float16 weights, computed in float32: faster on this CPU than float32 or bfloat16, with the same output"
    " as float32"
)


def units_of(device: str) -> Units:
    """The units of a device according to torch."""
    import torch

    family = device.partition(":")[0]
    if family == "cuda":
        return Units(bfloat16=torch.cuda.get_device_capability() >= (8, 0))
    if family != "cpu":
        return Units()
    amx = _torch_says("_is_amx_tile_supported")
    return Units(amx or _torch_says("_is_avx512_bf16_supported"), amx, why_no_half())


def units_by_system(device: str) -> Units:
    """The same without torch, as far as the system reports: elsewhere, a CPU without such units is
    assumed."""
    if device.partition(":")[0] != "cpu":
        return Units(bfloat16=True)
    flags = cpu_flags()
    amx = "amx_tile" in flags
    return Units(amx or "avx512_bf16" in flags, amx, None if "avx2" in flags else _NO_AVX2)


_NO_AVX2 = "this CPU has no AVX2"


def why_no_half() -> str | None:
    """Why this CPU has no kernels for float16 weights; `None` if it has them."""
    import torch

    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "torch supports it on x86 only"
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        return "this torch was built without FBGEMM"
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return _NO_AVX2
    return None


def _halved(device: str, dtype: str | None, units: Units) -> Placement:
    """float16 weights on explicit request."""
    if device.partition(":")[0] != "cpu":
        if dtype not in (None, "float16"):
            raise _contradiction(dtype)
        return Placement(device, "float16", "as asked for")
    if dtype not in (None, "float32"):
        raise _contradiction(dtype)
    if units.no_half is not None:
        raise ModelUnsupported(
            f"fp16 weights are not supported here: {units.no_half}.",
            cure="Leave the quantization unset, or use a quantized GGUF.",
            params={"quantization": "fp16", "device": device},
        )
    return Placement(device, "float32", "as asked for", "fp16")


def _contradiction(dtype: str | None) -> ModelUnsupported:
    return ModelUnsupported(
        f"The quantization fp16 and the dtype {dtype} conflict.",
        cure="Give one of them.",
        params={"quantization": "fp16", "dtype": dtype or ""},
    )


def _best_dtype(family: str, units: Units) -> tuple[str, str]:
    if family == "cuda":
        if units.bfloat16:
            return "bfloat16", "this GPU computes in bfloat16"
        return "float16", "this GPU is older than bfloat16"
    if family == "mps":
        return "float16", "half the memory of float32, at full speed on this GPU"
    if units.bfloat16:
        return "bfloat16", "this CPU has AMX or AVX512-BF16"
    return "float32", "without AMX or AVX512-BF16, bfloat16 would be very slow on this CPU"


def _torch_says(probe: str) -> bool:
    import torch

    # Torch keeps these probes private; a torch without them is taken for a CPU without the units.
    return bool(getattr(torch.cpu, probe, bool)())


def _has_mps() -> bool:
    import torch

    return bool(torch.backends.mps.is_available())


def check_memory(placement: Placement, weights: Weights, embedding: int, *, tied: bool, name: str) -> None:
    """Reject a model that cannot fit before the system kills the process. Raises `OutOfMemory` with the
    numbers.

    embedding: its number of values. tied: whether the output layer shares it.
    """
    needed = needed_memory(placement, weights, embedding, tied=tied)
    free = free_memory(placement)
    if free is not None and needed > free:
        raise out_of_memory(name, placement, needed=needed)


def needed_memory(placement: Placement, weights: Weights, embedding: int, *, tied: bool) -> int:
    """Peak bytes needed for loading.

    Files are memory-mapped while being read, which takes no memory from others. While a layer is being
    packed, it also exists in float32.
    """
    packing = placement.family == "cpu" and placement.quantization == "fp16"
    return kept_memory(placement, weights, embedding, tied=tied) + (weights.largest * 4 if packing else 0)


def kept_memory(placement: Placement, weights: Weights, embedding: int, *, tied: bool) -> int:
    """Bytes that the weights take once loaded."""
    item = ITEM_BYTES[placement.dtype]
    small = {"fp16": 2.0, "int8": 1.0, "nf4": _NF4_BYTES}.get(placement.quantization)
    if small is None:
        return weights.parameters * item
    if placement.family != "cpu":
        return int((weights.parameters - embedding) * small) + embedding * item
    # The embedding is not made smaller, and an output layer that shared it becomes one of its own.
    layers = weights.packed - (0 if tied else embedding)
    return int(layers * small) + embedding * item


def free_memory(placement: Placement) -> int | None:
    """Bytes free on the device."""
    if placement.family == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(placement.device)[0])
    return available_memory()


def out_of_memory(name: str, placement: Placement, *, needed: int | None = None) -> OutOfMemory:
    """The error, with the bytes needed (if known) and free."""
    free = free_memory(placement)
    numbers = placement.dtype if placement.quantization == "none" else placement.quantization
    params: dict[str, str | int | float] = {"device": placement.device, "dtype": numbers}
    need = have = ""
    if needed is not None:
        params["needed_gb"] = round(needed / 1e9, 1)
        need = f"needs {needed / 1e9:.1f} GB in {numbers}"
    if free is not None:
        params["free_gb"] = round(free / 1e9, 1)
        have = f"{free / 1e9:.1f} GB are free on {placement.device}"
    sentence = " and ".join(part for part in (need, have) if part)
    return OutOfMemory(
        f"{name} does not fit into memory{': it ' + sentence if need else f'; {have}' if have else ''}.",
        cure="Choose a smaller model or a quantized GGUF, or shorten the conversation.",
        params=params,
    )


def preset(quantization: str | None, *, in_8bit: bool, in_4bit: bool) -> str | None:
    """The one quantization, which can be requested in three ways. Raises `ModelUnsupported` if more than one
    is used."""
    asked = {
        name: value
        for name, value in (
            ("quantization", quantization),
            ("load_in_8bit", "int8" if in_8bit else None),
            ("load_in_4bit", "nf4" if in_4bit else None),
        )
        if value
    }
    if len(set(asked.values())) > 1:
        raise ModelUnsupported(f"{' and '.join(asked)} are mutually exclusive.", cure="Give one of them.")
    return next(iter(asked.values()), None)


def _check_bitsandbytes(quantization: str, device: str) -> None:
    if device.partition(":")[0] != "cuda":
        why = f"this model would run on {device}"
        if device == "cpu" and quantization == "int8":
            why = "on a CPU it ruins the replies"
        raise ModelUnsupported(
            f"The quantization {quantization} needs an NVIDIA GPU: {why}.",
            cure="Choose fp16, which does not change replies, or a quantized GGUF, which runs well on a CPU.",
            params={"quantization": quantization, "device": device},
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelUnsupported(
            f"The quantization {quantization} needs the package bitsandbytes.",
            cure=add_package("bitsandbytes"),
            params={"quantization": quantization},
        )


def bitsandbytes(placement: Placement) -> Any:
    """The configuration for transformers for int8 and nf4; `None` for anything else."""
    import torch
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig
    if placement.quantization == "int8":
        return configuration(load_in_8bit=True)
    if placement.quantization == "nf4":
        return configuration(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=getattr(torch, placement.dtype),
        )
    return None
