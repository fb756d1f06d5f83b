"""The options of each kind of backend: one frozen value, from the settings to the engine.

A setting fills the option of the same name (see `webchat.models.configured`); an engine receives only the
options that its kind lists here. Imports no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from backends.base import ProgressCallback
from backends.inputs import Fixed, Input

if TYPE_CHECKING:
    from backends.llamacpp.servers import Servers
    from backends.markers.marks import Marks
    from backends.openai_compat.patience import Timeouts
    from backends.openai_compat.refusals.terms import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """context_length: tokens of prompt and reply together, by default the model's own. marks: additional
    reasoning tags."""

    context_length: int | None = None
    marks: tuple[Marks, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointOptions(BackendOptions):
    """An OpenAI-compatible endpoint.

    base_url: with its `/v1`; an address without a path gets one. model: `None` uses the first one listed.
    api_key: never shown. timeouts: how long to wait for it. images, prefill: capabilities that endpoints do
    not report; `None` detects them as far as possible. retries, backoff: before the first token only; the
    pause doubles from `backoff` seconds. leave_out: features never sent, see `variants`. memory: where
    features that the model rejects are recorded. routing_header: the header that carries `Request.routing`.
    """

    base_url: str = field(repr=False)  # it may hold a password
    model: str | None = None
    _: KW_ONLY
    api_key: str | None = field(default=None, repr=False)
    timeouts: Timeouts | None = None
    retries: int = 2
    backoff: float = 0.5
    images: bool | None = None
    prefill: bool | None = None
    leave_out: tuple[str, ...] = ()
    memory: Memory | None = None
    routing_header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions(BackendOptions):
    """A model in this process.

    slots: replies at once. threads: by default one per core but one, see `engine_threads`; those of torch are
    shared by all its models. chat_template: Jinja, instead of the model's own; template_source: what
    provenance calls it.
    """

    slots: int | None = None
    threads: int | None = None
    chat_template: str | None = None
    template_source: str = "file"


@dataclass(frozen=True, slots=True)
class LlamaCppOptions(EngineOptions):
    """One GGUF file.

    path: the file; of the demo model the folder it is fetched into. name: what provenance calls it, by
    default the file's name. adapters: LoRA files (GGUF) that are loaded with it; adapter: the one of them
    this backend speaks with, `None` for the model itself. gpu_layers: layers put on a GPU, by default as many
    as fit; 0 for none. known: the file is sure to be whole. servers: where a loaded file is shared with other
    backends, by default nowhere.
    """

    path: Path
    _: KW_ONLY
    name: str = ""
    adapters: tuple[Path, ...] = ()
    adapter: Path | None = None
    gpu_layers: int | None = None
    known: bool = False
    servers: Servers | None = field(default=None, repr=False)

    def shared(self) -> LlamaCppOptions:
        """What backends that share a server have in common; the server has all adapters loaded."""
        adapters = self.adapters
        if self.adapter is not None and self.adapter not in adapters:
            adapters = (*adapters, self.adapter)
        return replace(
            self,
            name=self.name or self.path.stem,
            adapters=adapters,
            adapter=None,
            known=self.known and not adapters,
            template_source="file",
            marks=(),
            servers=None,
        )


class SharedModels(Protocol):
    """Loads a model once for all backends that use it: `backends.local.Engines`, whose `Taken` it gives."""

    async def take(self, options: LocalOptions, progress: ProgressCallback) -> Any: ...

    async def give_back(self, taken: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalOptions(EngineOptions):
    """A causal language model, run by transformers.

    source: hub id, folder, adapter folder, a `.gguf` or a folder with one. adapter: LoRA adapter of it, a
    folder or hub id. revision, adapter_revision: branch, tag or commit on the hub. device: `cpu`, `cuda`,
    `cuda:1`, `mps`; by default the best there is. dtype: `float32`, `float16`, `bfloat16`, by default what
    the device does well. quantization, load_in_8bit, load_in_4bit: smaller weights, see `loading`.
    cache_tokens: tokens of all conversations that memory is taken for. batching: without it one reply at a
    time, by plain `generate`. trust_remote_code: run Python that comes with the model. token: for gated and
    private models on the hub. engines: where models are shared with other backends, by default nowhere.
    """

    source: str
    _: KW_ONLY
    adapter: str | None = None
    revision: str | None = None
    adapter_revision: str | None = None
    device: str | None = None
    dtype: str | None = None
    quantization: str | None = None
    load_in_8bit: bool = False
    load_in_4bit: bool = False
    cache_tokens: int | None = None
    batching: bool = True
    trust_remote_code: bool = False
    token: str | None = field(default=None, repr=False)
    engines: SharedModels | None = field(default=None, repr=False)

    def shared(self) -> LocalOptions:
        """What backends that share a loaded model have in common: everything except the size of its engine
        and what makes it answer as one of them."""
        return replace(
            self,
            adapter=None,
            adapter_revision=None,
            chat_template=None,
            template_source="file",
            marks=(),
            slots=None,
            cache_tokens=None,
            batching=True,
            engines=None,
        )


@dataclass(frozen=True, slots=True)
class FunctionOptions(BackendOptions):
    """A Python function, see `backends.function`.

    function: it, or `module:function`. name: what provenance, errors and the log call it, by default its own.
    rewrites: it yields drafts that replace each other, so the reply is shown when it ends. slots: calls at
    once, by default 1, or 32 of an async function. inputs: values it takes after message and history.
    examples: messages to begin with. multimodal: its message is a dict with `text` and `files`.
    """

    function: str | Callable[..., Any] = field(repr=False)
    _: KW_ONLY
    name: str = ""
    rewrites: bool = False
    slots: int | None = None
    inputs: tuple[Input | Fixed, ...] = ()
    examples: tuple[str, ...] = ()
    multimodal: bool = False
