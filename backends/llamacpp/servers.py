"""llama.cpp's server objects: one per file and settings, shared by the backends that use it."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from backends._machine import available_memory, engine_threads
from backends.chat_templates.rendering import Renderer
from backends.errors import BackendError, BadChatTemplate, ModelNotFound, ModelUnsupported, OutOfMemory
from backends.installation import add_extra
from backends.llamacpp.gguf import Header, read_header
from backends.llamacpp.reading import Reader
from backends.llamacpp.replies import PASSING
from backends.llamacpp.trial import survives
from backends.markers.control_tokens import ControlTokens, is_structure
from backends.options import LlamaCppOptions

SLOTS = 2
LONGEST_CONTEXT = 8192
"""Tokens of one slot, where neither the caller nor the model wants fewer: memory is taken for all at once."""

PREFIX_CACHE_MIB = 256
_CACHE_ITEM_BYTES = 2  # float16


def slot_count(setup: LlamaCppOptions) -> int:
    """How many replies are generated at once; others wait."""
    return setup.slots or SLOTS


def prefix_cache(setup: LlamaCppOptions) -> int:
    """MiB for prefixes of conversations that currently have no slot.

    None with adapters: the engine compares the tokens of a kept prefix but not the adapter that read them, so
    a reply would continue from another adapter's computation. It does clear slots.
    """
    return 0 if setup.adapters else PREFIX_CACHE_MIB


def context_window(setup: LlamaCppOptions, header: Header) -> int:
    """Context window of one conversation, in tokens."""
    trained = header.of_architecture("context_length")
    wanted = setup.context_length or LONGEST_CONTEXT
    return min(wanted, trained) if trained else wanted


def cache_bytes(setup: LlamaCppOptions, header: Header) -> int:
    """Bytes for the KV cache of all slots and the kept prefixes."""
    layers = header.of_architecture("block_count") or 0
    heads = header.of_architecture("attention.head_count") or 1
    groups = header.of_architecture("attention.head_count_kv") or heads
    size = (header.of_architecture("embedding_length") or 0) // heads
    key = header.of_architecture("attention.key_length") or size
    value = header.of_architecture("attention.value_length") or size
    each = layers * groups * (key + value) * _CACHE_ITEM_BYTES
    return each * context_window(setup, header) * slot_count(setup) + prefix_cache(setup) * 2**20


@dataclass(eq=False)
class Server:
    """A running server. template: the chat template, applied by `renderer`. native: the engine's object.
    control: what may not be in people's words. hashes: of the adapters, in order. free_slots: one is held
    while generating. special: the template's `bos_token` and `eos_token`."""

    setup: LlamaCppOptions
    renderer: Renderer
    header: Header
    template: str
    native: Any
    reader: Reader
    control: ControlTokens
    hashes: Sequence[str]
    free_slots: asyncio.Semaphore
    special: dict[str, str] = field(default_factory=dict)
    users: int = 0


class Servers:
    """Shares servers between backends. Lives on one event loop."""

    def __init__(self) -> None:
        self._servers: dict[LlamaCppOptions, Server] = {}
        self._locks: dict[LlamaCppOptions, asyncio.Lock] = {}

    async def take(self, setup: LlamaCppOptions) -> Server:
        """The server for this setup, loaded if no backend uses it yet. Give it back after use. Raises
        `BackendError`."""
        async with self._locks.setdefault(setup, asyncio.Lock()):
            server = self._servers.get(setup)
            if server is None:
                server = await asyncio.to_thread(_load, setup, Renderer())
                server.special = await server.reader.special_tokens()
                self._servers[setup] = server
            server.users += 1
            return server

    async def give_back(self, server: Server) -> None:
        """Stops the server when its last user gives it back."""
        async with self._locks[server.setup]:
            server.users -= 1
            if not server.users:
                del self._servers[server.setup]
                await asyncio.to_thread(_drop, server)


def _drop(server: Server) -> None:
    """Free the weights, which takes a moment; this was the last reference."""
    server.native = None


def _load(setup: LlamaCppOptions, renderer: Renderer) -> Server:
    xllamacpp = _import_xllamacpp()
    header = checked_header(setup.path)
    template = setup.chat_template or header.chat_template
    if template is None:
        raise ModelUnsupported(
            f"{setup.path.name} has no chat template: it is a base model, not a chat model.",
            cure="Choose a chat (instruct) model, or set a template with --chat-template-file.",
            params={"model": setup.name},
        )
    for adapter in setup.adapters:
        _check_adapter(adapter, header, setup.path)
    _check_template(renderer, template, setup.name)
    if not setup.known and not survives(setup.path, setup.adapters):
        raise ModelUnsupported(
            f"llama.cpp crashes on {setup.path.name}: the file is damaged, or its metadata is wrong.",
            cure="Download it again, or choose another file.",
            params={"model": setup.name},
        )
    params = _params(xllamacpp, setup, header)
    try:
        native = xllamacpp.Server(params)
    except RuntimeError as error:
        raise _refusal(setup, header) from error
    # What a tokenizer does not know is no structure.
    known = structure(header).keys() - {header.metadata.get("tokenizer.ggml.unknown_token_id")}
    reader = Reader(native.listening_address, params.api_keys[0], frozenset(known))
    control = ControlTokens(structure(header).values())
    hashes = [_hash(adapter) for adapter in setup.adapters]
    free_slots = asyncio.Semaphore(slot_count(setup))
    return Server(setup, renderer, header, template, native, reader, control, hashes, free_slots)


