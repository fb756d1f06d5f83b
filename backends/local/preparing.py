"""Prepares a loaded model for concurrent replies: packs and verifies its attention, and reserves its
memory."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backends.local.attention import Memory, NotPackable, Part, pack, run
from backends.local.engine import Engine
from backends.local.loading import devices
from backends.local.loading.adapters import using
from backends.local.loading.model import Loaded, is_out_of_memory
from backends.options import LocalOptions

if TYPE_CHECKING:
    from torch import Tensor

PREFILL_CHUNK = 64
"""Tokens of a prompt between two checks of the stop flag, for a small model on a CPU: about a tenth of a
second."""
SMALL = 300_000_000
"""Parameters up to which that holds; larger models read less at once."""
LONGEST_PREFILL_CHUNK = 512
"""The same elsewhere."""

SLOTS = {"cpu": 8}
MOST_SLOTS = 32
"""Default number of replies in one batch: on a CPU and elsewhere."""

CPU_MEMORY = 2 * 2**30
"""Default maximum bytes of the KV cache on a CPU."""
WINDOW = 8192
"""Tokens taken for a model's window where it states none."""

_PROBE = ([1, 5, 9, 3, 7, 2, 8], [4, 6, 2])
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Opened:
    """A model ready to generate.

    engine: `None` if the model's attention cannot be packed; it then generates one reply at a time. lock:
    held by the current user of the model. chunk: tokens of a prompt read at once. tokens: KV cache of all
    conversations, in tokens.
    """

    loaded: Loaded
    lock: threading.Lock
    slots: int
    chunk: int
    tokens: int
    engine: Engine | None


def open_engine(loaded: Loaded, options: LocalOptions, name: str) -> Opened:
    """Raises `OutOfMemory`. Blocks."""
    family = loaded.placement.family
    lock, chunk = threading.Lock(), _chunk(loaded)
    slots = options.slots or SLOTS.get(family, MOST_SLOTS)
    tokens = options.cache_tokens or _tokens(loaded, slots)
    padded = family != "cpu"
    try:
        memory = _packed(loaded, tokens, padded=padded) if options.batching else None
    except NotPackable as why:
        _log.warning("%s generates one reply at a time: %s", name, why)
        memory = None
    if memory is None:
        return Opened(loaded, lock, 1, chunk, tokens, None)
    engine = Engine(
        loaded.model,
        memory,
        slots=slots,
        chunk=chunk,
        padded=padded,
        lock=lock,
        using=lambda rows: using(loaded.model, rows),
        name=name,
    )
    return Opened(loaded, lock, slots, chunk, tokens, engine)


def _packed(loaded: Loaded, tokens: int, *, padded: bool) -> Memory:
    """The KV cache of a model that is now packed and verified to give the same output as before. Raises
    `NotPackable`, leaving the model unchanged, and `OutOfMemory`."""
    import torch

    model, before = loaded.model, loaded.model.config._attn_implementation
    try:
        expected = [_alone(model, ids) for ids in _PROBE]
        pack(model)
        memory = Memory(model.config, tokens, model.get_input_embeddings().weight.dtype, model.device)
        if not all(
            torch.allclose(told, alone, rtol=0, atol=0.05 * float(alone.abs().max()))
            for told, alone in zip(_together(model, memory, padded=padded), expected, strict=True)
        ):
            raise NotPackable("batched replies would differ from those of transformers")
    except Exception as error:
        model.set_attn_implementation(before)
        if is_out_of_memory(error):
            raise devices.out_of_memory(
                f"The memory for conversations ({tokens} tokens)", loaded.placement
            ) from error
        if isinstance(error, NotPackable):
            raise
        raise NotPackable(f"its attention is not supported ({type(error).__name__})") from error
    return memory


def _alone(model: Any, ids: list[int]) -> Tensor:
    import torch

    with torch.inference_mode():
        logits: Tensor = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits
    return logits[0, -1]


def _together(model: Any, memory: Memory, *, padded: bool) -> Tensor:
    """The logits after each probe, read in pieces next to each other."""
    longer, shorter = _PROBE
    run(model, memory, [Part(longer[:4], 0, 0, last=False), Part(shorter[:-1], 0, 16, last=False)])
    run(model, memory, [Part(longer[4:-1], 4, 0, last=False)])
    parts = [Part(longer[-1:], len(longer) - 1, 0), Part(shorter[-1:], len(shorter) - 1, 16)]
    return run(model, memory, parts, padded=padded)


def _chunk(loaded: Loaded) -> int:
    if loaded.placement.family != "cpu":
        return LONGEST_PREFILL_CHUNK
    return max(16, PREFILL_CHUNK * SMALL // max(SMALL, loaded.parameters))


def _tokens(loaded: Loaded, slots: int) -> int:
    """How many tokens of conversations to keep in memory: all context windows, within reason."""
    item = loaded.model.get_input_embeddings().weight.element_size()
    each = max(1, Memory.bytes_per_token(loaded.model.config, item))
    window = loaded.context_length or WINDOW
    free = devices.free_memory(loaded.placement)
    most = CPU_MEMORY if loaded.placement.family == "cpu" else 2**62
    room = min(most, most if free is None else free // 2) // each
    return max(1024, min(room, slots * window))
