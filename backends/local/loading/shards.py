"""Inspects weight files before they are loaded: whether they are complete, and how many weights they hold.

Source of the format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import ModelUnsupported

_LENGTH_BYTES = 8
_BLOCK = 512
"""Rows of a block of FBGEMM's packed matrices."""
_LONGEST_HEADER = 25_000_000
"""Bytes, a quarter of what the format allows: a hundred thousand tensors have fewer."""
_MOST_DIMENSIONS = 16


@dataclass(frozen=True, slots=True)
class Weights:
    """stored: bytes in the files. parameters: number of values. largest: values of the largest tensor.
    packed: number of values after packing for a CPU (`weights`). tensors: how many. widest: the largest
    dimension of any."""

    stored: int
    parameters: int
    largest: int
    packed: int
    tensors: int = 1
    widest: int = 1


def checked(files: Iterable[Path]) -> Weights:
    """Read the headers of all `files`. Raises `ModelUnsupported` for one that is truncated or damaged."""
    stored, found = 0, [[0]]
    for file in files:
        stored += file.stat().st_size
        found += shapes(file).values()
    sizes = [math.prod(shape) for shape in found]
    packed = sum(shape[0] * padded(shape[1]) if len(shape) == 2 else math.prod(shape) for shape in found)
    widest = max(side for shape in found for side in (1, *shape))
    return Weights(stored, sum(sizes), max(sizes), packed, len(found), widest)


def padded(inputs: int) -> int:
    """The input size of a layer after FBGEMM packs it: rounded up to a multiple of its block."""
    return -(-inputs // _BLOCK) * _BLOCK


def shapes(file: Path) -> dict[str, list[int]]:
    """Name and shape of each tensor. Raises `ModelUnsupported` for a truncated or damaged file."""
    size = file.stat().st_size
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(_LENGTH_BYTES), "little")
            begin = _LENGTH_BYTES + length
            if size < min(begin, _LONGEST_HEADER):
                raise _cut_short(file, size, None)
            header: dict[str, Any] = json.loads(opened.read(length)) if length <= _LONGEST_HEADER else {}
        header.pop("__metadata__", None)
        whole = begin + max((_end(tensor) for tensor in header.values()), default=0)
        found = {name: _shape(tensor["shape"]) for name, tensor in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _damaged(file) from error
    if size < whole:
        raise _cut_short(file, size, whole)
    if size > whole or not found:
        raise _damaged(file)
    return found


def _end(tensor: dict[str, Any]) -> int:
    """Where the tensor ends. Raises `ValueError` if its bytes are fewer than its shape requires even at the
    smallest type, four bits."""
    begin, end = tensor["data_offsets"]
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end < 2**63:
        raise ValueError("offsets")
    if math.prod(_shape(tensor["shape"])) > 2 * (end - begin):
        raise ValueError("shape")
    return end


def _shape(told: list[Any]) -> list[int]:
    if len(told) > _MOST_DIMENSIONS or not all(type(n) is int and 0 <= n < 2**50 for n in told):
        raise ValueError("shape")
    return list(told)


def _cut_short(file: Path, size: int, whole: int | None) -> ModelUnsupported:
    of = "" if whole is None else f" of {whole:,}"
    return ModelUnsupported(
        f"{file} is incomplete: it has {size:,}{of} bytes.",
        cure="Delete it, then download or copy it again.",
        params={"file": str(file), "bytes": size, **({} if whole is None else {"whole": whole})},
    )


def _damaged(file: Path) -> ModelUnsupported:
    return ModelUnsupported(
        f"{file} is not a safetensors file, or it is damaged.",
        cure="Delete it, then download or copy it again.",
        params={"file": str(file)},
    )
