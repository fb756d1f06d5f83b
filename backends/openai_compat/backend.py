"""Any OpenAI-compatible endpoint: vLLM, SGLang, TGI, llama.cpp, Ollama, OpenRouter, OpenAI itself.

    backend = OpenAICompatBackend(EndpointOptions("http://127.0.0.1:8000/v1", "my-model", api_key=None))

Endpoints support different features, and few report which. The backend starts from what `/models` reports and
detects the rest by trying (see `terms`): a feature that is rejected is left out or expressed differently, and
that is remembered.

A request is a loop of attempts. `_open` posts a body and `_read` reads the answer; `stream` decides what
follows a failed attempt: another body, the same one later, or the error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from backends._sent import reported
from backends.base import Capabilities, LoadProgress, ProgressCallback
from backends.errors import (
    BackendError,
    BadRequest,
    Loading,
    ModelNotFound,
    RateLimited,
    Timeout,
    Unavailable,
)
from backends.markers.marks import Marks, Table
from backends.openai_compat.address import Address
from backends.openai_compat.limits import ERROR_BYTES
from backends.openai_compat.listing import RemoteModel
from backends.openai_compat.models import connected, read_models
from backends.openai_compat.patience import Patience, Timeouts, too_slow
from backends.openai_compat.refusals.errors import from_status
from backends.openai_compat.refusals.refusal import Refusal
from backends.openai_compat.refusals.terms import Offer, Terms
from backends.openai_compat.replies.body import BodyReader
from backends.openai_compat.replies.reply import Reply
from backends.openai_compat.wire import SAMPLING_FIELDS, payload
from backends.options import EndpointOptions
from backends.types import Event, Finished, Request, Retrying, Sent

if TYPE_CHECKING:
    from backends.openai_compat.client import Client, Response

_log = logging.getLogger(__name__)

# Engines that name themselves in `owned_by`, continue a given beginning, and repeat a seed.
_ENGINES = ("llamacpp", "vllm", "sglang")
# How a server answers that has no route for bare prompts, or not for this model.
_NO_ROUTE = (404, 405)
# What OpenAI's own API refuses, so that the page does not offer it.
_NOT_AT_OPENAI = frozenset({"top_k", "min_p", "repetition_penalty"})
_LONGEST_RETRY_AFTER = 10.0
_LONGEST_LOADING_PAUSE = 5.0


class OpenAICompatBackend:
    """One model at one endpoint; see the module and `EndpointOptions`."""

    kind = "openai"

    def __init__(self, options: EndpointOptions) -> None:
        self._options = options
        self.model = options.model or ""
        self._offered = Capabilities(
            images=bool(options.images),
            tools=True,
            response_format=True,
            logprobs=True,
            prefill=bool(options.prefill),
            bare_prompts=True,
            context_length=options.context_length,
            sampling=SAMPLING_FIELDS,
        )
        self.address = Address.parse(options.base_url)
        self._key = (options.api_key or "").strip() or None
        self._timeouts = options.timeouts or Timeouts()
        self._server = ""
        self._terms, self._bare_terms = self._new_terms()
        self._table = Table(options.marks)
        self._unseen: Marks | None = None
        self._client: Client | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Ask the endpoint what it serves. An endpoint that does not list models is accepted as it is; one
        that is still loading its model is waited for as long as for a first token.

        Raises `Unavailable` or `Timeout`, and listing errors if no model was named.
        """
        async with self._starting:
            if self._client is not None or self._closed:
                return
            if progress is not None:
                progress(LoadProgress("connecting"))
            client = await connected(self.address, self._key, connect_timeout=self._timeouts.connect)
            try:
                await self._look_up_once_loaded(client, progress)
            except BaseException:
                await client.aclose()
                raise
            self._client = client

    @property
    def capabilities(self) -> Capabilities:
        return self._terms.fit(self._offered)

    def footprint(self) -> None:
        """Its memory is the endpoint's."""

    async def _look_up_once_loaded(self, client: Client, progress: ProgressCallback | None) -> None:
        patience = Patience(self._timeouts, _now())
        attempt = 0
        while True:
            try:
                await self._look_up(client)
                return
            except Loading as error:
                pause = self._pause(error, attempt, patience)
                if pause is None:
                    raise
            if progress is not None:
                progress(LoadProgress("loading"))
            attempt += 1
            await asyncio.sleep(pause)

    async def _look_up(self, client: Client) -> None:
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
                raise ModelNotFound(f"{self.address.place} lists no models.", cure="Load one there.")
            self.model = next((model for model in models if model.chat), models[0]).id
            self._terms, self._bare_terms = self._new_terms()
        found = next((model for model in models if model.id == self.model), None)
        if found is None and len(models) == 1 and models[0].server == "llamacpp":
            found = models[0]  # it serves one model under any name
        if found is not None:
            self._fit_to(found)

    def _fit_to(self, found: RemoteModel) -> None:
        engine = found.server in _ENGINES
        images, prefill = self._options.images, self._options.prefill
        self._server = found.server
        self._offered = replace(
            self._offered,
            seed=engine,
            prefill=engine if prefill is None else prefill,
            images=found.images if images is None else images,
            context_length=self._offered.context_length or found.context_length,
        )

    def _new_terms(self) -> tuple[Terms, Terms]:
        """For conversations, remembered, and for bare prompts."""
        memory, place, model = self._options.memory, self.address.identity, self.model
        never = _NOT_AT_OPENAI if self.address.host.endswith("openai.com") else frozenset()
        name, out = f"{model} at {self.address.place}", never.union(self._options.leave_out)
        chat = Terms(
            name,
            leave_out=out,
            learned=None if memory is None or not model else memory.recall(place, model),
            remember=None if memory is None else partial(memory.keep, place, model),
        )
        return chat, Terms(name, leave_out=out)

    async def count(self, request: Request) -> None:
        """Its tokenizer is the endpoint's."""

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        await self.start()
        patience = Patience(self._timeouts, _now())
        bare = request.options.bare_prompt
        url = self.address.completions if bare else self.address.chat
        terms = self._bare_terms if bare else self._terms
        offer = terms.offer(payload(request, self.model, server=self._server))
        held: list[Response] = []  # accepted, while a fuller body is tried
        attempt = 0
        loading: Loading | None = None
        sent: bytes | None = None
        try:
            while True:
                # A template may open the reasoning unseen; the model's last reply has shown whether it does.
                unseen = None if request.continue_final else self._unseen
                table = None if bare else self._table
                reply = Reply(self._key, request.sampling.stop, table=table, unseen=unseen)
                begun = False
                posted = _posted(offer.body)
                if request.trace and posted != sent:
                    sent = posted
                    shown = self.address.shown(url)
                    yield Sent(reported(request.messages), body=json.loads(posted), url=shown)
                try:
                    response = (
                        held.pop()
                        if held and offer.reads_held
                        else await self._open(url, posted, request, patience)
                    )
                    if not offer.reads_held and offer.fuller():
                        _hold(response, held)
                        continue
                    async with aclosing(self._whole(response, reply, patience)) as events:
                        async for event in events:
                            begun = begun or offer.taken()
                            yield _noted(event, offer) if isinstance(event, Finished) else event
                    if not bare:
                        self._unseen = self._unseen if request.continue_final else reply.unseen
                        self._notice(request, reply)
                    return
                except BackendError as broken:
                    # The time for a first token may run out between two answers that the model still loads.
                    error = loading if loading and isinstance(broken, Timeout) and not begun else broken
                    loading = error if isinstance(error, Loading) else None
                    for event in reply.rest() if begun else ():
                        yield event
                if not begun and (await offer.refused(error, patience.until) or held):
                    continue
                pause = None if begun else self._pause(error, attempt, patience)
                if pause is None:
                    failure = offer.failure(error)
                    if isinstance(failure.__cause__, Refusal):
                        _log.warning("%s: %s", self._terms.name, failure.message)
                    raise failure
                attempt += 1
                yield Retrying(error.code, attempt, pause)
                await asyncio.sleep(pause)
        finally:
            offer.close()
            _hold(None, held)

    def _notice(self, request: Request, reply: Reply) -> None:
        """Note that an endpoint accepts the request for logprobs but ignores it."""
        if request.logprobs is not None and reply.said_something and not reply.told_logprobs:
            self._offered = replace(self._offered, logprobs=False)

    async def aclose(self) -> None:
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _open(self, url: str, posted: bytes, request: Request, patience: Patience) -> Response:
        """Post one body of a request. Returns the accepted answer, still to be read. Raises
        `BackendError`."""
        if self._client is None or self._closed:
            raise Unavailable("The connection to the model was closed.", cure="Try again.")
        waits = {"until": patience.until, "seconds": patience.seconds}
        name = self._options.routing_header
        headers = {name: request.routing} if name and request.routing else {}
        response = await self._client.send("POST", url, posted, headers=headers, **waits)
        if 200 <= response.status < 300:
            return response
        try:
            said = await response.body(ERROR_BYTES, **waits)
        finally:
            response.close()
        place = self.address.place
        error = from_status(response.status, response.headers, said, key=self._key, place=place)
        if request.options.bare_prompt and response.status in _NO_ROUTE and type(error) is BadRequest:
            self._offered = replace(self._offered, bare_prompts=False)
            raise BadRequest(f"{place} does not complete bare prompts.", cure="Start a conversation instead.")
        raise error

    async def _whole(
        self, response: Response, reply: Reply, patience: Patience
    ) -> AsyncGenerator[Event, None]:
        """The events of an answer to its end."""
        async with aclosing(self._read(response, reply, patience)) as batches:
            async for events in batches:
                for event in events:
                    yield event
        for event in [*reply.rest(), *reply.end()]:
            yield event

    async def _read(
        self, response: Response, reply: Reply, patience: Patience
    ) -> AsyncGenerator[list[Event], None]:
        """Read an answer: the events of each network read. Ends with the stream. Raises `BackendError` if it
        is broken off."""
        body = BodyReader(reply, self.address.place)
        try:
            while True:
                chunk, lost = await self._next(response, reply, patience)
                events, failure = body.feed(chunk) if chunk else body.close()
                if events:
                    yield events
                whole = reply.ended or reply.done or reply.cut
                if lost is not None and not whole:
                    raise lost
                if failure is not None and not (lost and whole):
                    raise failure
                if not chunk:
                    return
                patience.heard(_now(), reply, spoke=bool(events))
        finally:
            response.close()

    async def _next(
        self, response: Response, reply: Reply, patience: Patience
    ) -> tuple[bytes, BackendError | None]:
        """The next piece of the body; empty at its end, with the error that broke it off."""
        try:
            return await response.read(patience.until), None
        except TimeoutError:
            return b"", too_slow(self.address.place, patience.seconds)
        except BackendError as lost:
            return b"", lost

    def _pause(self, error: BackendError, attempt: int, patience: Patience) -> float | None:
        """Seconds to wait before the next attempt; `None` if that would not help."""
        if self._closed or not isinstance(error, Unavailable | RateLimited):
            return None
        pause = self._options.backoff * 2 ** min(attempt, 10) * (1 + random.random() / 4)
        if isinstance(error, Loading):
            pause = min(pause, _LONGEST_LOADING_PAUSE)
        elif attempt >= self._options.retries:
            return None
        if isinstance(error, RateLimited) and error.retry_after is not None:
            if error.retry_after > _LONGEST_RETRY_AFTER:
                return None
            pause = max(pause, error.retry_after)
        return pause if pause < patience.until - _now() else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _posted(body: Mapping[str, object]) -> bytes:
    """Not the library's own way: a lone surrogate in old text must not stop a request."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _hold(response: Response | None, held: list[Response]) -> None:
    """Hold this answer instead of the previous one."""
    while held:
        held.pop().close()
    if response is not None:
        held.append(response)


def _noted(finished: Finished, offer: Offer) -> Finished:
    """The end of a reply, with the features its request was sent without."""
    if not (unused := offer.unused):
        return finished
    return replace(finished, details={**finished.details, "without": ",".join(unused)})
