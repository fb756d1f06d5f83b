"""The client for an event loop: the same methods as `webchat.client.sync.Client`, to await."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
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


class AsyncClient:
    """Speaks to one server, as the person a key belongs to.

    url: its address, with the path under which a proxy serves it. key: an API key; a loopback start needs
    none. patience: seconds for which a server that does not answer is asked again. transport: of httpx, for
    tests. Use it as a context, or `aclose` it. Its methods raise `Refused`, `Unreachable` and `InvalidEvent`.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT, transport=transport
        )
        self._patience = patience

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def me(self) -> Me:
        return await self._call(calls.me())

    async def models(self) -> ModelList:
        return await self._call(calls.models())

    async def conversations(
        self, cursor: str | None = None, limit: int = 40, *, archived: bool = False
    ) -> ConversationPage:
        """A page of the conversations, the latest first. cursor: `next` of the page before."""
        return await self._call(calls.conversations(cursor, limit, archived))

    async def all_conversations(self, *, archived: bool = False) -> AsyncIterator[ListedConversation]:
        """All of them, read page by page."""
        cursor = None
        while True:
            page = await self.conversations(cursor, archived=archived)
            for item in page.items:
                yield item
            if (cursor := page.next) is None:
                return

    async def search(self, text: str, cursor: str | None = None) -> SearchPage:
        return await self._call(calls.search(text, cursor))

    async def open(self, conversation_id: str, before: str | None = None) -> Thread:
        """A conversation with the newest messages of its active branch. before: `older` of such a thread."""
        return await self._call(calls.thread(conversation_id, before))

    async def change(self, conversation_id: str, body: ConversationBody) -> Conversation:
        return await self._call(calls.change(conversation_id, body))

    async def delete(self, conversation_id: str) -> None:
        """Move a conversation to the trash."""

        async def deleted() -> None:
            return None

        await self._call(calls.delete(conversation_id), deleted)

    async def restore(self, conversation_id: str) -> Conversation:
        async def restored() -> Conversation:
            return (await self.open(conversation_id)).conversation

        return await self._call(calls.restore(conversation_id), restored)

    async def ask(
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
        reply = (
            await self.send(text, after=after, model=model, settings=settings, client_key=client_key)
        ).reply
        message = await self.wait(reply.id)
        for _ in range(MOST_CONTINUED):
            if message.state != "interrupted":
                break
            going_on = await self.start(calls.again("continue", message.id))
            message = await self.wait(going_on.reply.id)
        return message

    async def send(
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
        return await self.start(calls.send(text, after, model, settings, client_key))

    async def regenerate(self, message_id: str, client_key: str | None = None) -> BegunTurn:
        """Another reply to the same message."""
        return await self.start(calls.again("regenerate", message_id, client_key))

    async def start(self, body: TurnBody) -> BegunTurn:
        """Any turn; see `POST /api/turns`."""
        return await self._call(calls.turn(body))

    async def follow(self, message_id: str, seq: int = 0) -> AsyncIterator[Event]:
        """The events of a reply after its piece number `seq`, `Done` last. A lost connection goes on where it
        was, and so does a restarted server, which marks the reply as interrupted."""
        reading, patience = Reading(message_id, seq), Patience(self._patience)
        while True:
            reading.begin()
            try:
                async with self._stream(reading.path, {"from": reading.seq}) as answer:
                    async for data in answer.aiter_bytes():
                        patience.answered()
                        for event in reading.feed(data):
                            yield event
                            if isinstance(event, Done):
                                return
                raise httpx.RemoteProtocolError("the stream ended early")
            except (Refused, httpx.TransportError) as error:
                await asyncio.sleep(patience.pause(error))

    async def wait(self, message_id: str) -> Message:
        """A reply once it has ended, however."""
        async for event in self.follow(message_id):
            if isinstance(event, Done):
                return event.message
        raise AssertionError("a reply always ends")

    async def stop(self, message_id: str) -> None:
        await self._call(calls.stop(message_id))

    async def message(self, message_id: str) -> MessageDetails:
        return await self._call(calls.details(message_id))

    async def judgement(self, message_id: str) -> Judgement:
        return await self._call(calls.judgement(message_id))

    async def judge(self, message_id: str, body: JudgementBody) -> Judgement:
        """Say something of a reply; fields that are not set stay as they are."""
        return await self._call(calls.judge(message_id, body))

    async def withdraw(self, message_id: str) -> None:
        """Delete what you said of a reply."""
        await self._call(calls.withdraw(message_id))

    async def templates(self, text: str = "") -> TemplateList:
        return await self._call(calls.templates(text))

    async def template(self, template_id: str) -> Template:
        return await self._call(calls.template(template_id))

    async def render(self, template_id: str, values: Mapping[str, JsonValue]) -> RenderedTemplate:
        return await self._call(calls.render(template_id, values))

    async def export(self, conversations: str | Sequence[str] | None = None) -> Archive:
        """One conversation with all its branches, up to 100 that are named, or all."""
        return await self._call(calls.export(conversations, "json"))

    async def export_file(
        self, conversations: str | Sequence[str] | None = None, format: Format = "json"
    ) -> AsyncIterator[bytes]:
        """The pieces of the same as a file, whatever its size."""
        call = calls.export(conversations, format)
        async with self._stream(call.path, call.params) as answer:
            async for piece in answer.aiter_bytes():
                yield piece

    async def _call(self, call: Call[A], done: Callable[[], Awaitable[A]] | None = None) -> A:
        """See `Client._call`."""
        patience, repeated = Patience(self._patience), False
        while True:
            try:
                return answered(call, await self._http.request(**call.request))
            except (Refused, httpx.TransportError) as error:
                if done is not None and repeated and isinstance(error, Refused) and error.status == 404:
                    return await done()
                await asyncio.sleep(patience.pause(error))
                repeated = True

    @asynccontextmanager
    async def _stream(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        async with self._http.stream("GET", path, params=params) as answer:
            if answer.is_error:
                await answer.aread()
                raise refusal(answer)
            yield answer
