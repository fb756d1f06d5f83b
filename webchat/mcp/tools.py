"""What the tools do: each is a route of `/api` or `/v1` in other words, with its checks, slots and scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from backends.types import Message
from webchat.api.conversations import Conversations
from webchat.api.reading import language_of
from webchat.api.services import Services
from webchat.api.templates.prompt_templates import Templates
from webchat.api.v1.call import Call
from webchat.api.v1.names import Names
from webchat.api.v1.runner import Runner
from webchat.api.wire.base import Answer, Body
from webchat.api.work import Work
from webchat.mcp.answers import (
    AskArguments,
    ListArguments,
    McpConversations,
    McpHits,
    McpModels,
    McpReply,
    McpTemplates,
    McpThread,
    NoArguments,
    ReadArguments,
    SearchArguments,
    TemplateArguments,
)
from webchat.slots import Slots
from webchat.store.key_records import KeyScope
from webchat.store.records import Owner
from webchat.turns import Delta, Done


@dataclass(frozen=True, slots=True)
class Tool:
    """scope: what a key needs for it. work: as in the table of routes; `None` waits in a line of its own."""

    name: str
    about: str
    takes: type[Body]
    gives: type[Answer]
    do: Callable[[Request, Owner, Any], Awaitable[Answer]]
    scope: KeyScope = "read"
    work: Work | None = "short"


class Tools:
    """slots: those of the routes, by kind of work."""

    def __init__(self, services: Services, slots: Mapping[Work, Slots]) -> None:
        self._conversations = Conversations(services)
        self._templates = Templates(services)
        self._names = Names(services)
        self._runner = Runner(services)
        self._slots = slots
        self._tools = self._made()

    def _made(self) -> tuple[Tool, ...]:
        return (
            Tool(
                "list_conversations",
                "Your conversations, pinned ones first, then the latest.",
                ListArguments,
                McpConversations,
                self._list,
            ),
            Tool(
                "search_conversations",
                "Conversations of yours whose title or messages contain these words.",
                SearchArguments,
                McpHits,
                self._search,
                work="search",
            ),
            Tool(
                "read_conversation",
                "The newest messages of a conversation, or earlier ones.",
                ReadArguments,
                McpThread,
                self._read,
            ),
            Tool(
                "list_templates",
                "Prompt templates you may use.",
                TemplateArguments,
                McpTemplates,
                self._list_templates,
                work="list",
            ),
            Tool("list_models", "The names that ask_model takes.", NoArguments, McpModels, self._list_models),
            Tool(
                "ask_model",
                "Ask a model of this server and wait for its whole reply. It remembers nothing between calls:"
                " pass what was said before as history.",
                AskArguments,
                McpReply,
                self._ask,
                scope="chat",
                work=None,
            ),
        )

    def open_to(self, owner: Owner) -> list[Tool]:
        """The tools that the caller's key opens; without a key, all."""
        key = owner.key
        return [one for one in self._tools if key is None or one.scope in key.terms.scopes]

    def find(self, owner: Owner, name: str) -> Tool | None:
        return next((one for one in self.open_to(owner) if one.name == name), None)

    async def call(self, request: Request, owner: Owner, tool: Tool, given: Mapping[str, object]) -> Answer:
        """Raises `ValidationError`, and what the routes raise."""
        arguments = tool.takes.model_validate(given)
        if tool.work is None:
            return await tool.do(request, owner, arguments)
        async with self._slots[tool.work].place(owner.id):
            return await tool.do(request, owner, arguments)

    async def _list(self, request: Request, owner: Owner, asked: ListArguments) -> Answer:
        page = await self._conversations.list(owner, asked.cursor, asked.limit)
        items = [{"id": one.id, "title": one.title, "updated_at": one.updated_at} for one in page.items]
        return McpConversations.of({"items": items, "next": page.next})

    async def _search(self, request: Request, owner: Owner, asked: SearchArguments) -> Answer:
        page = await self._conversations.search(owner, asked.query, asked.limit, asked.cursor)
        items = [one.model_dump(exclude={"ranges"}) for one in page.items]
        return McpHits.of({"items": items, "next": page.next})

    async def _read(self, request: Request, owner: Owner, asked: ReadArguments) -> Answer:
        thread = await self._conversations.open(owner, asked.id, asked.before, asked.limit)
        shown = thread.conversation
        fields = {"id", "role", "text", "model", "state", "created_at"}
        return McpThread.of(
            {
                "id": shown.id,
                "title": shown.title,
                "model": shown.settings.model,
                "system_prompt": shown.settings.system_prompt,
                "messages": [one.model_dump(include=fields) for one in thread.messages],
                "older": thread.older,
            }
        )

    async def _list_templates(self, request: Request, owner: Owner, asked: TemplateArguments) -> Answer:
        found = await self._templates.list(owner, language_of(request), asked.query)
        items = [
            {
                "id": one.id,
                "name": one.content.name,
                "description": one.content.description,
                "version": one.version,
                "model": f"{one.content.name}@v{one.version}" if one.has_system else None,
            }
            for one in found.items
        ]
        return McpTemplates.of({"items": items})

    async def _list_models(self, request: Request, owner: Owner, asked: NoArguments) -> Answer:
        listed = await self._names.listed(owner)
        kinds = {True: "template", False: "model"}
        return McpModels.of(
            {"items": [{"name": one.id, "kind": kinds[one.owned_by == "template"]} for one in listed]}
        )

    async def _ask(self, request: Request, owner: Owner, asked: AskArguments) -> Answer:
        """Raises `ApiError` for a reply that failed."""
        path = (*(Message(one.role, one.text) for one in asked.history), Message("user", asked.message))
        call = Call(asked.model, path, asked.system.strip() or None)
        async with self._runner.run(request, owner, call) as running, aclosing(running.events) as events:
            reply = running.reply
            async for event in events:
                if isinstance(event, Delta) and event.kind == "tool":
                    reply.add_calls(event.text)
                elif isinstance(event, Done):
                    reply.message = event.message
        if (failure := reply.failure) is not None:
            raise failure
        return McpReply(text=reply.text, model=reply.model, finish=reply.finish)
