"""The production of one reply: model, prompt, gate, journal, end. The same for every kind of request."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import cast

from backends.base import Backend, Capabilities
from backends.errors import ContextTooLong
from backends.types import (
    Event,
    Finished,
    Logprobs,
    Media,
    ReasoningDelta,
    Request,
    Retrying,
    Sent,
    TextDelta,
    TextWasReasoning,
    ToolCallDelta,
    Usage,
)
from webchat.models import Models
from webchat.moderation import Context, Gate, GateFactory, Piece, Released
from webchat.prompts import MOST_CUTS, Fitting, Rendered, Renderer, Scene
from webchat.prompts.fitting import shorten
from webchat.store import Store, StoreError, StoreUnavailable
from webchat.store.records import (
    LONGEST_REPLY,
    Failure,
    FinishedTurn,
    Message,
    PathMessage,
    Provenance,
    TurnState,
    fold,
    fold_calls,
)
from webchat.turns.generating.allowance import BYTES, MOST_BYTES, MOST_MORE, TokenSizes, within
from webchat.turns.generating.outcome import (
    UNSTORED,
    Run,
    as_sent,
    changes,
    finish_reason,
    made_with,
    measured,
    outcome,
    provenance_of,
)
from webchat.turns.generating.paths import Paths
from webchat.turns.inspecting.inspector import Inspector
from webchat.turns.journal import Channel, Journal, JournalFailed
from webchat.turns.measured import Report, current_turn, tell
from webchat.turns.turn import RunningTurn
from webchat.turns.waiting.queue import Queue

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""Seconds a stopped backend has to close its stream before the turn ends without it."""

KEPT_SECONDS = 2.0
"""Seconds an end waits for the record of what its model was sent, so that it is available with the reply."""

ENDED_TRIES, ENDED_SECONDS = 8, 0.25
"""How often, and how far apart, the store is asked for the end of a reply that others end."""

RELEASE_SECONDS = 3.0
"""Seconds moderators have to check the rest of a reply cut off by a shutdown."""

_PIECES = (TextDelta, ReasoningDelta, ToolCallDelta)


