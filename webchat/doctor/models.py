"""The models in the settings: whether each fits, how its endpoint is reached, and what it answers."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from backends._proxies import PROXY_VARIABLES, Proxy, find_proxy
from backends.base import Backend
from backends.errors import BackendError, BadProxy
from backends.memory import free_memory
from backends.types import Event, Message, ReasoningDelta, Request, Sampling, TextDelta, Usage
from webchat.doctor.finding import Finding, Value
from webchat.models import Create, ModelSpec, configured
from webchat.models.budget import Budget
from webchat.models.learned import FILE, LearnedFile
from webchat.models.room import gigabytes, place_of, refusal, total
from webchat.settings import BadSettings, Settings, model_specs

ASK_SECONDS = 60.0
ASK_TOKENS = 16
"""More than one, since a single token cannot show whether they come one by one."""
SLOW_SECONDS = 10.0
QUESTION = "Count from one to ten in words."


async def models(settings: Settings, create: Create) -> AsyncIterator[Finding]:
    """Whether each model fits into memory alone."""
    try:
        named, specs = model_specs(settings), configured(settings)
    except BadSettings as error:
        yield Finding("models", "error", "settings_wrong", {"why": str(error)})
        return
    budget = Budget(
        None if settings.memory_budget is None else int(settings.memory_budget * 1e9), free_memory
    )
    for model, spec in zip(named, specs, strict=True):
        source = "embedded" if model.demo else f"{model.endpoint or model.function or ''} {model.model or ''}"
        if model.adapter is not None:
            source += f" + {model.adapter}"
        params: dict[str, Value] = {
            "model": model.name,
            "kind": model.kind,
            "source": source.strip() or "default",
        }
        yield await _memory(spec, create, budget, params)


async def _memory(spec: ModelSpec, create: Create, budget: Budget, params: dict[str, Value]) -> Finding:
    try:
        footprint = create(spec).footprint()
    except BackendError as error:
        return Finding("models", "error", "model_fails", {**params, "why": str(error)})
    if footprint is None:
        fetched = spec.kind in ("local", "llamacpp")
        return Finding("models", "ok", "model_unknown" if fetched else "model", params)
    needed, limit = total([footprint]), await budget.of(place_of(footprint))
    if limit is not None and needed > limit:
        why = refusal(spec.name, (), footprint, limit)
        return Finding("models", "error", "model_fails", {**params, "why": str(why)})
    params["needed_gb"] = gigabytes(needed)
    if limit is None:
        return Finding("models", "ok", "model_needs", params)
    return Finding("models", "ok", "model_fits", {**params, "limit_gb": gigabytes(limit)})


def ways(settings: Settings) -> Iterator[Finding]:
    """How each endpoint is reached, if the environment names a proxy at all. Blocks."""
    if not any(os.environ.get(name) for name in PROXY_VARIABLES):
        return
    try:
        endpoints = dict.fromkeys(model.endpoint for model in model_specs(settings) if model.endpoint)
    except BadSettings:
        return  # reported with the models
    for endpoint in endpoints:
        place = urlsplit(endpoint).netloc.rpartition("@")[2]
        try:
            proxy = find_proxy(endpoint, os.environ)
        except BadProxy as error:
            yield Finding("endpoints", "error", "way_wrong", {"place": place, "why": str(error)})
            continue
        yield (
            Finding("endpoints", "ok", "way_direct", {"place": place})
            if proxy is None
            else _way(proxy, place)
        )


def _way(proxy: Proxy, place: str) -> Finding:
    host, _, port = proxy.shown.partition("://")[2].rpartition(":")
    params = {"place": place, "proxy": proxy.shown, "variable": proxy.variable}
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        why = error.strerror or str(error)
        return Finding("endpoints", "error", "way_unreachable", {**params, "why": why})
    return Finding("endpoints", "ok", "way_proxy", params)


def learned(settings: Settings) -> Iterator[Finding]:
    """Features that endpoints rejected while the server ran."""
    for endpoint, model, refused, on in LearnedFile(settings.data_dir / FILE).all():
        clashes = [f"{one} beside {other}" for one, other in sorted(refused.clashes)]
        features = ", ".join([*sorted(refused.always), *clashes])
        params = {"place": endpoint, "model": model, "features": features, "date": f"{on:%Y-%m-%d}"}
        yield Finding("endpoints", "note", "endpoint_refuses", params)


@dataclass(frozen=True, slots=True)
class Answer:
    """first: seconds until the first token, `None` if none came. spread: seconds from the first piece to the
    last. reported: whether it said how many tokens it used."""

    first: float | None
    spread: float
    pieces: int
    reported: bool


async def endpoints(settings: Settings, create: Create) -> AsyncIterator[Finding]:
    """Asks each endpoint for a few tokens."""
    try:
        specs = [spec for spec in configured(settings) if spec.kind == "openai"]
    except BadSettings:
        return
    for finding in await asyncio.gather(*(_endpoint(spec, create) for spec in specs)):
        yield finding


async def _endpoint(spec: ModelSpec, create: Create) -> Finding:
    params: dict[str, Value] = {"model": spec.name, "place": spec.source}
    try:
        backend = create(spec)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                answer = await ask(backend)
        finally:
            await backend.aclose()
    except BackendError as error:
        return Finding(
            "endpoints", "error", "endpoint_fails", {**params, "why": error.message}, cure=error.cure or ""
        )
    except TimeoutError:
        return Finding("endpoints", "error", "endpoint_silent", {**params, "seconds": round(ASK_SECONDS)})
    if answer.first is None:
        return Finding("endpoints", "warning", "endpoint_empty", params)
    params |= {"ms": round(1000 * answer.first), "pieces": answer.pieces}
    if answer.first > SLOW_SECONDS:
        return Finding("endpoints", "warning", "endpoint_slow", params)
    if answer.pieces == 1 or answer.spread < 0.001 * answer.pieces:
        return Finding("endpoints", "warning", "endpoint_whole", params)
    return Finding("endpoints", "ok", "endpoint", params)


async def ask(backend: Backend) -> Answer:
    """A real reply of a few tokens. Raises `BackendError`."""
    await backend.start()
    request = Request((Message("user", QUESTION),), Sampling(max_tokens=ASK_TOKENS))
    began, times, reported = time.monotonic(), list[float](), False
    async with aclosing(cast(AsyncGenerator[Event, None], backend.stream(request))) as events:
        async for event in events:
            if isinstance(event, TextDelta | ReasoningDelta) and event.text:
                times.append(time.monotonic())
            reported = reported or isinstance(event, Usage)
    first = times[0] - began if times else None
    return Answer(first, times[-1] - times[0] if times else 0.0, len(times), reported)
