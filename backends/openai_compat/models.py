"""Finding out what an OpenAI-compatible endpoint serves, and the only way to connect to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from backends.errors import BackendError, BadResponse, ModelNotFound
from backends.openai_compat.address import Address
from backends.openai_compat.limits import LIST_BYTES
from backends.openai_compat.listing import RemoteModel, models_in
from backends.openai_compat.refusals.errors import error_in, from_status

if TYPE_CHECKING:
    from backends.openai_compat.client import Client


async def connected(address: Address, api_key: str | None, *, connect_timeout: float) -> Client:
    """A client for this endpoint. Raises `BackendError` for an unusable key or proxy."""

    def made() -> Client:
        from backends.openai_compat.client import Client

        return Client(address, api_key, connect_timeout=connect_timeout)

    return await asyncio.to_thread(made)  # loading the library and the certificates takes its time


async def list_models(
    base_url: str, api_key: str | None = None, *, within: float = 10.0
) -> tuple[RemoteModel, ...]:
    """The models the endpoint serves, in its own order; `within` is in seconds.

    Raises `BackendError`, for example if there is no list.
    """
    address = Address.parse(base_url)
    client = await connected(address, api_key, connect_timeout=within)
    try:
        return await read_models(client, address, api_key, within)
    finally:
        await client.aclose()


async def read_models(
    client: Client, address: Address, api_key: str | None, within: float
) -> tuple[RemoteModel, ...]:
    """`list_models` over an existing client. Asks llama.cpp for its context window if the list does not state
    it; asks nothing of an address that names its model."""
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
        f"{address.place} did not return a list of models.",
        cure="Check the endpoint's address, or set the model's name.",
    )


async def _with_props(
    model: RemoteModel, client: Client, address: Address, api_key: str | None, within: float
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


async def _get(client: Client, url: str, address: Address, api_key: str | None, within: float) -> Any:
    until = asyncio.get_running_loop().time() + within
    response = await client.send("GET", url, until=until, seconds=within)
    try:
        body = await response.body(LIST_BYTES, until=until, seconds=within)
    finally:
        response.close()
    if response.status == 500:
        # Its list is broken, as that of `transformers serve` without a cache; the model may well answer.
        raise BadResponse(
            f"{address.place} failed to list its models.",
            cure="Set the model's name, or check the endpoint.",
        )
    if response.status in (404, 405, 501):
        raise ModelNotFound(
            f"{address.place} does not list models at this address.",
            cure="Set the model's name, or check the endpoint's address; most end in /v1.",
        )
    if response.status != 200:
        raise from_status(response.status, response.headers, body, key=api_key, place=address.place)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        what = "a web page" if body.lstrip().startswith(b"<") else "something that is not JSON"
        raise BadResponse(
            f"{address.place} returned {what} instead of a list of models.",
            cure="Check the endpoint's address; most end in /v1.",
        ) from None