class Pipeline:
    """Produces replies. One for all turns; holds no state of any.

    cuts: whether the oldest turns of a conversation that is too long for its model are left out; otherwise it
    is refused. inspect: whether to record what each reply's model was sent. routing: a conversation's id as
    endpoints may know it. report: called with each reply that has ended, in numbers.
    """

    def __init__(
        self,
        store: Store,
        models: Models,
        renderer: Renderer,
        gates: GateFactory,
        journal: Journal,
        queue: Queue,
        *,
        cuts: bool = True,
        inspect: bool = True,
        routing: Callable[[str], str] = lambda _: "",
        report: Report | None = None,
    ) -> None:
        self._report = report
        self._store = store
        self._models = models
        self._renderer = renderer
        self._routing = routing
        self._gates = gates
        self._journal = journal
        self._paths = Paths(store)
        self._queue = queue
        self._cuts = cuts
        self._inspect = inspect
        self._fitting = Fitting()
        self._sizes = TokenSizes()
        self._inspector = Inspector(store)

    async def aclose(self) -> None:
        """Wait for records that are stored alongside the replies."""
        await self._inspector.aclose()

    async def run(self, turn: RunningTurn) -> None:
        """Produce the reply of a begun turn and store its end, whatever happens. Never raises."""
        current_turn.set(turn.id)
        channel = self._journal.channel(turn.id, turn.publish, lambda: turn.end("unstored"))
        run = Run(channel, Provenance(model=turn.model))
        work = asyncio.create_task(self._produce(turn, run), name=f"reply {turn.id}")
        try:
            await asyncio.wait({work, turn.ending}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work}, timeout=CLOSE_SECONDS)
        finally:
            work.cancel()
        if not work.done():
            log.error("model %s did not close its stream in time (reply %s)", turn.model, turn.id)
            work.add_done_callback(_retrieve)
        if run.gate is not None and run.finished is None:
            await _release_rest(turn, run, run.gate)
        over = time.monotonic()
        state, failure = outcome(turn, run, work)
        if run.kept is not None:
            await asyncio.wait({run.kept}, timeout=KEPT_SECONDS)
        message = await self._end(turn, run, state, failure)
        if (message.text or message.tool_calls) and run.path and turn.called is None:
            self._paths.keep(run.path, message)
        turn.done(message)
        tell(self._report, measured(turn, run, message, over))
        self._learn(turn, run, message)

    async def _produce(self, turn: RunningTurn, run: Run) -> None:
        """Stream the reply into the journal. Raises `BackendError`, `Blocked` for the request, and
        whatever goes wrong."""
        async with self._models.use(turn.model, turn.loading) as backend:
            run.marks["load"] = time.monotonic()
            await self._stream(turn, run, backend)

    async def _stream(self, turn: RunningTurn, run: Run, backend: Backend) -> None:
        run.path = await self._paths.to(turn.owner, turn.begun)
        run.rendered = await self._fitted(turn, run, backend)
        run.marks["prompt"] = time.monotonic()
        for _ in range(MOST_CUTS):
            try:
                return await self._written(turn, run, backend, run.rendered.request)
            except ContextTooLong as error:
                room = self._fitting.refused(_key(turn), run.rendered.request, error)
                shorter = shorten(run.rendered, room, partial(self._render, turn, run, backend))
                kept = shorter.left_out <= run.rendered.left_out
                if kept or run.first is not None or not self._may_cut(turn):
                    raise
                run.rendered = shorter
        raise ContextTooLong(
            "The conversation is too long for this model, even after leaving out all earlier turns.",
            cure="Shorten the last message, or choose a model with a larger context window.",
        )

    async def _written(self, turn: RunningTurn, run: Run, backend: Backend, request: Request) -> None:
        """One request, reviewed and answered. Moderators read it before a slot is taken."""
        turn.reviewing()
        request = replace(request, inputs=turn.begun.conversation.settings.inputs)
        prepared = await self._gates.prepare(self._context(turn), request)
        run.gate = prepared.gate
        run.marks["moderation"] = time.monotonic()
        run.provenance = as_sent(run.provenance, prepared)
        takes = backend.capabilities
        tokens, told = turn.begun.tokens, "max_tokens" in takes.sampling
        request = prepared.request if tokens is None or not told else limited(prepared.request, tokens)
        wanted = prepared.request.sampling.max_tokens or LONGEST_REPLY
        run.short = tokens is not None and tokens < wanted and turn.party.link is not None
        engine, queue = takes.engine or turn.model, self._queue
        waits = queue.background if turn.party.background else queue.slot
        async with waits(engine, takes.slots, turn.owner, turn.in_line):
            run.sent = run.marks["queue"] = time.monotonic()
            turn.asked()
            # Every backend is an async generator; the protocol only names what readers need.
            asked = replace(request, trace=self._inspects(turn), caller=turn.party.caller)
            asked = replace(asked, routing=self._routing(turn.begun.conversation.id))
            stream = cast(AsyncGenerator[Event, None], backend.stream(asked))
            bounded = stream if tokens is None else self._bounded(stream, tokens, turn.model, takes)
            async with aclosing(stream), aclosing(bounded) as events:
                await _pump(
                    events,
                    turn,
                    run,
                    prepared.gate,
                    partial(self._sent, turn, run),
                    partial(self._keep, turn),
                )
        run.marks["stream"] = time.monotonic()
        if run.finished is None and prepared.gate.verdict is None:
            raise RuntimeError(f"the backend {backend.kind} ended its stream without Finished")

    def _bounded(
        self, stream: AsyncGenerator[Event, None], tokens: int, model: str, takes: Capabilities
    ) -> AsyncGenerator[Event, None]:
        if "max_tokens" not in takes.sampling:
            return within(stream, tokens, BYTES)
        if takes.engine is not None:
            return within(stream, tokens, MOST_BYTES, MOST_MORE)
        return within(stream, tokens, self._sizes.of(model))

    async def _fitted(self, turn: RunningTurn, run: Run, backend: Backend) -> Rendered:
        """The request, with as much of the conversation as the context window holds."""
        if not self._may_cut(turn):
            if run.path and run.path[0].before:
                raise ContextTooLong(
                    "The conversation is too long to be sent in full.", cure="Start a new conversation."
                )
            return self._render(turn, run, backend, None)
        return await self._fitting.fit(_key(turn), backend, partial(self._render, turn, run, backend))

    def _learn(self, turn: RunningTurn, run: Run, reply: Message) -> None:
        """Remember how to fit the next prompt of this conversation: the complete stored reply."""
        if run.rendered is None or reply.state != "complete":
            return
        self._fitting.began(_key(turn), run.rendered.first_sent)
        if run.usage is not None:
            new = reply.text.removeprefix(turn.begun.reply.text)
            new += reply.reasoning.removeprefix(turn.begun.reply.reasoning)
            self._sizes.learn(turn.model, len(new.encode(errors="replace")), run.usage.completion_tokens)
            # Reasoning is counted with the reply, and not sent back.
            said = reply.text.removeprefix(turn.begun.reply.text)
            told = (said, run.usage.completion_tokens) if run.reasoned is None else ("", 0)
            self._fitting.learn(_key(turn), run.rendered.request, run.usage.prompt_tokens, told)

    def _render(self, turn: RunningTurn, run: Run, backend: Backend, room: int | None) -> Rendered:
        """The request and its origin. room: its characters, if known."""
        spec = self._models.spec(turn.model)
        settings = turn.begun.conversation.settings
        window = backend.capabilities.context_length
        rendered = self._renderer.render(
            Scene(
                path=run.path,
                capabilities=backend.capabilities,
                settings=settings,
                system_prompt=spec.system_prompt,
                sampling=spec.sampling,
                continues=None if turn.continues is None else PathMessage.of(turn.continues),
                start=self._fitting.start(_key(turn), run.path, window) if self._may_cut(turn) else 0,
                room=room,
                opening=turn.party.terms.opening,
                options=turn.options,
                logprobs=turn.logprobs,
                as_given=turn.called is not None,
            )
        )
        run.provenance = Provenance(
            backend=backend.kind,
            model=turn.model,
            model_id=backend.model,
            template=rendered.template,
            sampling=rendered.request.sampling,
            seed=rendered.request.sampling.seed,
            prompt=rendered.prompt,
            details={**changes(rendered), **made_with(settings, run.path), **self._recording(turn)},
        )
        run.ids = rendered.ids
        return rendered

    def _context(self, turn: RunningTurn) -> Context:
        remote = self._models.spec(turn.model).remote
        return Context(
            "prompt",
            turn.owner,
            turn.model,
            None if turn.fleeting else turn.conversation_id,
            turn.id,
            remote,
            so_far="" if turn.continues is None else turn.continues.text,
            profile=turn.party.terms.moderation_profile,
        )

    def _may_cut(self, turn: RunningTurn) -> bool:
        """Programs are told of a conversation that is too long."""
        return self._cuts and turn.called is None

    def _inspects(self, turn: RunningTurn) -> bool:
        return self._inspect and not turn.fleeting

    def _recording(self, turn: RunningTurn) -> dict[str, str]:
        """Noted if what the model was sent is not recorded, so that nobody looks for it."""
        return {} if self._inspects(turn) else {"inspect": "off"}

    def _sent(self, turn: RunningTurn, run: Run, sent: Sent) -> None:
        """Record what the model is sent, from now on."""
        if self._inspects(turn):
            run.kept = self._inspector.keep(turn.id, sent, run.ids, provenance_of(run), run.kept)

    async def _keep(self, turn: RunningTurn, media: Media) -> None:
        """Store media the text is about to name. If that fails, it is only named."""
        try:
            await self._store.call(self._store.keep_media, turn.id, media)
        except StoreUnavailable:  # the store's log says it
            pass
        except StoreError:
            log.warning("a file (%s) of reply %s could not be stored", media.media_type, turn.id)

    async def _end(self, turn: RunningTurn, run: Run, state: TurnState, failure: Failure | None) -> Message:
        """Store the end; if the store fails, return the message as shown on screens. One that other servers
        have ended is as they stored it."""
        finished = FinishedTurn(
            turn.id,
            state,
            finish_reason=finish_reason(turn, run, state),
            failure=failure,
            reasoning_seconds=None if run.reasoned is None else run.reasoned[1] - run.reasoned[0],
            provenance=provenance_of(run),
        )
        try:
            return await run.channel.finish(finished)
        except JournalFailed:
            if (ended := await self._ended_by_others(turn)) is not None:
                return ended
            self._journal.owe(replace(finished, state="failed", finish_reason=None, failure=UNSTORED))
            begun = turn.begun.reply
            text, reasoning = fold(begun.text, begun.reasoning, turn.entries)
            calls, cut = fold_calls(turn.id, turn.entries, ended=False)
            return replace(
                begun,
                text=text,
                reasoning=reasoning,
                tool_calls=calls,
                cut_calls=cut,
                state="failed",
                failure=UNSTORED,
                finished_at=datetime.now(UTC),
                seq=len(turn.entries),
            )

    async def _ended_by_others(self, turn: RunningTurn) -> Message | None:
        """The stored message, if it no longer runs: another server has taken this one for dead."""
        if not self._store.shared:
            return None
        try:
            for _ in range(ENDED_TRIES):
                message = await self._store.call(self._store.message, turn.owner, turn.id)
                if not message.running:
                    return message
                await asyncio.sleep(ENDED_SECONDS)
        except StoreError:
            pass
        return None