def _check_template(renderer: Renderer, template: str, name: str) -> None:
    """Reject a template that cannot render even a greeting, before anything large is loaded."""
    try:
        renderer.render(
            template,
            [{"role": "user", "content": "Hello"}],
            {"add_generation_prompt": True, "bos_token": "", "eos_token": ""},
        )
    except BadChatTemplate as error:
        raise ModelUnsupported(
            f"The chat template of {name} has an error: {error.said}.",
            cure="Set another chat template with --chat-template-file.",
            params={"model": name, "said": error.said},
        ) from error


def _params(xllamacpp: Any, setup: LlamaCppOptions, header: Header) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(setup.path)
    params.model_alias = {setup.name}
    params.n_parallel = slot_count(setup)
    # Each slot has its own window: in a shared one a long conversation could starve a running reply.
    params.kv_unified = False
    params.n_ctx = context_window(setup, header) * slot_count(setup)
    params.n_batch = params.n_ubatch = _batch_size(setup.path.stat().st_size, setup.gpu_layers)
    params.cache_ram_mib = prefix_cache(setup)
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = setup.threads or engine_threads()
        threads.poll = 0
    if setup.gpu_layers is not None:
        params.n_gpu_layers = setup.gpu_layers
    params.chat_template = PASSING
    if setup.adapters:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in setup.adapters]
        params.lora_init_without_apply = True
    params.verbosity = -1
    params.ui = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_threads_http = 1
    params.api_keys = [secrets.token_urlsafe(32)]
    return params


def _refusal(setup: LlamaCppOptions, header: Header) -> BackendError:
    """The engine only reports that it failed; the contents of the file usually tell why."""
    size, free = setup.path.stat().st_size, available_memory()
    if free is not None and size > free:
        return OutOfMemory(
            f"{setup.path.name} needs {size / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free.",
            cure="Choose a smaller model or a lower-bit quantization.",
            params={"needed_gb": round(size / 1e9, 1), "free_gb": round(free / 1e9, 1)},
        )
    architecture = str(header.metadata.get("general.architecture", "unknown"))
    if setup.adapters:
        cure = "Check that its adapters were trained for this model; one of them does not fit."
    else:
        cure = "Check that the download is complete; a newer xllamacpp may support this architecture."
    return ModelUnsupported(
        f"llama.cpp cannot load {setup.path.name} (architecture {architecture}).",
        cure=cure,
        params={"model": setup.name, "architecture": architecture},
    )


def _check_adapter(path: Path, base: Header, base_path: Path) -> None:
    """Reject a file that is not an adapter, or an adapter of another kind of model, before passing it to
    native code."""
    header = checked_header(path)
    if header.metadata.get("general.type") != "adapter" or header.metadata.get("adapter.type") != "lora":
        raise ModelUnsupported(
            f"{path.name} is a model, not a LoRA adapter.",
            cure="Use it as a model, or give a LoRA adapter converted to GGUF.",
            params={"path": str(path)},
        )
    kind, wanted = (one.metadata.get("general.architecture") for one in (header, base))
    if kind != wanted:
        raise ModelUnsupported(
            f"The adapter {path.name} was trained for another kind of model ({kind});"
            f" {base_path.name} is {wanted}.",
            cure="Use it with the model it was trained on.",
            params={"path": str(path), "architecture": str(kind)},
        )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def structure(header: Header) -> dict[int, str]:
    """The tokens that form the conversation format, by id."""
    added = {id: token for id, token in header.added.items() if is_structure(token)}
    return {**header.control, **added}


@cache
def device_of(gpu_layers: int | None) -> str:
    """The device that holds a model's weights: the first GPU this llama.cpp can use, else main memory.

    Weights that do not fit there stay in main memory, which is not reported separately.
    """
    if gpu_layers == 0:
        return "cpu"
    try:
        devices = _import_xllamacpp().get_device_info()
    except (BackendError, RuntimeError):
        return "cpu"  # told when it is loaded
    gpus = [str(one["name"]) for one in devices if one["type"].name.endswith("TYPE_GPU")]
    if not gpus:
        return "cpu"
    cuda = re.fullmatch(r"CUDA(\d+)", gpus[0])
    return f"cuda:{cuda[1]}" if cuda else "mps" if gpus[0].startswith(("Metal", "MTL")) else gpus[0]


def _import_xllamacpp() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelUnsupported(
            "Running a GGUF needs the package xllamacpp.", cure=add_extra("llamacpp")
        ) from error
    return xllamacpp


def checked_header(path: Path) -> Header:
    try:
        header = read_header(path)
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise ModelNotFound(
            f"There is no file {path}.", cure="Check the path of the model.", params={"path": str(path)}
        ) from error
    except OSError as error:
        raise ModelNotFound(
            f"{path} cannot be read: {error.strerror}.", cure="Check the path.", params={"path": str(path)}
        ) from error
    except ValueError as error:
        raise ModelUnsupported(
            f"{path.name} is not a complete GGUF file: {error}.",
            cure="Download it again, or choose another file.",
            params={"path": str(path)},
        ) from error
    if size < header.end:
        raise ModelUnsupported(
            f"{path.name} is incomplete: it has {size / 1e6:.1f} MB of at least {header.end / 1e6:.1f} MB.",
            cure="Download it again.",
            params={"path": str(path), "bytes": size, "expected_bytes": header.end},
        )
    return header


def _batch_size(file_bytes: int, gpu_layers: int | None) -> int:
    """Tokens of a prompt between two checks of the stop flag: about a quarter of a second on a CPU."""
    if gpu_layers:
        return 512
    return 64 if file_bytes < 1_000_000_000 else 32
