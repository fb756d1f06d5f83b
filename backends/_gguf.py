"""GGUF files: what they say about themselves, and how to make them over into half precision."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
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

# Written anew by the copy, or about a quantization that the copy no longer has.
_NOT_COPIED = {"general.architecture", "general.file_type", "general.quantization_version"}


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF says about itself; `metadata` without arrays, `end` the least size of a whole file."""

    metadata: dict[str, Any]
    end: int

    @property
    def chat_template(self) -> str | None:
        template = self.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) and template.strip() else None

    def of_architecture(self, key: str) -> int | None:
        """A number the architecture states about itself, like `context_length`."""
        value = self.metadata.get(f"{self.metadata.get('general.architecture')}.{key}")
        return value if isinstance(value, int) else None


def read_header(path: Path) -> Header:
    """Read the beginning of a GGUF, in milliseconds and without a package, before native code is given it.

    Source: the GGUF specification, versions 2 and 3. Raises `OSError`, and `ValueError` when it is no GGUF or
    ends too early.
    """
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise ValueError("the file is empty") from None
        with data:
            return _Reader(data).header()


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def header(self) -> Header:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not begin like a GGUF")
        self._at = 4
        try:
            version = self._number("<I")
            if version not in (2, 3):
                raise ValueError(f"its GGUF version {version} is not known")
            tensor_count, pair_count = self._number("<Q"), self._number("<Q")
            metadata: dict[str, Any] = {}
            for _ in range(pair_count):
                name = self._string()
                value = self._value(self._number("<I"))
                if value is not None:
                    metadata[name] = value
            end = self._tensors(tensor_count, int(metadata.get("general.alignment", 32)))
        except (struct.error, KeyError, UnicodeDecodeError, OverflowError) as error:
            raise ValueError("it ends in the middle of its header") from error
        return Header(metadata, end)

    def _tensors(self, count: int, alignment: int) -> int:
        """Skip the list of tensors; returns where the last of them starts, which must lie in the file."""
        last = 0
        for _ in range(count):
            self._string()
            dimensions = self._number("<I")
            self._at += 8 * dimensions + 4
            last = max(last, self._number("<Q"))
        return -(-self._at // alignment) * alignment + last

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def _string(self) -> str:
        length = self._number("<Q")
        text = self._data[self._at : self._at + length]
        if len(text) < length:
            raise struct.error
        self._at += length
        return text.decode()

    def _value(self, kind: int) -> Any:
        """The value at this place; `None` for an array, which is only skipped."""
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            (value,) = struct.unpack_from(_SCALARS[kind], self._data, self._at)
            self._at += struct.calcsize(_SCALARS[kind])
            return value
        item, count = self._number("<I"), self._number("<Q")
        if item in _SCALARS:
            self._at += count * struct.calcsize(_SCALARS[item])
            return None
        for _ in range(count):
            if item == _STRING:
                self._at += 8 + struct.unpack_from("<Q", self._data, self._at)[0]
            else:
                self._value(item)
        return None


def convert_to_f16(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Write the model in `source` to `target` with weights in half precision and its metadata as it was.

    Tensors of one dimension (norms, biases) stay in single precision, as llama.cpp's own converter has it.
    `progress` is told the bytes of weights written so far and in all. Needs memory for one tensor only.
    Raises `ModelUnsupported` when the package `gguf` is missing, `OSError` when the disk is full, and
    `ValueError` when the file is not a whole GGUF.
    """
    try:
        import gguf
    except ImportError as error:
        raise ModelUnsupported(
            "Making the demo model ready needs the package gguf.", cure=add_extra("llamacpp")
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
    """Write down what tensors will follow; returns their bytes in all."""
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
