"""GGUF files: reading their headers, and converting them to half precision."""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import ModelUnsupported
from backends.installation import add_extra

# The kinds of values, by their number in the file.
_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_INT32 = 5

_TOKENS, _TOKEN_KINDS = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
"""Kinds of tokens, as llama.cpp numbers them."""

_MOST_ITEMS = 4_000_000
"""Entries, texts in lists included: the largest vocabularies have a few hundred thousand."""
_LONGEST_TEXT = 16 * 2**20
"""Bytes of a text; chat templates are the longest."""
_DEEPEST, _MOST_DIMENSIONS, _MOST_NUMBERS, _WIDEST = 4, 4, 2**50, 2**20

# Written anew by the copy, or about a quantization that the copy no longer has.
_NOT_COPIED = {"general.architecture", "general.file_type", "general.quantization_version"}


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a GGUF. `metadata` omits arrays; `end` is the minimum size of a complete file.

    control, added: tokens matched before ordinary words, by id: control tokens, and others.
    """

    metadata: dict[str, Any]
    end: int
    control: Mapping[int, str]
    added: Mapping[int, str]

    @property
    def chat_template(self) -> str | None:
        template = self.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) and template.strip() else None

    def of_architecture(self, key: str) -> int | None:
        """A number the architecture states about itself, such as `context_length`; `None` if it is missing or
        impossible."""
        value = self.metadata.get(f"{self.metadata.get('general.architecture')}.{key}")
        return value if isinstance(value, int) and 0 <= value < 2**32 else None


def read_header(path: Path) -> Header:
    """Read the header of a GGUF, in milliseconds and without dependencies, before passing the file to native
    code.

    Source: the GGUF specification, versions 2 and 3. Raises `OSError`, and `ValueError` if it is not a GGUF
    or is truncated.
    """
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise ValueError("the file is empty") from None
        with data:
            return _Reader(data).header()


class _Reader:
    """Trusts nothing in a header: each number is checked against the file before use."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0
        self._items = 0
        self._tokens: list[tuple[int, int]] = []  # begin and end of each
        self._kinds: tuple[int, ...] = ()

    def header(self) -> Header:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not start like a GGUF file")
        self._at = 4
        try:
            version = self._number("<I")
            if version not in (2, 3):
                raise ValueError(f"its GGUF version {version} is not supported")
            tensor_count, pair_count = self._number("<Q"), self._number("<Q")
            metadata: dict[str, Any] = {}
            for _ in range(pair_count):
                self._count()
                name = self._string()
                kind = self._number("<I")
                if name in (_TOKENS, _TOKEN_KINDS) and kind == _ARRAY:
                    self._vocabulary()
                    continue
                value = self._value(kind, 0)
                if value is not None:
                    metadata[name] = value
            end = self._tensors(tensor_count, _alignment(metadata))
        except (struct.error, KeyError, UnicodeDecodeError, OverflowError) as error:
            raise ValueError("its header is cut off") from error
        return Header(metadata, end, self._of_kind(_CONTROL, _UNKNOWN), self._of_kind(_USER_DEFINED))

    def _vocabulary(self) -> None:
        """The list of tokens, or of their types."""
        item, count = self._number("<I"), self._number("<Q")
        begin = self._at
        self._count(count)
        if item == _INT32:
            self._skip(count * struct.calcsize("<i"))
            self._kinds = struct.unpack_from(f"<{count}i", self._data, begin)
        elif item == _STRING:
            for _ in range(count):
                length = self._number("<Q")
                self._tokens.append((self._at, self._at + length))
                self._skip(length)
        else:
            raise ValueError("its vocabulary is not a list of strings")

    def _of_kind(self, *kinds: int) -> dict[int, str]:
        """Tokens by id."""
        return {
            id: self._data[begin:end].decode("utf-8", "replace")
            for id, ((begin, end), kind) in enumerate(zip(self._tokens, self._kinds, strict=False))
            if kind in kinds
        }

    def _tensors(self, count: int, alignment: int) -> int:
        """Skip the list of tensors; returns the offset of the last one, which must be within the file."""
        last = 0
        for _ in range(count):
            self._count()
            self._string()
            dimensions = self._number("<I")
            if dimensions > _MOST_DIMENSIONS:
                raise ValueError(f"one of its tensors has {dimensions} dimensions")
            sizes = [self._number("<Q") for _ in range(dimensions)]
            if math.prod(sizes) > _MOST_NUMBERS:
                raise ValueError("one of its tensors is impossibly large")
            self._at += 4
            offset = self._number("<Q")
            if offset % alignment:
                raise ValueError("one of its tensors has an invalid offset")
            last = max(last, offset)
        return -(-self._at // alignment) * alignment + last

    def _count(self, items: int = 1) -> None:
        self._items += items
        if self._items > _MOST_ITEMS:
            raise ValueError("its header has too many entries")

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise struct.error

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def _string(self) -> str:
        length, begin = self._number("<Q"), self._at
        if length > _LONGEST_TEXT:
            raise ValueError("one of its strings is too long")
        self._skip(length)
        return self._data[begin : self._at].decode()

    def _value(self, kind: int, depth: int) -> Any:
        """The value at this position; `None` for an array, which is only skipped."""
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            (value,) = struct.unpack_from(_SCALARS[kind], self._data, self._at)
            self._at += struct.calcsize(_SCALARS[kind])
            return value
        if depth == _DEEPEST:
            raise ValueError("its lists are nested too deeply")
        item, count = self._number("<I"), self._number("<Q")
        if item in _SCALARS:
            self._skip(count * struct.calcsize(_SCALARS[item]))
            return None
        self._count(count)
        for _ in range(count):
            if item == _STRING:
                self._skip(self._number("<Q"))
            else:
                self._value(item, depth + 1)
        return None


def _alignment(metadata: Mapping[str, object]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= _WIDEST or alignment & (alignment - 1):
        raise ValueError("its alignment is not a power of two")
    return alignment


def convert_to_f16(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write the model in `source` to `target` with half-precision weights and unchanged metadata.

    Tensors of one dimension (norms, biases) stay in single precision, as in llama.cpp's own converter.
    `progress` receives the bytes of weights written so far and in total. Needs memory for one tensor only.
    Raises `ModelUnsupported` if the package `gguf` is missing, `OSError` if the disk is full, and
    `ValueError` if the file is not a complete GGUF.
    """
    try:
        import gguf
    except ImportError as error:
        raise ModelUnsupported(
            "Preparing the demo model needs the package gguf.", cure=add_extra("llamacpp")
        ) from error
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    try:
        _copy_metadata(gguf, reader, writer)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        total = _announce_tensors(reader, writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        done = 0
        for tensor in reader.tensors:
            weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype(_dtype(tensor))
            writer.write_tensor_data(weights)
            done += weights.nbytes
            if progress is not None:
                progress(done, total)
    finally:
        writer.close()


def _copy_metadata(gguf: Any, reader: Any, writer: Any) -> None:
    for name, field in reader.fields.items():
        if name in _NOT_COPIED or name.startswith("GGUF."):
            continue
        value_type = field.types[0]
        item_type = field.types[-1] if value_type == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), value_type, item_type)


def _announce_tensors(reader: Any, writer: Any) -> int:
    """Write the list of tensors that will follow; returns their total bytes."""
    total = 0
    for tensor in reader.tensors:
        dtype = _dtype(tensor)
        size = int(tensor.n_elements) * dtype.itemsize
        # The file keeps the fastest dimension first, numpy last.
        writer.add_tensor_info(tensor.name, tuple(reversed(tensor.shape.tolist())), dtype, size)
        total += size
    return total


def _dtype(tensor: Any) -> Any:
    import numpy

    return numpy.dtype(numpy.float16 if len(tensor.shape) > 1 else numpy.float32)
