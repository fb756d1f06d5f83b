"""Any OpenAI-compatible endpoint: vLLM, SGLang, TGI, llama.cpp, Ollama, OpenRouter, OpenAI itself.

    backend = OpenAICompatBackend("http://127.0.0.1:8000/v1", "my-model", api_key=None)

What an endpoint takes differs, and few say so. The backend starts from what `/models` tells and learns from
refusals: a 400 or 422 that names a field as unsupported is remembered, and the request sent again without it.

A request is a loop round attempts. `_attempt` makes one with a body and reads its answer; `stream` decides
what follows on an attempt that failed: another body, the same later, or the error.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from backends._limits import ERROR_BYTES
from backends._sent import told
from backends.base import Capabilities, LoadProgress, ProgressCallback
from backends.errors import (
    BackendError,
    Loading,
    ModelNotFound,
    RateLimited,
    Timeout,
    Unavailable,
)
from backends.openai_compat.address import Address
from backends.openai_compat.body import BodyReader
from backends.openai_compat.errors import from_status, refused_field
from backends.openai_compat.listing import RemoteModel
from backends.openai_compat.models import connected, read_models
from backends.openai_compat.patience import Patience, Timeouts, too_slow
from backends.openai_compat.reply import Reply
from backends.openai_compat.wire import SAMPLING_FIELDS, payload
from backends.types import Event, Request, Retrying, Sent

if TYPE_CHECKING:
    from backends.openai_compat.client import Client, Response

# Engines that name themselves in `owned_by`, continue a given beginning, and repeat a seed.
_ENGINES = ("llamacpp", "vllm", "sglang")
# What OpenAI's own API refuses, so that the page does not offer it.
_NOT_AT_OPENAI = frozenset({"top_k", "min_p", "repetition_penalty"})
_LONGEST_RETRY_AFTER = 10.0
_LONGEST_LOADING_PAUSE = 5.0


class Refused(Exception):
    """An attempt was answered with another status than 200. said: the beginning of the body."""

    def __init__(self, status: int, headers: Mapping[str, str], said: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.said = said


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
        self._server = ""
        self._without: frozenset[str] = frozenset()
        self._client: Client | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self, progress: ProgressCallback | None = None) -> None:
        """Ask the endpoint what it serves. An endpoint without a list of models is taken as it is; one that
        still loads its model is waited for as for a first token.

        Raises `Unavailable` or `Timeout`, and what listing raises where no model was named.
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
        patience = Patience(self._timeouts, _now())
        attempt = 0
        sent: bytes | None = None
        while True:
            reply = Reply(self._key, request.sampling.stop)
            begun = False
            body = payload(request, self.model, server=self._server, without=self._without)
            posted = _posted(body)
            if request.trace and posted != sent:
                sent = posted
                yield Sent(told(request.messages), body=json.loads(posted), url=self.address.shown)
            error: BackendError
            try:
                async with aclosing(self._attempt(posted, reply, patience)) as batches:
                    async for events in batches:
                        begun = True
                        for event in events:
                            yield event
                for event in [*reply.rest(), *reply.end()]:
                    begun = True
                    yield event
                return
            except Refused as refused:
                if self._learned(refused, body):
                    continue
                error = from_status(
                    refused.status, refused.headers, refused.said, key=self._key, place=self.address.place
                )
            except BackendError as broken:
                error = broken
                for event in reply.rest() if begun else ():
                    yield event
            pause = None if begun else self._pause(error, attempt, patience)
            if pause is None:
                raise error
            attempt += 1
            yield Retrying(error.code, attempt, pause)
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _attempt(
        self, posted: bytes, reply: Reply, patience: Patience
    ) -> AsyncGenerator[list[Event], None]:
        """Post one body and read what is answered: the events of each read of the network.

        Ends when the stream does. Raises `Refused` before anything is read of a reply, and `BackendError` for
        what broke it.
        """
        if self._client is None or self._closed:
            raise Unavailable("The connection to the model was closed.", cure="Try again.")
        waits = {"until": patience.until, "seconds": patience.seconds}
        response = await self._client.send("POST", self.address.chat, posted, **waits)
        try:
            if response.status != 200:
                said = await response.body(ERROR_BYTES, **waits)
                raise Refused(response.status, response.headers, said)
            body = BodyReader(reply, self.address.place)
            while chunk := await self._next(response, reply, patience):
                events, failure = body.feed(chunk)
                if events:
                    yield events
                if failure is not None:
                    raise failure
                patience.heard(_now(), reply, spoke=bool(events))
            events, failure = body.close()
            if events:
                yield events
            if failure is not None:
                raise failure
        finally:
            response.close()

    async def _next(self, response: Response, reply: Reply, patience: Patience) -> bytes:
        """The next piece of the body; nothing at its end, however that came once the reply is whole."""
        try:
            return await response.read(patience.until)
        except TimeoutError:
            error: BackendError = too_slow(self.address.place, patience.seconds)
        except BackendError as broken:
            error = broken
        if reply.ended or reply.done or reply.cut:
            return b""
        raise error

    def _pause(self, error: BackendError, attempt: int, patience: Patience) -> float | None:
        """Seconds to wait before asking again; `None` when that would not help."""
        if self._closed or not isinstance(error, Unavailable | RateLimited):
            return None
        pause = self._backoff * 2 ** min(attempt, 10) * (1 + random.random() / 4)
        if isinstance(error, Loading):
            pause = min(pause, _LONGEST_LOADING_PAUSE)
        elif attempt >= self._retries:
            return None
        if isinstance(error, RateLimited) and error.retry_after is not None:
            if error.retry_after > _LONGEST_RETRY_AFTER:
                return None
            pause = max(pause, error.retry_after)
        return pause if pause < patience.until - _now() else None

    def _learned(self, refused: Refused, body: Mapping[str, object]) -> bool:
        """Whether the refusal names a field that can be left out; then it is remembered."""
        field = refused_field(refused.status, refused.said, _negotiable(body) - self._without)
        if field is None:
            return False
        self._learn(field)
        return True

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


def _now() -> float:
    return asyncio.get_running_loop().time()


def _posted(body: Mapping[str, object]) -> bytes:
    """Not the library's own way: a lone surrogate in old text must not stop a request."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _negotiable(body: Mapping[str, object]) -> set[str]:
    """The fields of a request that it can do without; `system` stands for the system role."""
    fields = body.keys() - {"model", "messages", "stream"}
    messages = body["messages"]
    assert isinstance(messages, list)
    return fields | ({"system"} if any(message["role"] == "system" for message in messages) else set())
