"""GGUF files: made over into half precision with the package `gguf`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from backends.errors import ModelUnsupported

# Written anew by the copy, or about a quantization that the copy no longer has.
_NOT_COPIED = {"general.architecture", "general.file_type", "general.quantization_version"}


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
            "Making the demo model ready needs the package gguf.", cure="pip install 'webchat[llamacpp]'"
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
