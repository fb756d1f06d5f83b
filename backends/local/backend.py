"""The face of the transformer engine: many replies at once from one model, see `engine`."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from threading import Thread

from backends.base import Capabilities, Footprint, ProgressCallback
from backends.bridge import Line
from backends.errors import BackendError
from backends.local import devices
from backends.local.engine import closed, failure
from backends.local.engines import Engines, Shared, Sizes
from backends.local.loading import Options, is_out_of_memory
from backends.local.plain import write
from backends.local.prompts import Prompt, prompt_of
from backends.local.replies import Reply
from backends.local.rows import Row
from backends.local.sampling import Choice, Sampler, most_tokens
from backends.types import Event, Finished, Logprobs, Request, TokenLogprob, Usage

_SAMPLING = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed", "stop"}
)

_log = logging.getLogger(__name__)


class LocalBackend:
    """A causal language model, run by transformers.

    source: hub id, folder, adapter folder, a `.gguf` or a folder with one. adapter: LoRA adapter of it, a
    folder or hub id. engines: where models are shared with other backends, by default nowhere. revision:
    branch, tag or commit on the hub. device: `cpu`, `cuda`, `cuda:1`, `mps`; by default the best there is.
    dtype: `float32`, `float16`, `bfloat16`, by default what the device does well. context_length: tokens of
    prompt and reply, where fewer than the model reads are wanted. slots: replies in one batch. cache_tokens:
    tokens of all conversations that memory is taken for. batching: without it one reply at a time, by plain
    `generate`. threads: of torch in this process, by default one for each core but one; models beside each
    other share them. chat_template: Jinja, not the model's own. quantization, load_in_8bit, load_in_4bit:
    smaller weights, see `loading`. trust_remote_code: run Python that comes with the model. token: for gated
    and private models on the hub.
    """

    kind = "local"

    def __init__(
        self,
        *,
        source: str,
        adapter: str | None = None,
        engines: Engines | None = None,
        revision: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        context_length: int | None = None,
        slots: int | None = None,
        cache_tokens: int | None = None,
        batching: bool = True,
        threads: int | None = None,
        chat_template: str | None = None,
        quantization: str | None = None,
        load_in_8bit: bool = False,
        load_in_4bit: bool = False,
        trust_remote_code: bool = False,
        token: str | None = None,
    ) -> None:
        self.model = _name(source)
        self.capabilities = Capabilities(
            seed=True,
            prefill=True,
            logprobs=True,
            context_length=context_length,
            sampling=_SAMPLING,
            slots=slots,
        )
        self._options = Options(
            source=source,
            adapter=adapter,
            revision=revision,
            device=device,
            dtype=dtype,
            context_length=context_length,
            threads=threads,
            chat_template=chat_template,
            quantization=quantization,
            load_in_8bit=load_in_8bit,
            load_in_4bit=load_in_4bit,
            trust_remote_code=trust_remote_code,
            token=token,
        )
        self._sizes = Sizes(slots=slots, cache_tokens=cache_tokens, batching=batching)
        self._engines = engines or Engines()
        self._shared: Shared | None = None
        self._starting = asyncio.Lock()
        self._one = asyncio.Semaphore(1)
        self._lines: set[Line[Event]] = set()
        self._closed = False

    @property
    def live(self) -> int:
        """How many replies are being written now or wait for their turn in the engine."""
        return len(self._lines)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        async with self._starting:
            if self._shared is not None:
                return
            self._closed = False
            shared = await self._engines.take(self._options, self._sizes, progress or (lambda _: None))
            self._shared = shared
            self.capabilities = Capabilities(
                system_role=shared.loaded.system_role,
                seed=True,
                prefill=True,
                logprobs=True,
                context_length=shared.window,
                sampling=_SAMPLING,
                slots=shared.slots,
                engine=f"local {id(shared)}",
            )

    def footprint(self) -> Footprint | None:
        return None if self._shared is None else self._shared.footprint

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        shared = self._open()
        line = await self._begin(shared, request)
        finished = False
        async with line.items() as events:
            async for event in events:
                finished = isinstance(event, Finished)
                yield event
        if not finished:
            raise closed()

    async def aclose(self) -> None:
        self._closed = True
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        for line in lines:
            await line.wait()
        async with self._starting:
            shared, self._shared = self._shared, None
            if shared is not None:
                await self._engines.give_back(shared)

    def _open(self) -> Shared:
        if self._closed or self._shared is None:
            raise closed()
        return self._shared

    async def _begin(self, shared: Shared, request: Request) -> Line[Event]:
        """Hand the request to what answers it. Raises `BackendError`."""
        prompt = await asyncio.to_thread(
            prompt_of, shared.loaded, self._template(shared), request, shared.window
        )
        engine = shared.engine
        if engine is None:
            await self._one.acquire()
        self._open()
        line: Line[Event] = Line(on_end=lambda: self._ended(line, plain=engine is None))
        row = self._row(shared, request, prompt, line)
        if engine is None:
            Thread(target=self._write, args=(shared, row), name="local-model", daemon=True).start()
        else:
            engine.submit(row)
        self._lines.add(line)
        return line

    def _template(self, shared: Shared) -> str:
        return self._options.chat_template or shared.loaded.template

    def _ended(self, line: Line[Event], *, plain: bool) -> None:
        self._lines.discard(line)
        if plain:
            self._one.release()

    def _row(self, shared: Shared, request: Request, prompt: Prompt, line: Line[Event]) -> Row:
        loaded, sampling = shared.loaded, request.sampling
        seed = random.getrandbits(31) if sampling.seed is None else sampling.seed
        limit = most_tokens(sampling, prompt.room)
        reply = Reply(
            line.emit,
            loaded.tokenizer,
            end_ids=loaded.end_ids,
            limit=limit,
            stop=sampling.stop,
            before=prompt.ids if request.continue_final else (),
            opens=prompt.text,
        )
        sampler = Sampler(
            loaded.model.generation_config,
            sampling,
            seed,
            loaded.model.device,
            alternatives=request.logprobs,
        )
        return Row(prompt.ids, limit, sampler, _Speaker(line, reply, self.model, shared, seed))

    def _write(self, shared: Shared, row: Row) -> None:
        """A reply by plain `generate`. Runs in a thread."""
        error: BackendError | None = None
        try:
            write(shared.loaded, row, chunk=shared.chunk, lock=shared.lock)
        except Exception as wrong:
            error = failure(wrong, self.model)
            if is_out_of_memory(wrong):
                error = devices.out_of_memory(f"This reply of {self.model}", shared.loaded.placement)
            elif not isinstance(wrong, BackendError):
                _log.warning("generating failed", exc_info=wrong)
        row.speaker.finish(row, error)


def _name(source: str) -> str:
    """What the model is called: where it lies on this machine is no business of those who read its
    replies."""
    path = Path(source).expanduser()
    return path.name if path.exists() else source


class _Speaker:
    """Says the tokens of one row to the one who reads them."""

    def __init__(self, line: Line[Event], reply: Reply, model: str, shared: Shared, seed: int) -> None:
        self._line = line
        self._reply = reply
        self._model = model
        self._shared = shared
        self._seed = seed

    @property
    def cancelled(self) -> bool:
        return self._line.cancelled.is_set()

    def token(self, choice: Choice) -> bool:
        if choice.logprob is not None and choice.token not in self._shared.loaded.end_ids:
            self._line.emit(Logprobs((self._logprob(choice, choice.logprob),)))
        return self._reply.feed(choice.token)

    def _logprob(self, choice: Choice, logprob: float) -> TokenLogprob:
        text: Callable[[list[int]], str] = self._shared.loaded.tokenizer.decode
        others = tuple((text([token]), value) for token, value in choice.alternatives)
        return TokenLogprob(text([choice.token]), logprob, others)

    def finish(self, row: Row, error: BaseException | None) -> None:
        try:
            self._reply.flush()
            if error is None and self._reply.ended:
                self._line.emit(Usage(row.prompt, self._reply.count, row.cached))
                self._line.emit(self._finished(row))
        except Exception as wrong:
            error = error or failure(wrong, self._model)
        finally:
            self._line.finish(error)

    def _finished(self, row: Row) -> Finished:
        loaded = self._shared.loaded
        details: dict[str, str | int | float | bool | None] = {
            "device": loaded.placement.device,
            "dtype": loaded.placement.dtype,
            "dtype_reason": loaded.placement.reason,
            "batched": self._shared.engine is not None,
            **row.timings(),
        }
        return Finished(
            self._reply.reason, model=self._model, revision=loaded.revision, seed=self._seed, details=details
        )
