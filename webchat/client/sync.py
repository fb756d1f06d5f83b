"""The client that waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Concatenate, Self

import httpx

from webchat.api.wire.conversations import Conversation, ListedConversation, SettingsBody
from webchat.api.wire.messages import Message
from webchat.api.wire.turns import Done
from webchat.client import calls
from webchat.client.calls import A, Call, Format, P, answered, as_method
from webchat.client.errors import Refused, refusal
from webchat.client.events import Event, Reading
from webchat.client.patience import MOST_CONTINUED, TIMEOUT, Patience


def _method(make: Callable[P, Call[A]]) -> Callable[Concatenate[Client, P], A]:
    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> A:
        return client._call(make(*args, **kwargs))

    return as_method(make, method)


class Client:
    """Speaks to one server, as the person a key belongs to.

    url: its address, with the path under which a proxy serves it. key: an API key; a loopback start needs
    none. patience: seconds for which a server that does not answer is asked again. transport: of httpx, for
    tests. Use it as a context, or `close` it. Its methods raise `Refused`, `Unreachable` and `InvalidEvent`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._http = httpx.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT, transport=transport
        )
        self._patience = patience

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    me = _method(calls.me)
    models = _method(calls.models)
    conversations = _method(calls.conversations)
    search = _method(calls.search)
    open = _method(calls.open)
    change = _method(calls.change)
    start = _method(calls.start)
    send = _method(calls.send)
    regenerate = _method(calls.regenerate)
    stop = _method(calls.stop)
    message = _method(calls.message)
    judgement = _method(calls.judgement)
    judge = _method(calls.judge)
    withdraw = _method(calls.withdraw)
    templates = _method(calls.templates)
    template = _method(calls.template)
    render = _method(calls.render)
    export = _method(calls.export)

    def all_conversations(self, *, archived: bool = False) -> Iterator[ListedConversation]:
        """All of them, read page by page."""
        cursor = None
        while True:
            page = self.conversations(cursor, archived=archived)
            yield from page.items
            if (cursor := page.next) is None:
                return

    def delete(self, conversation_id: str) -> None:
        """Move a conversation to the trash."""
        self._call(calls.delete(conversation_id), lambda: None)

    def restore(self, conversation_id: str) -> Conversation:
        return self._call(calls.restore(conversation_id), lambda: self.open(conversation_id).conversation)

    def ask(
        self,
        text: str,
        *,
        after: Message | None = None,
        model: str | None = None,
        settings: SettingsBody | None = None,
        client_key: str | None = None,
    ) -> Message:
        """Send a text and wait for the whole reply, as `send` and `wait` do. A reply that a restart of the
        server interrupted is continued."""
        reply = self.send(text, after=after, model=model, settings=settings, client_key=client_key).reply
        message = self.wait(reply.id)
        for _ in range(MOST_CONTINUED):
            if message.state != "interrupted":
                break
            message = self.wait(self._call(calls.resume(message.id)).reply.id)
        return message

    def follow(self, message_id: str, seq: int = 0) -> Iterator[Event]:
        """The events of a reply after its piece number `seq`, `Done` last. A lost connection goes on where it
        was, and so does a restarted server, which marks the reply as interrupted."""
        reading, patience = Reading(message_id, seq), Patience(self._patience)
        while True:
            reading.begin()
            try:
                with self._stream(reading.path, {"from": reading.seq}) as answer:
                    for data in answer.iter_bytes():
                        patience.answered()
                        for event in reading.feed(data):
                            yield event
                            if isinstance(event, Done):
                                return
                raise httpx.RemoteProtocolError("the stream ended early")
            except (Refused, httpx.TransportError) as error:
                time.sleep(patience.pause(error))

    def wait(self, message_id: str) -> Message:
        """A reply once it has ended, however."""
        done = next(event for event in self.follow(message_id) if isinstance(event, Done))
        return done.message

    def export_file(
        self, conversations: str | Sequence[str] | None = None, format: Format = "json"
    ) -> Iterator[bytes]:
        """The pieces of the same as a file, whatever its size."""
        call = calls.export_file(conversations, format)
        with self._stream(call.path, call.params) as answer:
            yield from answer.iter_bytes()

    def _call(self, call: Call[A], done: Callable[[], A] | None = None) -> A:
        """done: the result where a repeated request finds nothing, since the first one was carried out though
        its answer was lost."""
        patience, repeated = Patience(self._patience), False
        while True:
            try:
                return answered(call, self._http.request(**call.request))
            except (Refused, httpx.TransportError) as error:
                if done is not None and repeated and isinstance(error, Refused) and error.status == 404:
                    return done()
                time.sleep(patience.pause(error))
                repeated = True

    @contextmanager
    def _stream(self, path: str, params: Mapping[str, Any]) -> Iterator[httpx.Response]:
        with self._http.stream("GET", path, params=params) as answer:
            if answer.is_error:
                answer.read()
                raise refusal(answer)
            yield answer
