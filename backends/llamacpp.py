"""GGUF models in this process, through llama.cpp (the wheel `xllamacpp`): the fast path on a CPU.

The engine is llama.cpp's own server object, called in process: it batches what its slots decode, keeps the
prefix of each slot and knows the chat templates. What we add: events, errors, and stopping. Three facts
shape this file:

- The engine looks at a request only between two batches, so prompts are read in small batches, and a request
  is given to it only when a slot is free: inside its own queue nothing could be stopped.
- It also opens a port on the loopback interface, which cannot be switched off; a random key nobody knows
  closes it.
- By default its threads spin while they wait, which starves the web server beside it: they sleep here, and
  one core is left to the rest (`engine_threads`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import secrets
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from backends._gguf import Header, read_header
from backends._holdback import StopCutter
from backends._machine import available_memory, engine_threads
from backends._thinking import Characters, ThinkingSplitter
from backends.base import Capabilities, Footprint, LoadProgress, ProgressCallback
from backends.bridge import Worker
from backends.errors import (
    BackendError,
    BadRequest,
    BadResponse,
    ContextTooLong,
    ModelNotFound,
    ModelUnsupported,
    OutOfMemory,
    Unavailable,
)
from backends.types import Event, Finished, FinishReason, ReasoningDelta, Request, TextDelta, Usage

SLOTS = 2
LONGEST_CONTEXT = 8192
"""Tokens of one slot, where neither the caller nor the model wants fewer: memory is taken for all at once."""

_PREFIX_CACHE_MIB = 256
_SEEDS = 2**32 - 1
"""The engine keeps 32 bits of a seed, and takes this number for none given."""

_REASONS: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls"}
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "max_tokens": "max_tokens",
}

_REFUSED_BY_TEMPLATE = re.compile(r"Jinja Exception: (.+)")

_log = logging.getLogger(__name__)


class LlamaCppBackend:
    """One GGUF file. See the module.

    path: the file. name: what provenance calls it, by default the file's name. context_length: tokens of one
    conversation, by default the model's own up to `LONGEST_CONTEXT`. slots: replies at once. threads: by
    default one per core but one, see `engine_threads`. chat_template: Jinja, instead of the one in the file.
    gpu_layers: layers put on a GPU, by default as many as fit; 0 for none.
    """

    kind = "llamacpp"

    def __init__(
        self,
        *,
        path: Path,
        name: str | None = None,
        context_length: int | None = None,
        slots: int | None = None,
        threads: int | None = None,
        chat_template: str | None = None,
        gpu_layers: int | None = None,
    ) -> None:
        self.model = name or path.stem
        self.capabilities = _capabilities(context_length, chat_template, slots or SLOTS)
        self._path = path
        self._context_length = context_length
        self._slot_count = slots or SLOTS
        self._threads = threads or engine_threads()
        self._chat_template = chat_template
        self._gpu_layers = gpu_layers
        self._server: Any = None
        self._starting = asyncio.Lock()
        self._slots = asyncio.Semaphore(self._slot_count)
        self._workers: set[Worker[dict[str, Any]]] = set()
        self._closed = False

    @property
    def live(self) -> int:
        """How many slots work now."""
        return len(self._workers)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        async with self._starting:
            if self._server is not None:
                return
            self._closed = False
            if progress is not None:
                progress(LoadProgress("loading"))
            header, server = await asyncio.to_thread(self._load)
            self._server = server
            self.capabilities = _capabilities(self._window(header), self._template(header), self._slot_count)

    def footprint(self) -> Footprint | None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        seed = random.getrandbits(31) if request.sampling.seed is None else request.sampling.seed
        payload = json.dumps(_payload(request, seed))
        worker = await self._worker(payload)
        reply = _Reply(request, self.model, seed)
        async with worker.items() as chunks:
            async for chunk in chunks:
                for event in reply.feed(chunk):
                    yield event
                if reply.ended:
                    break
        if not reply.ended:
            self._check_open()
        for event in reply.end():
            yield event

    async def aclose(self) -> None:
        self._closed = True
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        for worker in workers:
            await worker.wait()
        async with self._starting:
            await asyncio.to_thread(self._drop)

    def _drop(self) -> None:
        """Give the weights back, which takes a moment; this was the last reference."""
        self._server = None

    def _check_open(self) -> None:
        if self._closed or self._server is None:
            raise Unavailable("The model was closed.", cure="Start it again.")

    async def _worker(self, payload: str) -> Worker[dict[str, Any]]:
        """Wait for a slot and put a thread to work in it, which gives it back."""
        await self._slots.acquire()
        try:
            self._check_open()
        except BackendError:
            self._slots.release()
            raise
        server = self._server

        def work(emit: Callable[[dict[str, Any]], None], cancelled: threading.Event) -> None:
            def take(chunk: Any) -> bool:
                """Called between two batches and for each token; true stops the engine."""
                if not cancelled.is_set():
                    emit(json.loads(chunk) if isinstance(chunk, str | bytes) else chunk)
                return cancelled.is_set()

            try:
                server.handle_chat_completions(payload, take)
            except ValueError as error:
                raise _error({"message": str(error), "code": 400}) from error
            except Exception as error:
                raise _error({"message": str(error)}) from error

        def ended() -> None:
            self._workers.discard(worker)
            self._slots.release()

        worker: Worker[dict[str, Any]] = Worker(work, on_end=ended, name="llamacpp")
        self._workers.add(worker)
        return worker

    def _load(self) -> tuple[Header, Any]:
        xllamacpp = _import_xllamacpp()
        header = _checked_header(self._path)
        if self._template(header) is None:
            raise ModelUnsupported(
                f"{self._path.name} has no chat template, so it is a base model rather than a chat model.",
                cure="Choose a chat (instruct) model, or give a template with --chat-template-file.",
                params={"model": self.model},
            )
        try:
            return header, xllamacpp.Server(self._params(xllamacpp, header))
        except RuntimeError as error:
            raise self._refusal(header) from error

    def _params(self, xllamacpp: Any, header: Header) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.model_alias = {self.model}
        params.n_parallel = self._slot_count
        # Each slot has its own window: in a shared one a long conversation could starve a running reply.
        params.kv_unified = False
        params.n_ctx = self._window(header) * self._slot_count
        params.n_batch = params.n_ubatch = _batch_size(self._path.stat().st_size, self._gpu_layers)
        params.cache_ram_mib = _PREFIX_CACHE_MIB
        for threads in (params.cpuparams, params.cpuparams_batch):
            threads.n_threads = self._threads
            threads.poll = 0
        if self._gpu_layers is not None:
            params.n_gpu_layers = self._gpu_layers
        if self._chat_template is not None:
            params.chat_template = self._chat_template
        params.verbosity = -1
        params.ui = False
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.n_threads_http = 1
        params.api_keys = [secrets.token_urlsafe(32)]
        return params

    def _window(self, header: Header) -> int:
        trained = header.of_architecture("context_length")
        wanted = self._context_length or LONGEST_CONTEXT
        return min(wanted, trained) if trained else wanted

    def _template(self, header: Header) -> str | None:
        return self._chat_template or header.chat_template

    def _refusal(self, header: Header) -> BackendError:
        """The engine says only that it failed; what we know of the file says why, most of the time."""
        size, free = self._path.stat().st_size, available_memory()
        if free is not None and size > free:
            return OutOfMemory(
                f"{self._path.name} needs {size / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free.",
                cure="Choose a smaller or more strongly quantized file.",
                params={"needed_gb": round(size / 1e9, 1), "free_gb": round(free / 1e9, 1)},
            )
        architecture = header.metadata.get("general.architecture", "unknown")
        if self._chat_template is not None:
            cure = "Check the chat template that was given, and that the download is whole."
        else:
            cure = "Check that the download is whole; a newer xllamacpp may know this architecture."
        return ModelUnsupported(
            f"llama.cpp cannot load {self._path.name} (architecture {architecture}).",
            cure=cure,
            params={"model": self.model, "architecture": str(architecture)},
        )


class _Reply:
    """Turns the engine's chunks into events."""

    def __init__(self, request: Request, model: str, seed: int) -> None:
        self.ended = False
        self._model = model
        self._seed = seed
        self._characters = Characters()
        self._thinking = ThinkingSplitter()
        self._cutter = StopCutter(request.sampling.stop)
        self._reason: FinishReason = "stop"
        self._usage: Usage | None = None
        self._details: dict[str, str | int | float | bool | None] = {}

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        if "error" in chunk:
            raise _error(chunk["error"])
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if reasoning := self._characters.feed(delta.get("reasoning_content") or ""):
                events.append(ReasoningDelta(reasoning))
            events += self._text(delta.get("content") or "")
            if reason := choice.get("finish_reason"):
                self._reason = _REASONS.get(reason, "stop")
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
            self._details = _timings(chunk.get("timings") or {})
            self.ended = True
        return events

    def end(self) -> list[Event]:
        if not self.ended:
            raise BadResponse("llama.cpp ended the reply without saying why.", cure="Try again.")
        events: list[Event] = [
            *self._split(self._cutter.feed(self._characters.flush()) + self._cutter.flush())
        ]
        events += self._thinking.flush()
        if self._usage is not None:
            events.append(self._usage)
        events.append(Finished(self._reason, model=self._model, seed=self._seed, details=self._details))
        return events

    def _text(self, content: str) -> list[TextDelta | ReasoningDelta]:
        return self._split(self._cutter.feed(self._characters.feed(content)))

    def _split(self, text: str) -> list[TextDelta | ReasoningDelta]:
        return self._thinking.feed(text) if text else []