def limited(request: Request, tokens: int) -> Request:
    """The request for a reply of at most so many tokens."""
    sampling = request.sampling
    most = tokens if sampling.max_tokens is None else min(tokens, sampling.max_tokens)
    return replace(request, sampling=replace(sampling, max_tokens=most))


def _key(turn: RunningTurn) -> tuple[str, str]:
    return turn.conversation_id, turn.model


async def _pump(
    events: AsyncGenerator[Event, None],
    turn: RunningTurn,
    run: Run,
    gate: Gate,
    record: Callable[[Sent], None],
    keep: Callable[[Media], Awaitable[None]],
) -> None:
    """Read the model's events into the journal, through the gate. The hot path: runs once per token."""
    channel = run.channel
    async for event in events:
        now = time.monotonic()
        if run.first is None and not isinstance(event, (Sent, Retrying, Usage, Finished)):
            run.first = run.marks["first_token"] = now
            turn.answering()
        elif isinstance(event, _PIECES):
            turn.gaps.add(now - run.last)
        run.last = now
        match event:
            case TextDelta() | ToolCallDelta():
                _show(channel, await gate.feed(event))
            case ReasoningDelta():
                run.reasoned = (now if run.reasoned is None else run.reasoned[0], now)
                _show(channel, await gate.feed(event))
            case TextWasReasoning():
                began = run.first if run.reasoned is None else run.reasoned[0]
                run.reasoned = (run.began if began is None else began, time.monotonic())
                _show(channel, await gate.feed(event))
            case Media():
                await keep(event)
            case Logprobs():
                if turn.spelled is not None:
                    turn.spelled.add(event.tokens)
            case Usage():
                run.usage = event
            case Sent():
                record(event)
            case Retrying():
                turn.retrying(event)
            case Finished():
                _show(channel, await gate.finish())
                run.finished = event
        if gate.verdict is not None:
            return
        if channel.full:
            await channel.room()


async def _release_rest(turn: RunningTurn, run: Run, gate: Gate) -> None:
    """Let the gate release what it still held when the reply broke off."""
    seconds = RELEASE_SECONDS if turn.ended_by == "interrupted" else None
    try:
        async with asyncio.timeout(seconds):
            _show(run.channel, await gate.finish())
    except TimeoutError:
        log.warning("moderation of reply %s did not finish before the shutdown", turn.id)
    except Exception:
        log.exception("the gate failed at the end of reply %s", turn.id)


def _show(channel: Channel, released: Released) -> None:
    """Write what the gate releases."""
    for piece in released.pieces:
        _add(channel, piece)


def _add(channel: Channel, piece: Piece) -> None:
    match piece:
        case TextDelta():
            channel.add("text", piece.text)
        case ReasoningDelta():
            channel.add("reasoning", piece.text)
        case TextWasReasoning():
            channel.add("moved", "")
        case ToolCallDelta():
            call = {"index": piece.index, "id": piece.id, "name": piece.name, "arguments": piece.arguments}
            channel.add("tool", json.dumps(call, ensure_ascii=False) + "\n")


def _retrieve(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
