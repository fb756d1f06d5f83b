"""Titles from the model: one short request after a reply, cancelled as soon as somebody needs the model.

A title never delays anything: it is requested only while no reply of that model runs and its engine has a
slot that nobody wants, and a new turn cancels it. If anything fails, the conversation keeps the title the
store made from its first words; a title that a person wrote is never changed.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import cast

from backends.base import Completion, collect
from backends.errors import BackendError
from backends.types import Event, Request, Sampling, TextDelta
from backends.types import Message as PromptMessage
from webchat.models import Models
from webchat.moderation import Blocked, Context, GateFactory
from webchat.prompts.renderer import fit_sampling
from webchat.store import Store, StoreError
from webchat.store.records import Message
from webchat.turns.titles.proposals import title_in
from webchat.turns.turn import RunningTurn
from webchat.turns.waiting.queue import Queue

log = logging.getLogger(__name__)

INSTRUCTION = (
    "Give the conversation below a title of at most six words, in the language it is written in. "
    "Answer with the title only: one line, no quotation marks, no full stop.\n\n"
)

EXCERPT_CHARS = 600
"""How much of the question and of the answer the model reads for a title: enough for the subject, cheap to
read."""

TITLE_TOKENS = 32
TITLE_SECONDS = 30.0
TRIES = 3
"""Attempts per conversation while the server runs."""

KEPT_TRIES = 64
"""Conversations without a title whose attempts are remembered."""

_CUT = re.compile(r"(?:[0-9()+.-]{1,16} ){0,8}[^\s\u2e80-\uffff]{0,200}$")


class Titles:
    """Makes titles in the background; one at a time per model.

    changed: called with the owner and the conversation that has a new title.
    """

    def __init__(
        self,
        store: Store,
        models: Models,
        gates: GateFactory,
        queue: Queue,
        changed: Callable[[str, str], None],
    ) -> None:
        self._queue = queue
        self._changed = changed
        self._store = store
        self._models = models
        self._gates = gates
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tries: OrderedDict[str, int] = OrderedDict()

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
            or turn.begun.tokens is not None  # its link counts them
            or not self._models.spec(turn.model).titles
        ):
            return
        self._tries[conversation.id] = tries + 1
        self._tries.move_to_end(conversation.id)
        if len(self._tries) > KEPT_TRIES:
            self._tries.popitem(last=False)
        task = asyncio.create_task(self._make(turn, reply), name=f"title {conversation.id}")
        self._tasks[turn.model] = task
        task.add_done_callback(lambda _: self._tasks.pop(turn.model, None))

    def give_way(self, model: str) -> None:
        """A turn needs this model: cancel the title it is making, without waiting."""
        task = self._tasks.get(model)
        if task is not None:
            _drop(task)

    async def aclose(self) -> None:
        """Cancel all titles."""
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
                self._tries.pop(conversation.id, None)
                self._changed(turn.owner, conversation.id)
        except (BackendError, Blocked, StoreError, TimeoutError) as error:
            log.info("no title for conversation %s: %s", conversation.id, error)
        except Exception:
            log.exception("title for conversation %s failed", conversation.id)

    async def _ask(self, turn: RunningTurn, reply: Message) -> str:
        """The title the model proposes, as the gate lets it pass; empty when there is none of use."""
        question = turn.begun.user
        if question is None and reply.parent_id is not None:
            question = await self._store.call(self._store.message, turn.owner, reply.parent_id)
        asked = "" if question is None else excerpt(question.text)
        prompt = f"{INSTRUCTION}User: {asked}\n\nAssistant: {excerpt(reply.text)}"
        remote = self._models.spec(turn.model).remote
        profile = turn.party.terms.moderation_profile
        context = Context(
            "prompt", turn.owner, turn.model, turn.conversation_id, remote=remote, profile=profile
        )
        prepared = await self._gates.prepare(context, Request((PromptMessage("user", prompt),)))
        completion = await self._complete(turn, prepared.request)
        if completion is None:
            return ""
        gate = prepared.gate
        released = await gate.finish(TextDelta(completion.text))
        if released.verdict is not None:
            raise Blocked(released.verdict)
        answer = "".join(piece.text for piece in released.pieces if isinstance(piece, TextDelta))
        return title_in(answer, cut=completion.finished.reason == "length", instruction=INSTRUCTION)

    async def _complete(self, turn: RunningTurn, request: Request) -> Completion | None:
        """What the model answers; `None` when all its slots are wanted. Such a try does not count."""
        task = self._tasks[turn.model]
        async with self._models.use(turn.model) as backend:
            takes = backend.capabilities
            give_way = partial(_drop, task)
            async with self._queue.spare(takes.engine or turn.model, takes.slots, give_way) as free:
                if not free:
                    if turn.conversation_id in self._tries:
                        self._tries[turn.conversation_id] -= 1
                    return None
                sampling = fit_sampling(Sampling(temperature=0.0, max_tokens=TITLE_TOKENS), takes)
                stream = cast(
                    AsyncGenerator[Event, None], backend.stream(replace(request, sampling=sampling))
                )
                # Closed here, not when garbage is collected: a title that is dropped frees the model at once.
                async with aclosing(stream) as events:
                    return await collect(events)


def _drop(task: asyncio.Task[None]) -> None:
    """Cancel a title once: a second time would break off the closing of its stream."""
    if not task.cancelling():
        task.cancel()


def excerpt(text: str) -> str:
    """The beginning of a text, cut in front of the word or number that would not fit whole: half a telephone
    number is not known for one, and would not be masked."""
    return text if len(text) <= EXCERPT_CHARS else _CUT.sub("", text[:EXCERPT_CHARS])
