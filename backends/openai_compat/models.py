"""Finding out what an OpenAI-compatible endpoint serves, and the one way to talk to it over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from backends._limits import LIST_BYTES
from backends.errors import AuthFailed, BackendError, BadResponse, ModelNotFound, Timeout
from backends.openai_compat.address import Address
from backends.openai_compat.errors import error_in, from_httpx, from_status
from backends.openai_compat.listing import RemoteModel, models_in

NETWORK_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, RuntimeError)
"""What httpx raises; `OSError` and `RuntimeError` come through when a client is closed in the middle."""


def new_client(
    address: Address,
    api_key: str | None,
    *,
    connect_timeout: float,
    keep_alive: bool = True,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that keeps no cookie and follows no redirect. Reads have no timeout: readers set deadlines.

    Proxies of the environment are used, except on the way to this very machine. Raises `AuthFailed` for a
    key that cannot stand in a header.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "webchat"}
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()):
            raise AuthFailed("The API key holds characters that no key has.", cure="Copy it again.")
        headers |= address.headers(api_key)
    return httpx.AsyncClient(
        headers=headers,
        timeout=httpx.Timeout(None, connect=connect_timeout, write=60.0),
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=32 if keep_alive else 0, keepalive_expiry=30.0
        ),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=not address.loopback,
        transport=transport,
    )


async def list_models(
    base_url: str,
    api_key: str | None = None,
    *,
    within: float = 10.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> tuple[RemoteModel, ...]:
    """What the endpoint serves, in its own order; `within` is in seconds.

    Raises `BackendError`, for example when there is no list.
    """
    address = Address.parse(base_url)
    client = new_client(address, api_key, connect_timeout=within, transport=transport)
    async with client:
        return await read_models(client, address, api_key, within)


async def read_models(
    client: httpx.AsyncClient, address: Address, api_key: str | None, within: float
) -> tuple[RemoteModel, ...]:
    """`list_models` over a client there is. Asks llama.cpp for its window where its list does not tell, and
    nothing of an address that names its model."""
    if address.deployment is not None:
        return (RemoteModel(address.deployment),)
    listing = await _get(client, address.models, address, api_key, within)
    models = models_in(listing)
    if models is not None and len(models) == 1 and models[0].server == "llamacpp":
        return (await _with_props(models[0], client, address, api_key, within),)
    if models is not None:
        return models
    if isinstance(listing, dict) and (error := error_in(listing, key=api_key)) is not None:
        raise error
    raise BadResponse(
        f"{address.place} answered with no list of models.",
        cure="Check the endpoint's address, or name the model.",
    )


async def _with_props(
    model: RemoteModel, client: httpx.AsyncClient, address: Address, api_key: str | None, within: float
) -> RemoteModel:
    if model.context_length is not None:
        return model
    try:
        props = await _get(client, address.server("/props"), address, api_key, within)
    except BackendError:
        return model
    match props:
        case {"default_generation_settings": {"n_ctx": int(window)}}:
            modalities = props.get("modalities")
            images = isinstance(modalities, Mapping) and modalities.get("vision") is True
            return replace(model, context_length=window, images=images or model.images)
        case _:
            return model


async def _get(
    client: httpx.AsyncClient, url: str, address: Address, api_key: str | None, within: float
) -> Any:
    try:
        async with asyncio.timeout(within), client.stream("GET", url) as response:
            body = await read_body(response, LIST_BYTES)
    except TimeoutError:
        raise Timeout(
            f"{address.place} did not answer within {within:g} seconds.", cure="Check that it runs."
        ) from None
    except NETWORK_ERRORS as error:
        raise from_httpx(error, place=address.place, connect=within) from error
    if response.status_code == 500:
        # Its list is broken, as that of `transformers serve` without a cache; the model may well answer.
        raise BadResponse(
            f"{address.place} failed when it was asked what it serves.",
            cure="Name the model, or check the endpoint.",
        )
    if response.status_code in (404, 405, 501):
        raise ModelNotFound(
            f"{address.place} has no list of models at this address.",
            cure="Name the model, or check the endpoint's address; most end in /v1.",
        )
    if response.status_code != 200:
        raise from_status(response.status_code, response.headers, body, key=api_key, place=address.place)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        what = "a web page" if body.lstrip().startswith(b"<") else "something that is not JSON"
        raise BadResponse(
            f"{address.place} answered with {what} where its list of models should be.",
            cure="Check the endpoint's address; most end in /v1.",
        ) from None


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """The first `limit` bytes of a body."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])
