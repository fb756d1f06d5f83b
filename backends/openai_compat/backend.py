"""Any OpenAI-compatible endpoint: vLLM, SGLang, TGI, llama.cpp, Ollama, OpenRouter, OpenAI itself.

    backend = OpenAICompatBackend("http://127.0.0.1:8000/v1", "my-model", api_key=None)

What an endpoint takes differs, and few say so. The backend starts from what `/models` tells and learns from
refusals: a 400 or 422 that names a field as unsupported is remembered, and the request sent again without it.
The key goes to this endpoint only: redirects are not followed and no cookie is kept.

Plain httpx and one `json.loads` per chunk: a third more CPU per token than httpx takes to read the bytes
(`tests/benchmarks/openai_compat_cost.py`); the `openai` SDK doubles it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

import httpx

from backends._limits import ERROR_BYTES, EVENT_BYTES
from backends._sent import told
from backends.base import Capabilities, LoadProgress, ProgressCallback
from backends.errors import BackendError, BadResponse, ModelNotFound, RateLimited, Timeout, Unavailable
from backends.openai_compat.address import Address
from backends.openai_compat.errors import from_httpx, from_status, refused_field
from backends.openai_compat.listing import RemoteModel
from backends.openai_compat.models import (
    NETWORK_ERRORS,
    new_client,
    read_body,
    read_models,
)
from backends.openai_compat.sse import EventTooLong, SSEParser
from backends.openai_compat.wire import SAMPLING_FIELDS, Reply, payload
from backends.types import Event, Request, Retrying, Sent

# Engines that name themselves in `owned_by`, continue a given beginning, and repeat a seed.
_ENGINES = ("llamacpp", "vllm", "sglang")
# What OpenAI's own API refuses, so that the page does not offer it.
_NOT_AT_OPENAI = frozenset({"top_k", "min_p", "repetition_penalty"})
# After the end of a reply: how long its usage and the end of the connection may take.
_GRACE_SECONDS = 2.0
_DRAIN_SECONDS = 0.25
_LONGEST_RETRY_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_token` runs from the request on and holds queueing, prefill and retries."""

    connect: float = 10.0
    first_token: float = 300.0
    between_tokens: float = 60.0


