"""Gradio's queue behind the door: what the page's listeners need of it, and nothing else.

Gradio names a page's session by a random text of the browser, which it asks nobody to prove, and gives what a
session waits for to whoever has that text. Here a session's name is made from the owner and that text, with a
key of this process: the text of somebody else names another session, in which there is nothing.

Not reached: what cancels and resets events by their id, keeps files, tells a page's state to others, calls
handlers past the queue or describes them, and the heartbeat, without which Gradio runs no `unload` and counts
no session as closed.
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import gradio as gr
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webchat.auth import error_answer
from webchat.auth.incoming import replay, with_length
from webchat.store.records import Owner
from webchat.ui.gradio_page import bad_host, from_gradio

MOST_WAITING = 128
"""Events in the queue, of everybody."""
MOST_OF_ONE = 64
"""Of those, one owner's. A console window sends nine when it opens, and browsers reopen several at once."""
EVENT_BODY = 256 * 1024
"""Bytes of an event: the values of the components that its handler takes."""
_MOST_VALUES = 64
_MOST_TOLD = 400

_JOIN = "/gradio_api/queue/join"
_DATA = "/gradio_api/queue/data"
_REACHED = "/gradio_api/app_id"
"""What a page that has lost its server asks every 2 s: at the first answer it loads itself anew."""
_HASH = re.compile(r"[a-z0-9]{1,32}")
_QUERY = ("tab", "model")
"""What handlers are told of the page's address, which the browser adds to that of its events."""
_HEADERS = frozenset({b"host", b"x-forwarded-host", b"x-forwarded-proto"})
"""What Gradio needs to name its own address. Nothing else of a request reaches it, cookies least of all."""


def is_event(method: str, path: str) -> bool:
    """Whether a request brings an event to a page below another path than the chat's."""
    return method == "POST" and path.endswith(_JOIN) and path != _JOIN


def _without_files(values: list[Any]) -> list[Any]:
    """Raises ValueError for values that name a file, at any depth. Gradio's components read it, and fetch it
    if it is an address; these pages take no files, so only programs send such values."""
    left: list[Any] = [values]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if isinstance(one.get("path"), str) or one.get("_type") == "gradio.FileData":
                raise ValueError("a value names a file")
            left += one.values()
        elif isinstance(one, list):
            left += one
    return values


class _Event(BaseModel):
    """What the browser says of an event. Fields that only programs send are left out."""

    model_config = ConfigDict(extra="ignore", strict=True)

    session_hash: Annotated[str, StringConstraints(pattern=f"^{_HASH.pattern}$")]
    fn_index: int
    trigger_id: int | None = None
    data: Annotated[list[Any], Field(max_length=_MOST_VALUES), AfterValidator(_without_files)]
    event_data: Any = None


class QueueDoor:
    """ASGI: the addresses that listeners need; all others are for `rest`. app: Gradio's, of these blocks."""

    def __init__(self, app: ASGIApp, blocks: gr.Blocks, rest: ASGIApp) -> None:
        self._app = app
        self._blocks = blocks
        self._queue = blocks._queue
        self._rest = rest
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if scope["type"] != "http" or not path.startswith("/gradio_api/"):
            await self._rest(scope, receive, send)
            return
        refused = bad_host(scope)
        if refused is None and method == "POST" and path == _JOIN:
            refused = await self._join(scope, receive, send)
        elif refused is None and method == "GET" and path == _DATA:
            refused = await self._data(scope, receive, send)
        elif refused is None and method == "GET" and path == _REACHED:
            refused = JSONResponse({"app_id": self._blocks.app_id}, headers={"cache-control": "no-store"})
        elif refused is None:
            refused = _nothing()
        if refused is not None:
            await refused(scope, receive, send)

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Wait for an event's turn. The body is read anew, so that only what is known of it passes."""
        try:
            event = _Event.model_validate_json(await Request(scope, receive).body())
        except ValidationError:
            return error_answer(400, "bad_request", "The request is not valid.")
        block = self._blocks.fns.get(event.fn_index)
        if block is None or block.fn is None:
            return _nothing()
        if len(self._queue) >= MOST_WAITING or self._waiting(scope) >= MOST_OF_ONE:
            return error_answer(503, "server_full", "The server is busy.", "Try again in a moment.")
        event.session_hash = self._name(scope, event.session_hash)
        body = event.model_dump_json().encode()
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        told = {name: asked[name][0][:_MOST_TOLD] for name in _QUERY if name in asked}
        return await self._ask(scope, replay(body, receive), send, body=body, query=told)

    async def _data(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """The stream of what happens to the events of a session."""
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
        if len(asked) != 1 or not _HASH.fullmatch(asked[0]):
            return _nothing()
        name = self._name(scope, asked[0])
        if name not in self._queue.pending_messages_per_session:
            return _nothing()
        return await self._ask(scope, receive, send, query={"session_hash": name})

    async def _ask(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response | None:
        headers = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
        if body is not None:
            headers = [*with_length(headers, len(body)), (b"content-type", b"application/json")]
        asked = {**scope, "headers": headers, "query_string": urlencode(query or {}).encode()}
        return None if await from_gradio(self._app, asked, receive, send) else _nothing()

    def _waiting(self, scope: Scope) -> int:
        """How many events this owner has in the queue."""
        mine = self._owner(scope)
        queues = self._queue.event_queue_per_concurrency_id.values()
        return sum(event.session_hash.startswith(mine) for waiting in queues for event in waiting.queue)

    def _name(self, scope: Scope, session_hash: str) -> str:
        """What Gradio calls this owner's session."""
        text = f"{_id(scope)}\0{session_hash}".encode()
        return self._owner(scope) + blake2b(text, key=self._key, digest_size=16).hexdigest()

    def _owner(self, scope: Scope) -> str:
        """With what the names of all this owner's sessions begin."""
        return blake2b(_id(scope).encode(), key=self._key, digest_size=16).hexdigest()


def _id(scope: Scope) -> str:
    owner: Owner = scope["state"]["owner"]
    return owner.id


def _nothing() -> Response:
    return error_answer(404, "not_found", "There is nothing at this address.", "Check the address.")
