"""The face of the transformer engine: one reply at a time, the others wait in the order they came."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from backends.base import Capabilities, Footprint, ProgressCallback
from backends.bridge import Worker
from backends.errors import Unavailable
from backends.local.generation import generate
from backends.local.loading import Loaded, Options, load
from backends.types import Event, Finished, Request

_SAMPLING = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed", "stop"}
)


class LocalBackend:
    """A causal language model with a chat template, run by transformers.

    source: hub id, folder, adapter folder, a `.gguf` or a folder with one. revision: branch, tag or commit
    on the hub. device: `cpu`, `cuda`, `cuda:1`, `mps`; by default the best there is. dtype: `float32`,
    `float16`, `bfloat16`, by default what the device does well. context_length: tokens of prompt and reply,
    where fewer than the model reads are wanted. threads: of torch in this process, by default one for each
    core but one; models beside each other share them. chat_template: Jinja, not the model's own.
    load_in_8bit, load_in_4bit: with bitsandbytes, on NVIDIA GPUs. trust_remote_code: run Python that comes
    with the model. token: for gated and private models on the hub.
    """

    kind = "local"

    def __init__(
        self,
        *,
        source: str,
        revision: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        context_length: int | None = None,
        threads: int | None = None,
        chat_template: str | None = None,
        load_in_8bit: bool = False,
        load_in_4bit: bool = False,
        trust_remote_code: bool = False,
        token: str | None = None,
    ) -> None:
        path = Path(source).expanduser()
        # Where it lies on this machine is no business of those who read the replies.
        self.model = path.name if path.exists() else source
        self.capabilities = Capabilities(
            seed=True, prefill=True, context_length=context_length, sampling=_SAMPLING
        )
        self._options = Options(
            source=source,
            revision=revision,
            device=device,
            dtype=dtype,
            context_length=context_length,
            threads=threads,
            chat_template=chat_template,
            load_in_8bit=load_in_8bit,
            load_in_4bit=load_in_4bit,
            trust_remote_code=trust_remote_code,
            token=token,
        )
        self._loaded: Loaded | None = None
        self._starting = asyncio.Lock()
        self._slot = asyncio.Semaphore(1)
        self._worker: Worker[Event] | None = None
        self._closed = False

    @property
    def live(self) -> int:
        """How many replies are being written now: 0 or 1."""
        return int(self._worker is not None)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        async with self._starting:
            if self._loaded is not None:
                return
            self._closed = False
            loaded = await asyncio.to_thread(load, self._options, progress or (lambda _: None))
            self._loaded = loaded
            self.capabilities = Capabilities(
                system_role=loaded.system_role,
                seed=True,
                prefill=True,
                context_length=loaded.context_length,
                sampling=_SAMPLING,
            )

    def footprint(self) -> Footprint | None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        worker = await self._start_worker(request)
        finished = False
        async with worker.items() as events:
            async for event in events:
                finished = isinstance(event, Finished)
                yield event
        if not finished:
            raise _closed()

    async def aclose(self) -> None:
        self._closed = True
        if self._worker is not None:
            worker = self._worker
            worker.cancel()
            await worker.wait()
        async with self._starting:
            self._loaded = None

    async def _start_worker(self, request: Request) -> Worker[Event]:
        """Wait for the slot and put a thread to work in it, which gives it back."""
        seed = random.getrandbits(31) if request.sampling.seed is None else request.sampling.seed
        await self._slot.acquire()
        loaded = self._loaded
        if self._closed or loaded is None:
            self._slot.release()
            raise _closed()

        def work(emit: Callable[[Event], None], cancelled: threading.Event) -> None:
            generate(loaded, request, model_name=self.model, seed=seed, emit=emit, cancelled=cancelled)

        def ended() -> None:
            self._worker = None
            self._slot.release()

        self._worker = Worker(work, on_end=ended, name="local-model")
        return self._worker


def _closed() -> Unavailable:
    return Unavailable("The model was closed.", cure="Start it again.")
