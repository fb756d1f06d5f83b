"""How the engine reads a conversation: its text as the chat template writes it, and the tokens of that.

Asked of the engine's own server, by the routes `/apply-template` and `/tokenize` of llama.cpp
(tools/server/README.md there): what the wheel offers in process answers completions only.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from backends.errors import BadResponse
from backends.llamacpp.replies import error_of

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt as the model reads it. pieces: of each token what it adds to the text, joined they are all of
    it; a token that ends inside a character adds nothing, and the one that completes it the character.
    written: what the template wrote."""

    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...] = ()
    written: str = ""


class Reader:
    """Asks one server. address, key: of its HTTP face, which only this process knows."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}

    def _client(self) -> httpx.AsyncClient:
        # Plain http on the loopback address: certificates would only take their time to load.
        return httpx.AsyncClient(
            base_url=self._address, headers=self._headers, timeout=SECONDS, trust_env=False, verify=False
        )

    async def read(self, body: dict[str, Any], *, pieces: bool = False) -> Reading:
        """body: of a chat completion. Raises `BackendError`."""
        async with self._client() as client:
            text = await _apply(client, body)
            return await self._tokenize(client, text, pieces=pieces)

    async def tokenize(self, text: str) -> Reading:
        """A text that is a whole prompt. Raises `BackendError`."""
        async with self._client() as client:
            return await self._tokenize(client, text, pieces=False)

    async def special_tokens(self) -> dict[str, str]:
        """`bos_token` and `eos_token`, as chat templates name them. Raises `BackendError`."""
        async with self._client() as client:
            told = await _ask(client, "GET", "/props")
        return {name: told[name] for name in ("bos_token", "eos_token") if isinstance(told.get(name), str)}

    async def _tokenize(self, client: httpx.AsyncClient, text: str, *, pieces: bool) -> Reading:
        asked = {"content": text, "add_special": True, "parse_special": True, "with_pieces": pieces}
        tokens = (await _post(client, "/tokenize", asked))["tokens"]
        if not pieces:
            return Reading(text, tuple(tokens))
        added = _pieces(tokens)
        # The tokens say it better than the template: a first token that every text gets is not in its text.
        return Reading("".join(added), tuple(token["id"] for token in tokens), added, text)


async def _apply(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    return str((await _post(client, "/apply-template", {"messages": body["messages"]}))["prompt"])


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return await _ask(client, "POST", path, body)


async def _ask(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        answer = await client.request(method, path, json=body)
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise BadResponse(
            "llama.cpp did not say how it reads the conversation.", cure="Try again."
        ) from error
    if "error" in told:
        raise error_of(told["error"])
    return told


def _pieces(tokens: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What each token adds. The engine gives the bytes of one that is no whole text by itself."""
    decoder = getincrementaldecoder("utf-8")("replace")
    raw = [piece.encode() if isinstance(piece := token["piece"], str) else bytes(piece) for token in tokens]
    added = [decoder.decode(piece) for piece in raw]
    if rest := decoder.decode(b"", final=True):
        added[-1] += rest
    return tuple(added)