def _capabilities(window: int | None, template: str | None, slots: int) -> Capabilities:
    return Capabilities(
        # Templates without a system role say so by raising; there is no other sign.
        system_role="system role not supported" not in (template or "").lower(),
        seed=True,
        prefill=True,
        context_length=window,
        sampling=frozenset({*_SAMPLING, "seed", "stop"}),
        slots=slots,
    )


def _payload(request: Request, seed: int) -> dict[str, Any]:
    sampling = request.sampling
    payload: dict[str, Any] = {
        "messages": [{"role": message.role, "content": _whole(message.text)} for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        # A chunk for each batch of the prompt, which is where a prefill can be stopped.
        "return_progress": True,
        "seed": seed % _SEEDS,
        # A cached prefix is rounded differently from a computed one, so it would break a promised repeat.
        "cache_prompt": sampling.seed is None,
    }
    for ours, theirs in _SAMPLING.items():
        if (value := getattr(sampling, ours)) is not None:
            payload[theirs] = value
    if sampling.stop:
        payload["stop"] = [_whole(stop) for stop in sampling.stop]
    if request.continue_final:
        # Templates that open a reasoning block of their own refuse a reply that has begun.
        payload["chat_template_kwargs"] = {"enable_thinking": False}
    return payload


def _whole(text: str) -> str:
    """Half a character, which old text may have, is refused by the engine's JSON."""
    return text.encode("utf-8", "replace").decode()


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(usage["prompt_tokens"], usage["completion_tokens"], details.get("cached_tokens"))


def _timings(timings: dict[str, Any]) -> dict[str, str | int | float | bool | None]:
    return {
        ours: round(float(timings[theirs]) / 1000, 4)
        for ours, theirs in (("prefill_seconds", "prompt_ms"), ("decode_seconds", "predicted_ms"))
        if theirs in timings
    }


def _error(error: Any) -> BackendError:
    error = error if isinstance(error, dict) else {"message": str(error)}
    said = str(error.get("message", ""))
    if error.get("type") == "exceed_context_size_error":
        tokens, limit = int(error.get("n_prompt_tokens", 0)), int(error.get("n_ctx", 0))
        return ContextTooLong(
            f"The conversation has {tokens} tokens and this model reads {limit}.",
            cure="Shorten it, or start a new conversation.",
            params={"tokens": tokens, "limit": limit},
        )
    if refusal := _REFUSED_BY_TEMPLATE.search(said):
        return BadRequest(
            f"The model's chat template refuses this conversation: {refusal[1][:200]}.",
            cure="Check the order of the roles and the system prompt.",
        )
    _log.warning("llama.cpp refused a request: %s", said)
    if error.get("code") == 400:
        return BadRequest(
            "llama.cpp does not accept this request.", cure="Check the sampling settings and the messages."
        )
    return Unavailable("llama.cpp failed while it wrote the reply.", cure="Try again.")


def _import_xllamacpp() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelUnsupported(
            "Running a GGUF needs the package xllamacpp.", cure="pip install 'webchat[llamacpp]'"
        ) from error
    return xllamacpp


def _checked_header(path: Path) -> Header:
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
            f"{path.name} is not a whole GGUF file: {error}.",
            cure="Download it again, or choose another file.",
            params={"path": str(path)},
        ) from error
    if size < header.end:
        raise ModelUnsupported(
            f"{path.name} is cut off: it has {size / 1e6:.1f} MB of at least {header.end / 1e6:.1f} MB.",
            cure="Download it again.",
            params={"path": str(path), "bytes": size, "expected_bytes": header.end},
        )
    return header


def _batch_size(file_bytes: int, gpu_layers: int | None) -> int:
    """Tokens of a prompt between two looks at the stop flag: about a quarter of a second on a CPU."""
    if gpu_layers:
        return 512
    return 64 if file_bytes < 1_000_000_000 else 32
