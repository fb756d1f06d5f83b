"""Titles from the model: after a reply, one short request, dropped as soon as somebody wants the model.

A title never delays anything: it is asked for only while no reply of that model runs, and a new turn
cancels it. Whatever goes wrong, the conversation keeps the title the store gave it from its first words; a
title that a person wrote is never touched.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from backends.base import collect
from backends.errors import BackendError
from backends.types import Event, Request, Sampling, TextDelta
from backends.types import Message as PromptMessage
from webchat.models import Models
from webchat.moderation import Blocked, GateFactory
from webchat.prompts.renderer import fit_sampling
from webchat.store import Store, StoreError
from webchat.store.records import Message
from webchat.turns.turn import RunningTurn

log = logging.getLogger(__name__)

INSTRUCTION = (
    "Give the conversation below a title of at most six words, in the language it is written in. "
    "Answer with the title only: one line, no quotation marks, no full stop.\n\n"
)

EXCERPT_CHARS = 600
"""How much of the question and of the answer the model reads for a title: enough for the subject, cheap to
read."""

TITLE_CHARS = 60
TITLE_TOKENS = 32
TITLE_SECONDS = 30.0
TRIES = 3
"""Attempts per conversation while the server runs."""

_LABEL = re.compile(r"^(?:title|标题)\s*[:：]\s*", re.IGNORECASE)
_MARKS = " \t\"'`*_#“”‘’「」『』《》«»"


class Titles:
    """Makes titles in the background; one at a time per model."""

    def __init__(self, store: Store, models: Models, gates: GateFactory) -> None:
        self._store = store
        self._models = models
        self._gates = gates
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tries: dict[str, int] = {}

    def consider(self, turn: RunningTurn, reply: Message) -> None:
        """Start a title for the conversation of a finished reply, if it has none from a model or a person."""
        conversation = turn.begun.conversation
        tries = self._tries.get(conversation.id, 0)
        if (
            reply.state != "complete"
            or not reply.text.strip()
            or conversation.title_by != "auto"
            or tries >= TRIES
            or turn.model in self._tasks
            or not self._models.spec(turn.model).titles
        ):
            return
        self._tries[conversation.id] = tries + 1
        task = asyncio.create_task(self._make(turn, reply), name=f"title {conversation.id}")
        self._tasks[turn.model] = task
        task.add_done_callback(lambda _: self._tasks.pop(turn.model, None))

    def give_way(self, model: str) -> None:
        """A turn wants this model: drop the title it is making, without waiting."""
        task = self._tasks.get(model)
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Drop all titles."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _make(self, turn: RunningTurn, reply: Message) -> None:
        conversation = turn.begun.conversation
        try:
            async with asyncio.timeout(TITLE_SECONDS):
                title = await self._ask(turn, reply)
            if title:
                # The store keeps a title that a person gave meanwhile.
                await self._store.call(
                    self._store.update_conversation,
                    turn.owner,
                    conversation.id,
                    title=title,
                    title_by="model",
                )
        except (BackendError, Blocked, StoreError, TimeoutError) as error:
            log.info("no title for conversation %s: %s", conversation.id, error)
        except Exception:
            log.exception("title for conversation %s", conversation.id)

    async def _ask(self, turn: RunningTurn, reply: Message) -> str:
        """The title the model proposes, as the gate lets it pass; empty when there is none of use."""
        question = turn.begun.user
        if question is None and reply.parent_id is not None:
            question = await self._store.call(self._store.message, turn.owner, reply.parent_id)
        asked = "" if question is None else question.text[:EXCERPT_CHARS]
        prompt = f"{INSTRUCTION}User: {asked}\n\nAssistant: {reply.text[:EXCERPT_CHARS]}"
        async with self._models.use(turn.model) as backend:
            sampling = fit_sampling(Sampling(temperature=0.0, max_tokens=TITLE_TOKENS), backend.capabilities)
            stream = cast(
                AsyncGenerator[Event, None],
                backend.stream(Request((PromptMessage("user", prompt),), sampling)),
            )
            # Closed here, not when garbage is collected: a title that is dropped must free the model at once.
            async with aclosing(stream) as events:
                completion = await collect(events)
        gate = self._gates.open(turn.owner, turn.model)
        pieces = [*await gate.feed(TextDelta(completion.text)), *await gate.finish()]
        return tidy("".join(piece.text for piece in pieces if isinstance(piece, TextDelta)))


def tidy(text: str) -> str:
    """A model's proposal as a title: its first line with words, without label, marks and quotes; `""` if
    none, if it is far too long to be a title, or if a small model only repeats what it was told."""
    for line in text.splitlines():
        line = _LABEL.sub("", line.strip(_MARKS)).strip(_MARKS + ".。")
        line = " ".join(line.split())
        if line:
            repeated = line.casefold() in INSTRUCTION.casefold()
            return "" if repeated or len(line) > TITLE_CHARS else line
    return ""
