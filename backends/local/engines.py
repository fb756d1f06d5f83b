"""The models in this process: each loaded once, shared by all backends that use it.

Adapters of one base are backends of their own, with their own name, template and settings; the weights under
them and the engine that runs them are the same. Imports no torch until something is loaded.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from backends.base import Footprint, ProgressCallback
from backends.errors import ModelNotFound
from backends.local.estimates import conversations_of, weights_of
from backends.local.loading.adapters import AdapterInfo, load_adapter, remove_adapter
from backends.local.loading.chat_format import Template
from backends.local.loading.model import adapter_name, load, resolve
from backends.local.loading.sources import locate_adapter
from backends.local.preparing import Opened, open_engine
from backends.local.variants import Variant, variant_of
from backends.options import LocalOptions


@dataclass(eq=False, slots=True)
class _Adapter:
    info: AdapterInfo
    users: int = 0


@dataclass(eq=False, slots=True)
class Shared:
    """A model in memory, its adapters by folder, and its number of users."""

    key: LocalOptions
    opened: Opened
    adapters: dict[Path, _Adapter] = field(default_factory=dict)
    users: int = 0

    @property
    def footprint(self) -> Footprint:
        """The weights and the KV cache."""
        loaded, engine = self.opened.loaded, self.opened.engine
        parts = {weights_of(self.key): loaded.weight_bytes}
        if engine is not None:
            parts[conversations_of(self.key)] = engine.memory.nbytes
        return Footprint(loaded.placement.device, parts)

    @property
    def window(self) -> int | None:
        """Context window of one conversation: what the model supports and its memory can hold."""
        limits = [self.opened.loaded.context_length]
        if self.opened.engine is not None:
            limits.append(self.opened.tokens)
        return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class Taken:
    """One backend's use of a model. folder: of its adapter."""

    shared: Shared
    variant: Variant
    folder: Path | None


class Engines:
    """See the module. Lives on one event loop."""

    def __init__(self) -> None:
        self._shared: dict[LocalOptions, Shared] = {}
        self._locks: dict[LocalOptions, asyncio.Lock] = {}

    async def take(self, options: LocalOptions, progress: ProgressCallback) -> Taken:
        """The model named by `options`, loaded if nobody uses it yet with the size its first user requests,
        and its adapter, loaded next to the others. Give it back after use. Raises `BackendError`."""
        resolved = await asyncio.to_thread(resolve, options)
        key = resolved.shared()
        async with self._locks.setdefault(key, asyncio.Lock()):
            folder = await asyncio.to_thread(_adapter_folder, resolved, progress)
            shared = self._shared.get(key)
            if shared is None:
                shared = await asyncio.to_thread(_open, key, resolved, progress)
                self._shared[key] = shared
            shared.users += 1
            try:
                adapter = None
                if folder is not None:
                    adapter = await asyncio.to_thread(_use_adapter, shared, folder, str(resolved.adapter))
                given = None
                if options.chat_template:
                    given = Template(options.chat_template, options.template_source)
                variant = variant_of(shared.opened.loaded, given=given, adapter=adapter)
            except BaseException:
                await self._leave(shared)
                raise
            return Taken(shared, variant, folder)

    async def give_back(self, taken: Taken) -> None:
        """Unloads a model, or an adapter, when its last user gives it back."""
        async with self._locks[taken.shared.key]:
            if taken.folder is not None:
                await asyncio.to_thread(_leave_adapter, taken.shared, taken.folder)
            await self._leave(taken.shared)

    async def _leave(self, shared: Shared) -> None:
        shared.users -= 1
        if not shared.users:
            del self._shared[shared.key]
            await asyncio.to_thread(_close, shared.opened)


def _close(opened: Opened) -> None:
    if opened.engine is not None:
        opened.engine.close()
    if opened.loaded.placement.family == "cuda":
        import torch

        torch.cuda.empty_cache()  # what torch keeps of a GPU for itself is others' now


def _open(key: LocalOptions, options: LocalOptions, progress: ProgressCallback) -> Shared:
    try:
        loaded = load(key, progress)
    except ModelNotFound as error:
        if options.adapter is None:
            raise
        raise ModelNotFound(
            f"The base model of this adapter cannot be found: {error.message}",
            cure=f"Make {key.source} available, which adapter_config.json names.",
            params={"base": key.source},
        ) from error
    return Shared(key, open_engine(loaded, options, adapter_name(key.source)))


def _adapter_folder(options: LocalOptions, progress: ProgressCallback) -> Path | None:
    """Located before the base model, which may be a large download in vain."""
    if options.adapter is None:
        return None
    folder = locate_adapter(
        options.adapter, revision=options.adapter_revision, token=options.token, report=progress
    )
    return folder.resolve()


def _use_adapter(shared: Shared, folder: Path, source: str) -> AdapterInfo:
    """Load an adapter once, between two steps: no forward pass may be running."""
    held = shared.adapters.get(folder)
    if held is None:
        name = adapter_name(source)
        while any(one.info.name == name for one in shared.adapters.values()):
            name += "'"  # another folder of that name
        with shared.opened.lock:
            held = _Adapter(load_adapter(shared.opened.loaded.model, folder, name))
        shared.adapters[folder] = held
    held.users += 1
    return held.info


def _leave_adapter(shared: Shared, folder: Path) -> None:
    held = shared.adapters[folder]
    held.users -= 1
    if held.users:
        return
    del shared.adapters[folder]
    if shared.opened.engine is not None:
        shared.opened.engine.forget(held.info.name)
    with shared.opened.lock:
        remove_adapter(shared.opened.loaded.model, held.info.name)
