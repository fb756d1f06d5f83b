"""The transformers backend: many concurrent replies from one model, see `engine`."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import Any

from backends._sent import reported
from backends.base import Capabilities, Footprint, ProgressCallback
from backends.bridge import Line
from backends.chat_templates.rendering import OwnTemplate, Tried, rendered
from backends.errors import BackendError
from backends.local.engine import closed, failure
from backends.local.engines import Engines, Taken
from backends.local.estimates import estimate
from backends.local.loading import devices
from backends.local.loading.adapters import using
from backends.local.loading.model import is_out_of_memory
from backends.local.own_template import own_template, special_tokens
from backends.local.plain import write
from backends.local.prompts import Prompt, prompt_of
from backends.local.replies import Reply
from backends.local.rows import Row
from backends.local.sampling import Sampler, most_tokens
from backends.local.speaker import LineSpeaker
from backends.markers.marks import Table
from backends.options import LocalOptions
from backends.types import Event, Finished, Message, Request, Sent

_SAMPLING = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed", "stop"}
)

_log = logging.getLogger(__name__)


class LocalBackend:
    """A causal language model, run by transformers; see `LocalOptions`."""

    kind = "local"

    def __init__(self, options: LocalOptions) -> None:
        self.model = _name(options.source)
        self.capabilities = Capabilities(
            seed=True,
            prefill=True,
            bare_prompts=True,
            logprobs=True,
            context_length=options.context_length,
            sampling=_SAMPLING,
            slots=options.slots,
        )
        self._options = options
        self._table = Table(options.marks)
        self._engines = options.engines or Engines()
        self._taken: Taken | None = None
        self._starting = asyncio.Lock()
        self._one = asyncio.Semaphore(1)
        self._lines: set[Line[Event]] = set()
        self._closed = False

    @property
    def live(self) -> int:
        """How many replies are being generated or waiting in the engine."""
        return len(self._lines)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        async with self._starting:
            if self._taken is not None:
                return
            self._closed = False
            taken: Taken = await self._engines.take(self._options, progress or (lambda _: None))
            self._taken = taken
            self.capabilities = Capabilities(
                system_role=taken.variant.system_role,
                speaks_first=taken.variant.speaks_first,
                images=taken.shared.opened.loaded.images,
                seed=True,
                prefill=True,
                bare_prompts=True,
                logprobs=True,
                context_length=taken.shared.window,
                sampling=_SAMPLING,
                slots=taken.shared.opened.slots,
                engine=f"local {id(taken.shared)}",
            )

    def footprint(self) -> Footprint | None:
        return self._estimate if self._taken is None else self._taken.shared.footprint

    @cached_property
    def _estimate(self) -> Footprint | None:
        return estimate(self._options)

    async def count(self, request: Request) -> int:
        await self.start()
        taken = self._open()
        prompt = await asyncio.to_thread(
            prompt_of, taken.shared.opened.loaded, taken.variant.template, request, None
        )
        return len(prompt.ids)

    async def own_template(self) -> OwnTemplate | None:
        return await asyncio.to_thread(own_template, self._options, self._taken)

    async def try_template(self, template: str, messages: Sequence[Message]) -> Tried:
        taken = self._taken
        special = await asyncio.to_thread(special_tokens, self._options, taken)
        text = await rendered(template, messages, special)
        tokens = None
        if taken is not None:
            tokenizer = taken.shared.opened.loaded.tokenizer
            read = await asyncio.to_thread(tokenizer, text, add_special_tokens=False)
            tokens = len(read["input_ids"])
        return Tried(text, tokens)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        line = await self._begin(self._open(), request)
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
            taken, self._taken = self._taken, None
            if taken is not None:
                await self._engines.give_back(taken)

    def _open(self) -> Taken:
        if self._closed or self._taken is None:
            raise closed()
        return self._taken

    async def _begin(self, taken: Taken, request: Request) -> Line[Event]:
        """Pass the request to the component that answers it. Raises `BackendError`."""
        opened, variant = taken.shared.opened, taken.variant
        prompt = await asyncio.to_thread(
            prompt_of, opened.loaded, variant.template, request, taken.shared.window
        )
        # The engine packs tokens, not images.
        engine = None if prompt.extra else opened.engine
        line: Line[Event] = Line(on_end=lambda: self._ended(line, plain=engine is None))
        if request.trace:
            text, ids = "".join(prompt.pieces), tuple(prompt.ids)
            line.emit(
                Sent(
                    reported(request.messages),
                    text,
                    ids,
                    prompt.pieces,
                    template=taken.variant.source,
                    spans=prompt.spans,
                )
            )
        row = self._row(taken, request, prompt, line, batched=engine is not None)
        if engine is None:
            await self._one.acquire()
            if self._closed:  # while it waited
                self._one.release()
        self._open()
        if engine is None:
            self._start_writing(taken, row, prompt.extra)
        else:
            engine.submit(row)
        self._lines.add(line)
        return line

    def _ended(self, line: Line[Event], *, plain: bool) -> None:
        self._lines.discard(line)
        if plain:
            self._one.release()

    def _row(
        self, taken: Taken, request: Request, prompt: Prompt, line: Line[Event], *, batched: bool
    ) -> Row:
        loaded, variant, sampling = taken.shared.opened.loaded, taken.variant, request.sampling
        seed = random.getrandbits(31) if sampling.seed is None else sampling.seed
        limit = most_tokens(sampling, prompt.room)
        bare = request.options.bare_prompt
        reply = Reply(
            line.emit,
            loaded.tokenizer,
            end_ids=variant.end_ids,
            limit=limit,
            # The template's own end a turn of a chat.
            stop=sampling.stop if bare else (*sampling.stop, *variant.stop),
            before=prompt.ids if bare or request.continue_final else (),
            # A reply that has begun says nothing of how reasoning is opened: its words are words.
            opens="" if request.continue_final else prompt.text,
            shown=frozenset() if bare else loaded.words.marks(self._table),
            table=None if bare else self._table,
        )
        sampler = self._sampler(taken, request, seed)
        speaker = LineSpeaker(line, reply, self.model, taken, seed=seed, batched=batched)
        adapter = None if variant.adapter is None else variant.adapter.name
        return Row(prompt.ids, limit, sampler, speaker, adapter)

    def _sampler(self, taken: Taken, request: Request, seed: int) -> Sampler:
        model = taken.shared.opened.loaded.model
        return Sampler(
            model.generation_config, request.sampling, seed, model.device, alternatives=request.logprobs
        )

    def _start_writing(self, taken: Taken, row: Row, extra: Mapping[str, Any]) -> None:
        Thread(target=self._write, args=(taken, row, extra), name="local-model", daemon=True).start()

    def _write(self, taken: Taken, row: Row, extra: Mapping[str, Any]) -> None:
        """Generate a reply with plain `generate`. Runs in a thread."""
        opened = taken.shared.opened
        model = opened.loaded.model
        error: BackendError | None = None
        try:
            write(
                opened.loaded,
                row,
                chunk=opened.chunk,
                lock=opened.lock,
                extra=extra,
                adapted=lambda: using(model, [(row.adapter, slice(None))]),
            )
        except Exception as wrong:
            error = failure(wrong, self.model)
            if is_out_of_memory(wrong):
                error = devices.out_of_memory(f"This reply of {self.model}", opened.loaded.placement)
            elif not isinstance(wrong, BackendError):
                _log.warning("generating failed", exc_info=wrong)
        row.speaker.finish(row, error)


def _name(source: str) -> str:
    """The public name of the model: its path on this machine is not for people who read its replies."""
    path = Path(source).expanduser()
    return path.name if path.exists() else source
