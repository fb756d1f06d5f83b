"""The baseline without an engine: transformers' own `generate`, one request after another.

Only for comparison. The model is loaded as a script would load it: no packed weights, no quantization,
float32 on a CPU and the model's own dtype elsewhere, on all cores, and nothing is cached between requests.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from backends.base import Capabilities, Footprint, LoadProgress, ProgressCallback
from backends.bridge import Line
from backends.local.engine import closed
from backends.local.engines import Engines, Taken
from backends.local.loading import devices
from backends.local.loading.adapters import using
from backends.local.loading.model import Loaded
from backends.local.loading.reading import import_packages
from backends.local.prompts import prompt_of
from backends.local.replies import Reply
from backends.options import LocalOptions
from backends.types import Event, Finished, Request, Usage


class PlainGenerate:
    """A backend that answers greedily with `generate`, one request at a time.

    options: settings that make a model faster or smaller are ignored.
    """

    kind = "generate"

    def __init__(self, options: LocalOptions) -> None:
        self.model = options.source
        self.capabilities = Capabilities(sampling=frozenset({"max_tokens"}), slots=1)
        self._options = options
        self._engines = Engines()
        self._taken: Taken | None = None
        self._closed = False
        # One for all, as in a script: torch makes its helpers anew for each thread that computes.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="plain-generate")

    @property
    def about(self) -> str:
        """How it computes, once started: `float32 on cpu`."""
        return "" if self._taken is None else _dtype_and_device(self._taken.shared.opened.loaded)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        if self._closed:
            raise closed()
        if self._taken is None:
            plain = await asyncio.to_thread(_plain, self._options)
            self._taken = await self._engines.take(plain, progress or _silent)
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, _use_threads, self._options.threads or _cores())

    def footprint(self) -> Footprint | None:
        return None if self._taken is None else self._taken.shared.footprint

    async def count(self, request: Request) -> None:
        """Not needed: conversations are not fitted to it."""

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """Greedy, whatever the request's sampling. Raises `BackendError`, and what torch raises."""
        await self.start()
        assert self._taken is not None
        line: Line[Event] = Line()
        self._thread.submit(_work, self._taken, request, line)
        async with line.items() as events:
            async for event in events:
                yield event

    async def aclose(self) -> None:
        self._closed, taken, self._taken = True, self._taken, None
        await asyncio.to_thread(self._thread.shutdown)
        if taken is not None:
            await self._engines.give_back(taken)


def _plain(options: LocalOptions) -> LocalOptions:
    """The same model as a script would load it."""
    import_packages()
    on_cpu = devices.choose(options.device, None, "none").family == "cpu"
    return replace(
        options,
        dtype="float32" if on_cpu else options.dtype,
        quantization="none",
        load_in_8bit=False,
        load_in_4bit=False,
        threads=None,
        batching=False,
    )


def _use_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


class _Left(Exception):
    """Nobody listens any more."""


class _Streamer:
    """Receives the tokens of `generate`: first the prompt, then each new one."""

    def __init__(self, reply: Reply, cancelled: threading.Event) -> None:
        self._reply = reply
        self._cancelled = cancelled
        self._prompt_seen = False

    def put(self, tokens: Any) -> None:
        if self._cancelled.is_set():
            raise _Left
        if self._prompt_seen:
            for token in tokens.flatten().tolist():
                self._reply.feed(token)
        self._prompt_seen = True

    def end(self) -> None:
        """Does nothing: the reply detects its own end."""


def _work(taken: Taken, request: Request, line: Line[Event]) -> None:
    """Runs in the thread."""
    try:
        if not line.cancelled.is_set():
            _write(taken, request, line.emit, line.cancelled)
    except BaseException as error:
        line.finish(error)
    else:
        line.finish()


def _silent(_: LoadProgress) -> None:
    pass


def _write(taken: Taken, request: Request, emit: Callable[[Event], None], cancelled: threading.Event) -> None:
    import torch

    loaded, variant = taken.shared.opened.loaded, taken.variant
    prompt = prompt_of(loaded, variant.template, request, loaded.context_length)
    limits = [n for n in (request.sampling.max_tokens, prompt.room) if n is not None]
    limit = min(limits, default=256)
    reply = Reply(emit, loaded.tokenizer, end_ids=variant.end_ids, limit=limit, opens=prompt.text)
    ids = torch.tensor([prompt.ids], device=loaded.model.device)
    adapter = None if variant.adapter is None else variant.adapter.name
    try:
        with torch.inference_mode(), using(loaded.model, [(adapter, slice(None))]):
            loaded.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=limit,
                do_sample=False,
                num_beams=1,
                eos_token_id=sorted(variant.end_ids) or None,
                pad_token_id=next(iter(sorted(variant.end_ids)), 0),
                streamer=_Streamer(reply, cancelled),
            )
    except _Left:
        return
    reply.flush()
    emit(Usage(len(prompt.ids), reply.count, 0))
    emit(Finished(reply.reason, model=loaded.model.config.model_type, revision=loaded.revision))


def _cores() -> int:
    """Torch's default number of threads; the engine may have changed it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _dtype_and_device(loaded: Loaded) -> str:
    dtype = str(loaded.model.dtype).removeprefix("torch.")
    return f"{dtype} on {loaded.placement.device}"


def gpu_peak_bytes(*, reset: bool = False) -> int | None:
    """Peak memory torch has held on all GPUs since the last reset; `None` if it uses none.

    reset: start over after returning. Loads nothing.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    numbers = range(torch.cuda.device_count())
    peak = sum(int(torch.cuda.max_memory_reserved(number)) for number in numbers)
    if reset:
        for number in numbers:
            torch.cuda.reset_peak_memory_stats(number)
    return peak
