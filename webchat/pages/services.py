"""What pages of other packages get: a small part of the app that stays the same between versions.

Each call is made for the visitor whom `PageServices.visitor` read from Gradio's request, sees what that
person may see, and raises `gr.Error` with a sentence in their language.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import gradio as gr

from backends.errors import ExplainedError
from webchat.api import Services
from webchat.api.people.parties import Parties
from webchat.console.asking import Caller, caller_of, refusal
from webchat.turns import Ask
from webchat.turns.events import Delta, Done
from webchat.turns.offered import Offered


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. name: may be empty. operator: whether they operate this server. language: `en` or `zh-CN`."""

    id: str
    name: str
    operator: bool
    language: str
    caller: Caller = field(repr=False, compare=False)
    """For the services; not for pages."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One of the visitor's conversations."""

    id: str
    title: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. rating: 1, -1 or 0."""

    id: str
    role: str
    text: str
    model: str | None
    rating: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply so far. chat: its conversation, in which `PageServices.ask` can go on. state: `running`, or how
    it ended."""

    text: str
    chat: str
    state: Literal["running", "complete", "stopped", "interrupted"]


@dataclass(frozen=True, slots=True)
class Ratings:
    """How often the people of one link rated the replies of one model. model: as it was named then."""

    link: str
    model: str
    good: int
    bad: int


class PageServices:
    """The app, for pages. Use it in handlers, which run on its event loop; `create` itself has no visitor."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._parties = Parties(services)

    def visitor(self, request: gr.Request) -> Visitor:
        """Who asks; give a handler a parameter of this type. They have the page's role. Raises `gr.Error`."""
        caller = caller_of(request)
        if caller is None:
            raise refusal(None, "error.not_found")
        owner = caller.owner
        return Visitor(owner.id, owner.name, owner.operates, caller.language, caller)

    def models(self, visitor: Visitor) -> list[str]:
        """Names of the models that the visitor may use, the default first."""
        offered = Offered(self._services.models, visitor.caller.owner.terms)
        names = [info.name for info in offered.infos() if not info.unlisted]
        return sorted(names, key=lambda name: name != offered.default)

    async def chats(self, visitor: Visitor, cursor: str | None = None) -> tuple[list[Chat], str | None]:
        """The visitor's conversations, the latest first: one page of them, and the cursor of the next."""
        with _told(visitor):
            page = await self._store.call(self._store.list_conversations, visitor.id, cursor=cursor)
        return [Chat(one.id, one.title, one.updated_at) for one in page.items], page.next

    async def messages(self, visitor: Visitor, chat: str) -> list[Message]:
        """The latest messages of a conversation, in the version that is shown, the oldest first."""
        with _told(visitor):
            thread = await self._store.call(self._store.thread, visitor.id, chat)
        shown = visitor.caller.owner.terms.shows_model
        return [
            Message(one.id, one.role, one.text, shown(one.model), one.rating, one.created_at)
            for one in thread.items
        ]

    async def ask(
        self, visitor: Visitor, text: str, *, model: str | None = None, chat: str | None = None
    ) -> AsyncIterator[Reply]:
        """Send a message as the visitor, and give the reply as it grows, and at last as a whole.

        It goes the way of every message: reviewed, limited, stored in their chats, moderated. The reply goes
        on, and is stored, if nobody waits for it.
        """
        with _told(visitor):
            caller, leaf = visitor.caller, None
            if chat is not None:
                leaf = (await self._store.call(self._store.conversation, visitor.id, chat)).active_leaf_id
            party = await self._parties.sender(caller.request, caller.owner)
            ask = Ask("send", secrets.token_hex(16), chat, leaf, text=text, model=model)
            begun = await self._services.turns.start(party, ask)
            said = ""
            async for event in self._services.turns.follow(visitor.id, begun.reply.id):
                if isinstance(event, Delta) and event.kind != "reasoning":
                    said = said + event.text if event.kind == "text" else ""
                    yield Reply(said, begun.conversation.id, "running")
                elif isinstance(event, Done):
                    message = event.message
                    if message.failure is not None:
                        raise refusal(caller, f"error.{message.failure.code}", message.failure.params)
                    yield Reply(message.text, begun.conversation.id, _state(message.state))

    async def tester_ratings(self, visitor: Visitor) -> list[Ratings]:
        """Counts of the ratings that the people of each link gave, by model. For operators."""
        if not visitor.operator:
            raise refusal(visitor.caller, "error.not_found")
        with _told(visitor):
            counts = await self._store.call(self._store.ratings_by_link)
        return [Ratings(one.link, one.model, one.good, one.bad) for one in counts]


@contextmanager
def _told(visitor: Visitor) -> Iterator[None]:
    """Tell what is refused in the visitor's language."""
    try:
        yield
    except ExplainedError as error:
        raise refusal(visitor.caller, f"error.{error.code}", error.params) from None


def _state(state: str) -> Literal["complete", "stopped", "interrupted"]:
    return "stopped" if state == "stopped" else "interrupted" if state == "interrupted" else "complete"
