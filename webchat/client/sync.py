"""The client that waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import JsonValue

from webchat.api.wire.conversations import (
    Conversation,
    ConversationBody,
    ConversationPage,
    ListedConversation,
    SearchPage,
    SettingsBody,
)
from webchat.api.wire.judgements import Judgement, JudgementBody
from webchat.api.wire.messages import Archive, Message, MessageDetails, Thread
from webchat.api.wire.models import ModelList
from webchat.api.wire.people import Me
from webchat.api.wire.prompt_templates import RenderedTemplate, Template, TemplateList
from webchat.api.wire.turns import BegunTurn, Done, TurnBody
from webchat.client import calls
from webchat.client.calls import A, Call, Format, answered
from webchat.client.errors import Refused, refusal
from webchat.client.events import Event, Reading
from webchat.client.patience import MOST_CONTINUED, TIMEOUT, Patience


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

    def me(self) -> Me:
        return self._call(calls.me())

    def models(self) -> ModelList:
        return self._call(calls.models())

    def conversations(
        self, cursor: str | None = None, limit: int = 40, *, archived: bool = False
    ) -> ConversationPage:
        """A page of the conversations, the latest first. cursor: `next` of the page before."""
        return self._call(calls.conversations(cursor, limit, archived))

    def all_conversations(self, *, archived: bool = False) -> Iterator[ListedConversation]:
        """All of them, read page by page."""
        cursor = None
        while True:
            page = self.conversations(cursor, archived=archived)
            yield from page.items
            if (cursor := page.next) is None:
                return

    def search(self, text: str, cursor: str | None = None) -> SearchPage:
        return self._call(calls.search(text, cursor))

    def open(self, conversation_id: str, before: str | None = None) -> Thread:
        """A conversation with the newest messages of its active branch. before: `older` of such a thread."""
        return self._call(calls.thread(conversation_id, before))

    def change(self, conversation_id: str, body: ConversationBody) -> Conversation:
        return self._call(calls.change(conversation_id, body))

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
            message = self.wait(self.start(calls.again("continue", message.id)).reply.id)
        return message

    def send(
        self,
        text: str,
        *,
        after: Message | None = None,
        model: str | None = None,
        settings: SettingsBody | None = None,
        client_key: str | None = None,
    ) -> BegunTurn:
        """Send a text and return as soon as it is stored; the reply is written without you. after: the reply
        that it answers; without one, a conversation begins. client_key: the same key again is the same
        turn, also from another process."""
        return self.start(calls.send(text, after, model, settings, client_key))

    def regenerate(self, message_id: str, client_key: str | None = None) -> BegunTurn:
        """Another reply to the same message."""
        return self.start(calls.again("regenerate", message_id, client_key))

    def start(self, body: TurnBody) -> BegunTurn:
        """Any turn; see `POST /api/turns`."""
        return self._call(calls.turn(body))

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

    def stop(self, message_id: str) -> None:
        self._call(calls.stop(message_id))

    def message(self, message_id: str) -> MessageDetails:
        return self._call(calls.details(message_id))

    def judgement(self, message_id: str) -> Judgement:
        return self._call(calls.judgement(message_id))

    def judge(self, message_id: str, body: JudgementBody) -> Judgement:
        """Say something of a reply; fields that are not set stay as they are."""
        return self._call(calls.judge(message_id, body))

    def withdraw(self, message_id: str) -> None:
        """Delete what you said of a reply."""
        self._call(calls.withdraw(message_id))

    def templates(self, text: str = "") -> TemplateList:
        return self._call(calls.templates(text))

    def template(self, template_id: str) -> Template:
        return self._call(calls.template(template_id))

    def render(self, template_id: str, values: Mapping[str, JsonValue]) -> RenderedTemplate:
        return self._call(calls.render(template_id, values))

    def export(self, conversations: str | Sequence[str] | None = None) -> Archive:
        """One conversation with all its branches, up to 100 that are named, or all."""
        return self._call(calls.export(conversations, "json"))

    def export_file(
        self, conversations: str | Sequence[str] | None = None, format: Format = "json"
    ) -> Iterator[bytes]:
        """The pieces of the same as a file, whatever its size."""
        call = calls.export(conversations, format)
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
