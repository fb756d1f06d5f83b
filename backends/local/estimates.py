"""What a model would take, from its files and without torch: asked before anything is loaded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends.base import Footprint
from backends.errors import BackendError
from backends.local.loading import Options
from backends.local.opening import CPU_MEMORY, MOST_SLOTS, SLOTS, WINDOW, Sizes
from backends.local.sources import base_of, locate, read_config

_FLOAT32, _HALF = 4, 2


def weights_of(options: Options) -> str:
    """How footprints name the weights of a model: alike where they are the same in memory."""
    kept = options.quantization or ("int8" if options.load_in_8bit else "nf4" if options.load_in_4bit else "")
    ways = ", ".join(way for way in (kept, options.dtype, options.device) if way)
    return f"weights of {options.source}" + (f" ({ways})" if ways else "")


def conversations_of(options: Options) -> str:
    """How footprints name the memory for the conversations of a model."""
    return weights_of(options).replace("weights", "conversations", 1)


def estimate(options: Options, sizes: Sizes) -> Footprint | None:
    """`None` where the files are not here yet, or cannot be: that is told when they are loaded."""
    try:
        source = options.source
        base = None if _on_the_hub(source) else base_of(source, revision=None, token=None)
        source = source if base is None else base.source
        if _on_the_hub(source):
            return None
        files = locate(source, revision=None, token=None, report=lambda _: None)
        config = read_config(files.folder)
    except BackendError:
        return None
    options = replace(options, source=source)
    device = options.device or ("cuda:0" if shutil.which("nvidia-smi") else "cpu")
    parts = {weights_of(options): files.weight_bytes}
    if memory := _conversations(config, options, sizes, device.partition(":")[0]):
        parts[conversations_of(options)] = memory
    return Footprint(device, parts)


def _conversations(config: dict[str, Any], options: Options, sizes: Sizes, family: str) -> int:
    """Bytes for keys and values of all slots; 0 where the settings do not say."""
    text = config.get("text_config") or config
    try:
        heads = int(text["num_attention_heads"])
        groups = int(text.get("num_key_value_heads") or heads)
        size = int(text.get("head_dim") or text["hidden_size"] // heads)
        each = 2 * int(text["num_hidden_layers"]) * groups * size * (_FLOAT32 if family == "cpu" else _HALF)
        window = int(text.get("max_position_embeddings") or WINDOW)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0
    if not sizes.batching:
        return 0
    window = min(window, options.context_length or window)
    tokens = sizes.cache_tokens or (sizes.slots or SLOTS.get(family, MOST_SLOTS)) * window
    whole = each * tokens
    return min(whole, CPU_MEMORY) if family == "cpu" and sizes.cache_tokens is None else whole


def _on_the_hub(source: str) -> bool:
    return not Path(source).expanduser().exists()
