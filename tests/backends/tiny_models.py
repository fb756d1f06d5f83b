"""Small models for what needs no wisdom: whole folders and files that load in no time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

_LAYERS = 2
_SPECIAL_AND_BYTES = 17 + 256
"""The demo's vocabulary begins with these; then each merge makes one token, in order."""
_MERGES = 1000


def make_folder(demo_folder: Path, folder: Path) -> None:
    """A model of transformers in `folder`, with the demo's tokenizer and random weights."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    for file in demo_folder.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, folder / file.name)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "layer_types": None,
        "dtype": "float32",
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
    made.save_pretrained(folder)


def make_gguf(demo_gguf: Path, path: Path) -> None:
    """The demo model cut down to its first layers and tokens: a real GGUF that talks nonsense."""
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(demo_gguf)
    tokens = _SPECIAL_AND_BYTES + _MERGES
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    cut: dict[str, Any] = {
        "llama.block_count": _LAYERS,
        "llama.vocab_size": tokens,
        "tokenizer.ggml.tokens": slice(tokens),
        "tokenizer.ggml.token_type": slice(tokens),
        "tokenizer.ggml.merges": slice(_MERGES),
    }
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        value, how = field.contents(), cut.get(name)
        kind = field.types[0]
        item = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value[how] if isinstance(how, slice) else how or value, kind, item)
    for tensor in reader.tensors:
        layer = tensor.name.split(".")[1] if tensor.name.startswith("blk.") else "0"
        if int(layer) < _LAYERS:
            rows = tokens if tensor.name == "token_embd.weight" else None
            writer.add_tensor(tensor.name, tensor.data[:rows])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