class OpenAICompatBackend:
    """One model at one endpoint; see the module.

    base_url: with its `/v1`; an address without a path gets one. model: `None` takes the first listed.
    context_length, images, prefill: what the endpoint does not tell; `None` finds out as far as possible.
    retries, backoff: before the first token only; the pause doubles from `backoff` seconds.
    """

    kind = "openai"

    def __init__(
        self,
        base_url: str,
        model: str | None = None,
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        retries: int = 2,
        backoff: float = 0.5,
        context_length: int | None = None,
        images: bool | None = None,
        prefill: bool | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model or ""
        self.capabilities = Capabilities(
            images=bool(images),
            tools=True,
            logprobs=True,
            prefill=bool(prefill),
            context_length=context_length,
            sampling=SAMPLING_FIELDS,
        )
        self.address = Address.parse(base_url)
        self._key = api_key.strip() or None if api_key else None
        self._timeouts = timeouts or Timeouts()
        self._retries = retries
        self._backoff = backoff
        self._given = (images, prefill)
        self._transport = transport
        self._server = ""
        self._without: frozenset[str] = frozenset()
        self._client: httpx.AsyncClient | None = None
        self._fresh: httpx.AsyncClient | None = None  # never takes a pooled connection
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Ask the endpoint what it serves. An endpoint without a list of models is taken as it is.

        Raises `Unavailable` or `Timeout`, and what listing raises where no model was named.
        """
        async with self._starting:
            if self._client is not None or self._closed:
                return
            if progress is not None:
                progress(LoadProgress("connecting"))
            client = self._new_client(keep_alive=True)
            try:
                await self._look_up(client)
            except BaseException:
                await client.aclose()
                raise
            self._client = client
            self._fresh = self._new_client(keep_alive=False)

    def footprint(self) -> None:
        """Its memory is the endpoint's."""

    def _new_client(self, *, keep_alive: bool) -> httpx.AsyncClient:
        return new_client(
            self.address,
            self._key,
            connect_timeout=self._timeouts.connect,
            keep_alive=keep_alive,
            transport=self._transport,
        )

    async def _look_up(self, client: httpx.AsyncClient) -> None:
        timeout = self._timeouts.connect
        try:
            models = await read_models(client, self.address, self._key, timeout)
        except (Unavailable, Timeout):
            raise
        except BackendError:
            if not self.model:
                raise
            return
        if not self.model:
            if not models:
                raise ModelNotFound(f"{self.address.place} lists no model.", cure="Load one there.")
            self.model = next((model for model in models if model.chat), models[0]).id
        found = next((model for model in models if model.id == self.model), None)
        if found is None and len(models) == 1 and models[0].server == "llamacpp":
            found = models[0]  # it serves one model under any name
        if found is not None:
            self._fit_to(found)

    def _fit_to(self, found: RemoteModel) -> None:
        engine = found.server in _ENGINES
        images, prefill = self._given
        self._server = found.server
        if self.address.place.endswith("openai.com"):
            self._without |= _NOT_AT_OPENAI
        self.capabilities = replace(
            self.capabilities,
            seed=engine,
            prefill=engine if prefill is None else prefill,
            images=found.images if images is None else images,
            context_length=self.capabilities.context_length or found.context_length,
            sampling=SAMPLING_FIELDS - self._without,
        )

    async def count(self, request: Request) -> None:
        """Its tokenizer is the endpoint's."""

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        deadline = asyncio.get_running_loop().time() + self._timeouts.first_token
        attempt = 0
        sent: bytes | None = None
        while True:
            reply = Reply(self._key, request.sampling.stop)
            begun = False
            without = self._without
            body = payload(request, self.model, server=self._server, without=without)
            posted = _posted(body)
            if request.trace and posted != sent:
                sent = posted
                yield Sent(told(request.messages), body=json.loads(posted), url=self.address.shown)
            try:
                response = await self._open(posted, _negotiable(body) - without, deadline)
                if response is None:
                    continue  # without the field that was refused
                try:
                    async with aclosing(self._read(response, reply, deadline)) as batches:
                        async for events in batches:
                            begun = True
                            for event in events:
                                yield event
                finally:
                    await response.aclose()
                for event in [*reply.rest(), *reply.end()]:
                    begun = True
                    yield event
                return
            except BackendError as error:
                for event in reply.rest() if begun else ():
                    yield event
                pause = None if begun else self._pause(error, attempt, deadline)
                if pause is None:
                    raise
                code = error.code
            attempt += 1
            yield Retrying(code, attempt, pause)
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        self._closed = True
        for client in (self._client, self._fresh):
            if client is not None:
                await client.aclose()

    def _pause(self, error: BackendError, attempt: int, deadline: float) -> float | None:
        """Seconds to wait before asking again; `None` when that would not help."""
        if attempt >= self._retries or self._closed or not isinstance(error, Unavailable | RateLimited):
            return None
        pause = self._backoff * 2**attempt * (1 + random.random() / 4)
        if isinstance(error, RateLimited) and error.retry_after is not None:
            if error.retry_after > _LONGEST_RETRY_AFTER:
                return None
            pause = max(pause, error.retry_after)
        left = deadline - asyncio.get_running_loop().time()
        return pause if pause < left else None

    async def _open(
        self, posted: bytes, negotiable: Collection[str], deadline: float
    ) -> httpx.Response | None:
        """Send a request and return the head of a 200; `None` when one of the negotiable fields was refused
        by name, and is learned."""
        client = self._client
        while True:
            if client is None or self._closed:
                raise Unavailable("The connection to the model was closed.", cure="Try again.")
            try:
                async with asyncio.timeout_at(deadline):
                    response = await client.send(self._post(client, posted), stream=True)
                    if response.status_code == 200:
                        return response
                    said = await _whole(response)
            except TimeoutError:
                raise self._too_slow(self._timeouts.first_token) from None
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
                # A pooled connection may have been closed at the other end without notice.
                if client is self._fresh:
                    raise self._network(error) from error
                client = self._fresh
                continue
            except NETWORK_ERRORS as error:
                raise self._network(error) from error
            field = refused_field(response.status_code, said, negotiable)
            if field is None:
                raise from_status(
                    response.status_code, response.headers, said, key=self._key, place=self.address.place
                )
            self._learn(field)
            return None

    def _post(self, client: httpx.AsyncClient, posted: bytes) -> httpx.Request:
        return client.build_request(
            "POST",
            self.address.chat,
            content=posted,
            headers={"Content-Type": "application/json", "Accept": "text/event-stream, application/json"},
        )

    def _learn(self, field: str) -> None:
        """Remember that this model refuses a field."""
        self._without |= {field}
        names = {"repeat_penalty": "repetition_penalty", "max_completion_tokens": "max_tokens"}
        # The first has another name to try, the second is seen to here.
        dropped = set() if field in ("max_tokens", "stop") else {names.get(field, field)}
        had = self.capabilities
        self.capabilities = replace(
            had,
            system_role=had.system_role and field != "system",
            seed=had.seed and field != "seed",
            logprobs=had.logprobs and field not in ("logprobs", "top_logprobs"),
            prefill=had.prefill and field not in ("continue_final_message", "add_generation_prompt"),
            sampling=had.sampling - dropped,
        )

    async def _read(
        self, response: httpx.Response, reply: Reply, deadline: float
    ) -> AsyncGenerator[list[Event], None]:
        """The events of each piece that the network gives. Ends when the reply does; raises what broke it."""
        clock = asyncio.get_running_loop().time
        reader = _BodyReader(reply, self.address.place)
        limit = self._timeouts.first_token
        async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as chunks:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(chunks, None)
                except (TimeoutError, *NETWORK_ERRORS) as error:
                    if reply.finished or reply.done:
                        return  # what matters has come
                    if isinstance(error, TimeoutError):
                        raise self._too_slow(limit) from None
                    raise self._network(error) from error
                events, failure = _collected(reader.close() if chunk is None else reader.feed(chunk))
                if events:
                    yield events
                if failure is not None:
                    raise failure
                if chunk is None:
                    return
                if reply.done:
                    deadline = min(deadline, clock() + _DRAIN_SECONDS)
                elif reply.finished:
                    deadline = min(deadline, clock() + _GRACE_SECONDS)
                elif events:  # comments and empty chunks are no tokens: a drip of them is no progress
                    limit = self._timeouts.between_tokens
                    deadline = clock() + limit

    def _too_slow(self, seconds: float) -> Timeout:
        return Timeout(
            f"{self.address.place} sent nothing for {seconds:g} seconds.",
            cure="Try again, or allow it more time.",
            params={"seconds": seconds},
        )

    def _network(self, error: Exception) -> BackendError:
        return from_httpx(error, place=self.address.place, connect=self._timeouts.connect)


class _BodyReader:
    """Tells by the first byte what a body is, whatever its type: events, one completion, a web page."""

    def __init__(self, reply: Reply, place: str) -> None:
        self._reply = reply
        self._place = place
        self._parser = SSEParser()
        self._sniffed = False
        self._whole: bytearray | None = None  # of a completion that is not streamed

    def feed(self, chunk: bytes) -> Iterator[Event]:
        if not self._sniffed and (begin := chunk.lstrip()):
            self._sniffed = True
            if begin.startswith(b"<"):
                raise self._bad(f"{self._place} answered with a web page.")
            if begin.startswith((b"{", b"[")):
                self._whole = bytearray()
        try:
            if self._whole is None:
                yield from self._events(self._parser.feed(chunk))
                return
            self._whole += chunk
            if len(self._whole) > EVENT_BYTES:
                raise EventTooLong
        except EventTooLong:
            raise self._bad(f"{self._place} sent more at once than any reply holds.") from None

    def close(self) -> Iterator[Event]:
        if self._whole is None:
            yield from self._events(self._parser.close())
            return
        try:
            completion = json.loads(self._whole.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise self._bad(f"{self._place} answered with broken JSON.") from None
        yield from self._reply.chunk(completion)
        self._reply.done = True

    def _events(self, data: Iterable[str]) -> Iterator[Event]:
        for piece in data:
            if not self._reply.done:
                yield from self._reply.data(piece)

    def _bad(self, message: str) -> BadResponse:
        return BadResponse(message, cure="Check the endpoint's address, or try again.")


def _collected(events: Iterator[Event]) -> tuple[list[Event], BackendError | None]:
    """The events before a failure and the failure: what came with the same piece is still to be shown."""
    collected: list[Event] = []
    try:
        for event in events:
            collected.append(event)  # not a comprehension: an error must leave what came before it
    except BackendError as error:
        return collected, error
    return collected, None


async def _whole(response: httpx.Response) -> bytes:
    try:
        return await read_body(response, ERROR_BYTES)
    finally:
        await response.aclose()


def _posted(body: dict[str, object]) -> bytes:
    """Not httpx's `json=`: a lone surrogate in old text must not stop a request."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _negotiable(body: dict[str, object]) -> set[str]:
    """The fields of a request that it can do without; `system` stands for the system role."""
    fields = body.keys() - {"model", "messages", "stream"}
    messages = body["messages"]
    assert isinstance(messages, list)
    return fields | ({"system"} if any(message["role"] == "system" for message in messages) else set())
