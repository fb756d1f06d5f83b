"""The llama.cpp backend: turns what the server says into events, and stops it."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from backends._machine import engine_threads
from backends._sent import marked, reported, spans
from backends.base import Capabilities, Footprint, LoadProgress, ProgressCallback
from backends.bridge import Worker
from backends.chat_templates.rendering import OwnTemplate, Tried, rendered, write
from backends.errors import BackendError, Unavailable
from backends.llamacpp.reading import Prompt
from backends.llamacpp.replies import SAMPLING, Reply, error_of, payload, whole
from backends.llamacpp.servers import (
    Server,
    Servers,
    cache_bytes,
    checked_header,
    context_window,
    device_of,
    slot_count,
)
from backends.markers.marks import Table
from backends.options import LlamaCppOptions
from backends.types import Event, Message, Request, Sent


class LlamaCppBackend:
    """One GGUF file. See the package and `LlamaCppOptions`."""

    kind = "llamacpp"

    def __init__(self, options: LlamaCppOptions) -> None:
        shared = options.shared()
        threads = shared.threads or engine_threads()
        self._setup = replace(shared, slots=slot_count(shared), threads=threads)
        self.model = self._setup.name
        self.capabilities = self._capabilities(options.context_length)
        self._template = "model" if options.chat_template is None else options.template_source
        self._adapter = options.adapter
        self._table = Table(options.marks)
        self._servers = options.servers or Servers()
        self._server: Server | None = None
        self._starting = asyncio.Lock()
        self._workers: set[Worker[dict[str, Any]]] = set()
        self._closed = False

    @property
    def live(self) -> int:
        """How many slots currently work for this backend."""
        return len(self._workers)

    async def start(self, progress: ProgressCallback | None = None) -> None:
        async with self._starting:
            if self._server is not None:
                return
            self._closed = False
            if progress is not None:
                progress(LoadProgress("loading"))
            server = await self._servers.take(self._setup)
            self._server = server
            self.capabilities = self._capabilities(
                context_window(self._setup, server.header),
                system_role=await self._renders(server, Message("system", "probe")),
                speaks_first=await self._renders(server, Message("assistant", "probe")),
                engine=f"llamacpp {id(server)}",
            )

    async def _renders(self, server: Server, first: Message) -> bool:
        """Whether the template renders such a first message, rather than rejecting or ignoring it."""
        try:
            asked = Request((first, Message("user", "Hello")))
            return "probe" in (await _prompt(server, asked)).text
        except BackendError:
            return False

    def footprint(self) -> Footprint | None:
        return self._footprint

    @cached_property
    def _footprint(self) -> Footprint | None:
        """Computed from the files, because the engine does not report it."""
        setup = self._setup
        try:
            header = checked_header(setup.path)
            sizes = {path: path.stat().st_size for path in (setup.path, *setup.adapters)}
        except (BackendError, OSError):
            return None  # told when it is loaded
        device, server = device_of(setup.gpu_layers), f"(server {hash(setup) % 2**32:08x})"
        # In main memory a file is mapped, once for all servers; a GPU holds a copy for each.
        parts = {f"{path}" if device == "cpu" else f"{path} {server}": size for path, size in sizes.items()}
        parts[f"conversations of {setup.path} {server}"] = cache_bytes(setup, header)
        return Footprint(device, parts)

    async def count(self, request: Request) -> int | None:
        await self.start()
        server = self._open()
        return len((await server.reader.read((await _prompt(server, request)).content)).ids)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        server = self._open()
        seed = random.getrandbits(31) if request.sampling.seed is None else request.sampling.seed
        prompt = await _prompt(server, request)
        if request.trace:
            yield await self._sent(server, request, prompt)
        scales = [float(path == self._adapter) for path in self._setup.adapters]
        shown = () if request.options.bare_prompt else self._table.marks_among(server.control.tokens)
        body = payload(request, prompt.content, seed, shown=shown, scales=scales)
        worker = await self._worker(server, json.dumps(body))
        reply = Reply(
            request,
            self.model,
            seed,
            adapter=self._adapter_name(server),
            template=self._template,
            # A reply that has begun says nothing of how reasoning is opened: its words are words.
            opens="" if request.continue_final else prompt.text,
            table=self._table,
        )
        async with worker.items() as chunks:
            async for chunk in chunks:
                for event in reply.feed(chunk):
                    yield event
                if reply.ended:
                    break
        if not reply.ended:
            self._open()
        for event in reply.end():
            yield event

    async def _sent(self, server: Server, request: Request, prompt: Prompt) -> Sent:
        """How the engine reads the messages. If it cannot tell, the messages alone: the reply, or its error,
        follows anyway."""
        messages = reported(request.messages)
        try:
            read = await server.reader.read(prompt.content, pieces=True)
            outline = await _prompt(server, replace(request, messages=marked(messages)))
        except BackendError:
            return Sent(messages)
        # A first token that every text gets is in no template's text.
        front = read.text[: len(read.text) - len(prompt.text)]
        found = spans(front + outline.text, read.text, messages)
        return Sent(messages, read.text, read.ids, read.pieces, template=self._template, spans=found)

    async def own_template(self) -> OwnTemplate | None:
        try:
            header = await asyncio.to_thread(checked_header, self._setup.path)
        except BackendError:
            return None  # not here yet
        return None if header.chat_template is None else OwnTemplate(header.chat_template, "model")

    async def try_template(self, template: str, messages: Sequence[Message]) -> Tried:
        server = self._server
        text = await rendered(template, messages, {} if server is None else server.special)
        tokens = None if server is None else len((await server.reader.read(text)).ids)
        return Tried(text, tokens)

    async def aclose(self) -> None:
        self._closed = True
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        for worker in workers:
            await worker.wait()
        async with self._starting:
            server, self._server = self._server, None
            if server is not None:
                await self._servers.give_back(server)

    def _open(self) -> Server:
        if self._closed or self._server is None:
            raise Unavailable("The model was closed.", cure="Start it again.")
        return self._server

    def _adapter_name(self, server: Server) -> str | None:
        if self._adapter is None:
            return None
        return f"{self._adapter.stem} {server.hashes[self._setup.adapters.index(self._adapter)]}"

    async def _worker(self, server: Server, body: str) -> Worker[dict[str, Any]]:
        """Wait for a slot and start a thread in it, which releases the slot when done."""
        await server.free_slots.acquire()
        try:
            self._open()
        except BackendError:
            server.free_slots.release()
            raise

        def work(emit: Callable[[dict[str, Any]], None], cancelled: threading.Event) -> None:
            def take(chunk: Any) -> bool:
                """Called between two batches and for each token; returning true stops the engine."""
                if not cancelled.is_set():
                    emit(json.loads(chunk) if isinstance(chunk, str | bytes) else chunk)
                return cancelled.is_set()

            try:
                # Through the server, which drops it in the end: what lingers of a reply keeps no weights.
                server.native.handle_completions(body, take)
            except ValueError as error:
                raise error_of({"message": str(error), "code": 400}) from error
            except Exception as error:
                raise error_of({"message": str(error)}) from error

        def ended() -> None:
            self._workers.discard(worker)
            server.free_slots.release()

        worker: Worker[dict[str, Any]] = Worker(work, on_end=ended, name="llamacpp")
        self._workers.add(worker)
        return worker

    def _capabilities(
        self,
        context_length: int | None,
        *,
        system_role: bool = True,
        speaks_first: bool = True,
        engine: str | None = None,
    ) -> Capabilities:
        return Capabilities(
            system_role=system_role,
            speaks_first=speaks_first,
            seed=True,
            prefill=True,
            bare_prompts=True,
            response_format=True,
            logprobs=True,
            context_length=context_length,
            sampling=frozenset({*SAMPLING, "seed", "stop"}),
            slots=slot_count(self._setup),
            engine=engine,
        )


async def _prompt(server: Server, request: Request) -> Prompt:
    """The conversation as the model reads it, with no control tokens in people's words. Raises `BadRequest`
    if the template rejects it."""
    if request.options.bare_prompt:
        text = whole(request.messages[-1].text)
        return Prompt(text, text)
    messages, break_ = server.control.broken(request.messages)
    chat = [{"role": message.role, "content": whole(message.text)} for message in messages]
    # Templates that open a reasoning block of their own refuse a reply that has begun.
    values = {**server.special, "enable_thinking": not request.continue_final}
    text = await asyncio.to_thread(
        write, server.renderer, server.template, chat, values, continue_final=request.continue_final
    )
    if not break_:
        return Prompt(text, whole(text))
    return await server.reader.prompt(server.control.parts(text, break_))
