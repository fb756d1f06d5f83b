"""The models in this process: each loaded once, shared by all backends that use it.

Adapters of one base are backends of their own, with their own name, template and settings; the weights under
them and the engine that runs them are the same. Imports no torch until something is loaded.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, replace
from typing import Any

from backends.base import Footprint, ProgressCallback
from backends.local import devices
from backends.local.attention import Memory, NotPackable, Part, pack, run
from backends.local.engine import Engine
from backends.local.loading import Loaded, Options, is_out_of_memory, load

PREFILL_CHUNK = 64
"""Tokens of a prompt between two looks at a stop, on a CPU and a small model: about a tenth of a second."""
SMALL = 300_000_000
"""Parameters up to which that holds; larger models read less at once."""
LONGEST_PREFILL_CHUNK = 512
"""The same elsewhere."""

SLOTS = {"cpu": 8}
MOST_SLOTS = 32
"""Replies in one batch, where nobody says another number: on a CPU and elsewhere."""

CPU_MEMORY = 2 * 2**30
"""Most bytes for keys and values on a CPU, where nobody says another number."""
WINDOW = 8192
"""Tokens taken for a model's window where it states none."""

_PROBE = ([1, 5, 9, 3, 7, 2, 8], [4, 6, 2])
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large an engine is: replies at once, tokens of all conversations, `None` for what suits the
    machine; whether it batches at all."""

    slots: int | None = None
    cache_tokens: int | None = None
    batching: bool = True


@dataclass(eq=False)
class Shared:
    """A loaded model and what runs it. engine: `None` where the model's attention cannot be packed; it then
    writes one reply at a time. lock: held by whoever is in the model."""

    key: Options
    loaded: Loaded
    lock: threading.Lock
    slots: int
    chunk: int
    engine: Engine | None
    tokens: int
    users: int = 0

    @property
    def footprint(self) -> Footprint:
        """The weights and the memory for conversations."""
        loaded, memory = self.loaded, 0
        if self.engine is not None:
            memory = sum(t.nbytes for t in (*self.engine.memory.keys, *self.engine.memory.values))
        name = f"{self.key.source} {id(self)}"
        parts = {f"weights {name}": int(loaded.model.get_memory_footprint()), f"conversations {name}": memory}
        return Footprint(loaded.placement.device, parts, measured=True)

    @property
    def window(self) -> int | None:
        """Tokens of one conversation: what the model reads and its memory holds."""
        limits = [self.loaded.context_length, self.tokens if self.engine is not None else None]
        return min((limit for limit in limits if limit is not None), default=None)


class Engines:
    """See the module. Lives on one event loop."""

    def __init__(self) -> None:
        self._shared: dict[Options, Shared] = {}
        self._locks: dict[Options, asyncio.Lock] = {}

    async def take(self, options: Options, sizes: Sizes, progress: ProgressCallback) -> Shared:
        """The model that `options` name, loaded if nobody uses it yet, as large as its first user wants it.
        Give it back after use. Raises `BackendError`.
        """
        key = replace(options, chat_template=None)
        async with self._locks.setdefault(key, asyncio.Lock()):
            shared = self._shared.get(key)
            if shared is None:
                shared = await asyncio.to_thread(_open, options, key, sizes, progress)
                self._shared[key] = shared
            shared.users += 1
            return shared

    async def give_back(self, shared: Shared) -> None:
        """The last who gives a model back unloads it."""
        async with self._locks[shared.key]:
            shared.users -= 1
            if shared.users:
                return
            del self._shared[shared.key]
            if shared.engine is not None:
                await asyncio.to_thread(shared.engine.close)


def _open(options: Options, key: Options, sizes: Sizes, progress: ProgressCallback) -> Shared:
    loaded = load(options, progress)
    family = loaded.placement.family
    lock = threading.Lock()
    chunk = _chunk(loaded)
    slots = sizes.slots or SLOTS.get(family, MOST_SLOTS)
    tokens = sizes.cache_tokens or _tokens(loaded, slots)
    padded = family != "cpu"
    try:
        if not sizes.batching:
            raise NotPackable("as asked for")
        memory = _packed(loaded, tokens, padded=padded)
    except NotPackable as why:
        _log.warning("%s writes one reply at a time: %s", options.source, why)
        return Shared(key, loaded, lock, 1, chunk, None, tokens)
    engine = Engine(
        loaded.model, memory, slots=slots, chunk=chunk, padded=padded, lock=lock, name=options.source
    )
    return Shared(key, loaded, lock, slots, chunk, engine, tokens)


def _packed(loaded: Loaded, tokens: int, *, padded: bool) -> Memory:
    """Memory for a model that is now packed, and proved to say what it said before. Raises `NotPackable`,
    leaving the model as it was, and `OutOfMemory`."""
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
            raise NotPackable("packed replies would differ from those of transformers")
    except Exception as error:
        model.set_attn_implementation(before)
        if is_out_of_memory(error):
            raise devices.out_of_memory(
                f"The memory for conversations ({tokens} tokens)", loaded.placement
            ) from error
        if isinstance(error, NotPackable):
            raise
        raise NotPackable(f"its attention is of another kind ({type(error).__name__})") from error
    return memory


def _alone(model: Any, ids: list[int]) -> Any:
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1]


def _together(model: Any, memory: Memory, *, padded: bool) -> Any:
    """The scores behind each probe, read in pieces beside the other."""
    longer, shorter = _PROBE
    run(model, memory, [Part(longer[:4], 0, 0, last=False), Part(shorter[:-1], 0, 16, last=False)])
    run(model, memory, [Part(longer[4:-1], 4, 0, last=False)])
    parts = [Part(longer[-1:], len(longer) - 1, 0), Part(shorter[-1:], len(shorter) - 1, 16)]
    return run(model, memory, parts, padded=padded)


def _chunk(loaded: Loaded) -> int:
    if loaded.placement.family != "cpu":
        return LONGEST_PREFILL_CHUNK
    return max(16, PREFILL_CHUNK * SMALL // max(SMALL, _parameters(loaded.model)))


def _parameters(model: Any) -> int:
    return int(model.num_parameters())


def _tokens(loaded: Loaded, slots: int) -> int:
    """How many tokens of conversations to keep in memory: all windows, as far as that is sober."""
    item = loaded.model.get_input_embeddings().weight.element_size()
    each = Memory.bytes_per_token(loaded.model.config, item)
    window = loaded.context_length or WINDOW
    free = devices.free_memory(loaded.placement)
    most = CPU_MEMORY if loaded.placement.family == "cpu" else 2**62
    room = min(most, most if free is None else free // 2) // each
    return max(1024, min(room, slots * window))
