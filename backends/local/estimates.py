"""How much memory a model would need, from its files and without torch, before anything is loaded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.base import Footprint
from backends.errors import BackendError
from backends.local.loading import devices
from backends.local.loading.devices import Placement
from backends.local.loading.model import embedding_of, placed
from backends.local.loading.sources import Files, base_of, locate, number, read_config, text_config
from backends.local.preparing import CPU_MEMORY, MOST_SLOTS, SLOTS, WINDOW
from backends.options import LocalOptions


def weights_of(options: LocalOptions) -> str:
    """The name of a model's weights in footprints: equal for weights that share memory."""
    kept = options.quantization or ("int8" if options.load_in_8bit else "nf4" if options.load_in_4bit else "")
    ways = ", ".join(way for way in (kept, options.dtype, options.device) if way)
    return f"weights of {options.source}" + (f" ({ways})" if ways else "")


def conversations_of(options: LocalOptions) -> str:
    """The name of a model's KV cache in footprints."""
    return weights_of(options).replace("weights", "conversations", 1)


def estimate(options: LocalOptions) -> Footprint | None:
    """`None` if the files are not downloaded yet or are invalid: loading reports that."""
    try:
        source = options.source
        base = None if _on_the_hub(source) else base_of(source, revision=None, token=None)
        source = source if base is None else base.source
        if _on_the_hub(source):
            return None
        files = locate(source, revision=None, token=None, report=lambda _: None)
        config = read_config(files.folder)
        device = options.device or ("cuda:0" if shutil.which("nvidia-smi") else "cpu")
        placement = placed(device, files, config, options, devices.units_by_system(device))
    except BackendError:
        return None
    options = replace(options, source=source)
    parts = {weights_of(options): _weights(config, files, placement)}
    if memory := _conversations(config, options, placement):
        parts[conversations_of(options)] = memory
    return Footprint(device, parts)


def _weights(config: dict[str, Any], files: Files, placement: Placement) -> int:
    """Bytes in the number format they are computed in, which may differ from that of the files."""
    if files.weights is None or config.get("quantization_config") is not None:
        return files.weight_bytes
    embedding, tied = embedding_of(config)
    return devices.kept_memory(placement, files.weights, embedding, tied=tied)


def _conversations(config: dict[str, Any], options: LocalOptions, placement: Placement) -> int:
    """Bytes of the KV cache for all slots; 0 if the settings do not say."""
    text, family = text_config(config), placement.family
    heads = number(text, "num_attention_heads")
    groups = number(text, "num_key_value_heads") or heads
    size = number(text, "head_dim") or (number(text, "hidden_size") // heads if heads else 0)
    each = 2 * number(text, "num_hidden_layers") * groups * size * devices.ITEM_BYTES[placement.dtype]
    window = number(text, "max_position_embeddings") or WINDOW
    if not options.batching:
        return 0
    window = min(window, options.context_length or window)
    tokens = options.cache_tokens or (options.slots or SLOTS.get(family, MOST_SLOTS)) * window
    whole = each * tokens
    return min(whole, CPU_MEMORY) if family == "cpu" and options.cache_tokens is None else whole


def _on_the_hub(source: str) -> bool:
    return not Path(source).expanduser().exists()
