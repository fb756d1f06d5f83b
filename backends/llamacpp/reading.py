"""How the engine reads a conversation: its text as rendered by the chat template, and the tokens of that
text.

Obtained from the `/tokenize` route of the engine's own server (see tools/server/README.md in llama.cpp),
since the wheel's in-process interface offers completions only.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from backends.errors import BadResponse
from backends.llamacpp.replies import Content, error_of, whole
from backends.markers.control_tokens import Part

SECONDS = 30.0

_BEFORE = "\n"
"""A piece of a word is read behind this: at the beginning of a text some tokenizers add a space."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """text: as rendered by the template. content: what the engine receives."""

    text: str
    content: Content


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt as the model reads it. pieces: what each token adds to the text, whose concatenation they
    form; a token that ends inside a character adds nothing, and the one that completes it adds the
    character."""

    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...] = ()


class Reader:
    """Queries one server. address, key: of its HTTP interface, known only to this process. control: ids of
    tokens that words must never become."""

    def __init__(self, address: str, key: str, control: frozenset[int] = frozenset()) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"}
        self._control = control

    def _client(self) -> httpx.AsyncClient:
        # Plain http on the loopback address: certificates would only take their time to load.
        return httpx.AsyncClient(
            base_url=self._address, headers=self._headers, timeout=SECONDS, trust_env=False, verify=False
        )

    async def prompt(self, parts: Sequence[Part]) -> Prompt:
        """A prompt in which some words must not become control tokens. Raises `BackendError`."""
        # A text comes first, for what the engine puts in front of every text.
        content: list[str | int] = [""] if parts and parts[0].words else []
        async with self._client() as client:
            for part in parts:
                content += await self._words(client, part) if part.words else [whole(part.text)]
        return Prompt("".join(part.text for part in parts), content)

    async def read(self, content: Content, *, pieces: bool = False) -> Reading:
        """Raises `BackendError`."""
        asked = {"content": content, "add_special": True, "parse_special": True, "with_pieces": pieces}
        async with self._client() as client:
            tokens = (await _ask(client, "POST", "/tokenize", asked))["tokens"]
        if not pieces:
            return Reading("", tuple(tokens))
        added = _pieces(tokens)
        # The tokens say it better than the template: a first token that every text gets is not in its text.
        return Reading("".join(added), tuple(token["id"] for token in tokens), added)

    async def special_tokens(self) -> dict[str, str]:
        """`bos_token` and `eos_token`, as chat templates name them. Raises `BackendError`."""
        async with self._client() as client:
            told = await _ask(client, "GET", "/props")
        return {name: told[name] for name in ("bos_token", "eos_token") if isinstance(told.get(name), str)}

    async def _words(self, client: httpx.AsyncClient, part: Part) -> list[int]:
        ids = await self._ids(client, part.text)
        if self._control.isdisjoint(ids):
            return ids
        # Tokens that are not called control tokens are found in any text, so it is read in pieces.
        front = await self._ids(client, _BEFORE)
        ids = []
        for piece in part.pieces:
            read = await self._ids(client, _BEFORE + piece)
            behind = read[: len(front)] == front
            ids += read[len(front) :] if behind else await self._ids(client, piece)
        return ids

    async def _ids(self, client: httpx.AsyncClient, text: str) -> list[int]:
        asked = {"content": whole(text), "add_special": False, "parse_special": False}
        ids: list[int] = (await _ask(client, "POST", "/tokenize", asked))["tokens"]
        return ids


async def _ask(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        answer = await client.request(method, path, json=body)
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise BadResponse(
            "llama.cpp did not report how it reads the conversation.", cure="Try again."
        ) from error
    if "error" in told:
        raise error_of(told["error"])
    return told


def _pieces(tokens: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What each token adds. For a token that is not text by itself, the engine reports its bytes."""
    decoder = getincrementaldecoder("utf-8")("replace")
    raw = [piece.encode() if isinstance(piece := token["piece"], str) else bytes(piece) for token in tokens]
    added = [decoder.decode(piece) for piece in raw]
    if rest := decoder.decode(b"", final=True):
        added[-1] += rest
    return tuple(added)
