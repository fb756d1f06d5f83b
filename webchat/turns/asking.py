"""From a request to a started turn: its key is looked up first, then whatever rejects it, its text last.

A repeated request with the same client key gets the turn of the first one, even while that is still being
reviewed: nothing is checked, counted or stored twice, and a repeated request is never rejected by limits for
new ones. A rejected request does not count against any rate limit. The same key with other text is
`KeyTaken`.

A database whose connection is lost may have started a turn without confirming it. The store is asked again,
with the same key, until it confirms; such a turn runs like any other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from random import SystemRandom
from typing import Any, TypeVar

from backends.types import Request as Asked
from backends.types import Sampling
from webchat.models import Models
from webchat.moderation import Context
from webchat.store import NotFound, Store, StoreError, StoreUnavailable
from webchat.store.errors import TooManyVersions
from webchat.store.records import (
    LONGEST_REPLY,
    BegunSide,
    BegunTurn,
    Conversation,
    ConversationSettings,
    FinishedTurn,
    Message,
    NewSide,
    NewTurn,
)
from webchat.store.verbs.calls import Brought, brought, is_long
from webchat.store.verbs.continued import path_hashes
from webchat.turns.ask import Against, Ask, Called
from webchat.turns.comparing.pairing import candidates, next_pair
from webchat.turns.errors import (
    BadAsk,
    KeyTaken,
    NotAccepting,
    NothingToCompare,
    ServerBusy,
    StillRunning,
    TooManyTurns,
    TooManyTurnsOfLink,
    TooManyTurnsOfNetwork,
    TurnError,
)
from webchat.turns.gates.review import Review
from webchat.turns.journal import RETRY_SECONDS
from webchat.turns.offered import Offered
from webchat.turns.places import Most, Party
from webchat.turns.turn import RunningTurn

log = logging.getLogger(__name__)

BEGIN_TRIES = 4
"""How often the store is asked to begin a turn before the request is rejected."""


R = TypeVar("R")

Sides = tuple[NewSide, NewSide]
"""Left and right."""


class Asking:
    """Accepts requests, one at a time per client key.

    turns: those in memory, by the ids of their replies. began: called with each turn that is to run, and
    with both sides of a comparison. most: limits for running and waiting turns. full: why there
    is only space left for those that run.
    """

    def __init__(
        self,
        store: Store,
        models: Models,
        review: Review,
        turns: Mapping[str, RunningTurn],
        began: Callable[..., None],
        *,
        most: Most,
        full: Callable[[], TurnError | None],
    ) -> None:
        self._store = store
        self._models = models
        self._review = review
        self._turns = turns
        self._began = began
        self._most = most
        self._full = full
        self._random = SystemRandom()
        self._first: dict[tuple[str, str], tuple[str, asyncio.Task[BegunTurn]]] = {}
        self._beginning: list[Party] = []
        self._settling: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> set[asyncio.Task[BegunTurn]]:
        """Of requests that are being accepted. A cancelled one is rejected with `NotAccepting`."""
        return {task for _, task in self._first.values()}

    async def start(self, party: Party, ask: Ask) -> BegunTurn:
        """See `Turns.start`."""
        key = (party.owner, ask.client_key)
        while key in self._first:
            asked, first = self._first[key]
            if asked == ask.digest:
                return replace(await asyncio.shield(first), created=False)
            await asyncio.wait({first})  # if it is refused, its key is free
        # A task of its own: a caller who leaves between the commit and the task would leave a reply without
        # a turn.
        task = asyncio.create_task(self._begin(party, ask), name="begin turn")
        self._first[key] = (ask.digest, task)
        task.add_done_callback(partial(self._over, key))
        return await asyncio.shield(task)

    def _over(self, key: tuple[str, str], task: asyncio.Task[BegunTurn]) -> None:
        del self._first[key]
        if not task.cancelled():
            task.exception()  # nobody else asks for it, where the caller has left

    def aclose(self) -> None:
        """Stop asking the store about pending requests; the next start marks what they began."""
        for task in self._settling:
            task.cancel()

    async def _begin(self, party: Party, ask: Ask) -> BegunTurn:
        try:
            known = await self._store.call(self._store.turn_by_key, party.owner, ask.client_key)
            if known is not None:
                return await self._run(party, ask.client_key, _same(known, known.asked, ask))
            if (refusal := self._full()) is not None:
                raise refusal
            with self._room(party), self._room(party) if ask.against else nullcontext():
                return await self._taken(party, ask)
        except asyncio.CancelledError:
            raise NotAccepting from None  # only the end of the server cancels this task

    @contextmanager
    def _room(self, party: Party) -> Iterator[None]:
        """Reserve one more turn while the block starts it. Raises the error for the limit that is reached."""
        running = [turn.party for turn in self._turns.values() if turn.message is None]
        match self._most.reached(party, running + self._beginning):
            case ("owner", most):
                raise TooManyTurns(most)
            case ("link", most):
                raise TooManyTurnsOfLink(most)
            case ("network", most):
                raise TooManyTurnsOfNetwork(most)
            case ("all", _):
                raise ServerBusy
        self._beginning.append(party)
        try:
            yield
        finally:
            self._beginning.remove(party)

    async def _taken(self, party: Party, ask: Ask) -> BegunTurn:
        """Review and store a request; a rejected one is not counted."""
        written = Context(
            "input",
            party.owner,
            link=party.link,
            conversation_id=ask.conversation_id,
            profile=party.terms.moderation_profile,
        )
        try:
            if ask.against is not None and ask.against.paired:
                ask = await self._paired(party, ask)
            new, continues, model = await self._resolve(party, written, ask)
            called = ask.called
            if called is not None:
                begun, continues, called = await self._stored_call(party, written, called, new)
            elif ask.against is not None:
                sides = await self._sides(party, written, ask.against, new, model)
                begun = await self._stored(party, new, self._store.begin_comparison, *sides)
            else:
                begun = await self._stored(party, new, self._store.begin_turn)
        except BaseException:
            written.give_back()
            raise
        return await self._run(party, ask.client_key, begun, continues, model, called)

    async def _stored_call(
        self, party: Party, written: Context, called: Called, new: NewTurn
    ) -> tuple[BegunTurn, Message | None, Called]:
        """Review and store what a program brought along: a person may have written any of it. Returns what
        was begun, the message to continue, and the call as reviewed. Raises `MessageBlocked`,
        `StoreError`."""
        settings = new.settings or ConversationSettings()
        asked = await self._review.call(
            written, Asked(called.path, settings.sampling, options=called.options)
        )
        called = replace(called, path=asked.messages, options=asked.options)
        new = replace(new, settings=replace(settings, sampling=asked.sampling))
        if called.stored and called.path[-1].role != "assistant":
            hashes = await asyncio.to_thread(path_hashes, settings.system_prompt, called.path)
            new = replace(new, path_hash=hashes[-1])
            if (begun := await self._continued_call(party, new, called, hashes)) is not None:
                return begun, None, called
        if is_long(called.path):
            begun = await self._stored_in_slices(party, new, called)
        else:
            begin = partial(self._store.begin_call, stored=called.stored)
            begun = await self._stored(party, new, begin, called.path, called=called)
        reply = begun.reply
        if reply.continues is None:
            return begun, None, called
        return begun, replace(reply, id=reply.continues, continues=None, state="complete"), called

    async def _continued_call(
        self, party: Party, new: NewTurn, called: Called, hashes: Sequence[str]
    ) -> BegunTurn | None:
        """Begin a call in the conversation of an earlier one; `None` if it goes on from none."""
        find = partial(self._store.call, self._store.earlier_call, party.owner, called.path, hashes)
        earlier = await _again(find)
        if earlier is None or is_long(called.path[len(earlier.ids) :]):
            return None
        try:
            begin = self._store.continue_call
            return await self._stored(party, new, begin, called.path, earlier, called=called)
        except (NotFound, TooManyVersions):
            return None

    async def _stored_in_slices(self, party: Party, new: NewTurn, called: Called) -> BegunTurn:
        """Begin a call with a long path, between whose slices others use the store's writer."""
        owner, stored = party.owner, called.stored
        call = await asyncio.to_thread(brought, owner, new, called.path)
        begin = partial(self._store.open_call, stored=stored)
        begun = await self._stored(party, new, begin, call, called=called)
        if begun.conversation.id != call.id:
            return begun
        try:
            for rows in call.slices():
                add = partial(self._store.add_to_call, stored=stored)
                await _again(partial(self._store.call, add, owner, call, rows))
            show = partial(self._store.show_call, stored=stored)
            await _again(partial(self._store.call, show, owner, call))
        except StoreUnavailable:
            self._settle_by(self._take_back(owner, call))
            raise
        return replace(begun, path=call.path)  # known, also where the beginning was confirmed late

    async def _stored(
        self,
        party: Party,
        new: NewTurn,
        begins: Callable[..., BegunTurn],
        *more: object,
        called: Called | None = None,
    ) -> BegunTurn:
        """Begin a turn by a verb; if asked again, the store finds it by its key. called: of a call, as
        reviewed. Raises `StoreError`."""
        try:
            return await _again(partial(self._store.call, begins, party.owner, new, *more))
        except StoreUnavailable:
            self._settle_by(self._settle(party, new.client_key, called))
            raise

    def _settle_by(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="what became of an ask")
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _take_back(self, owner: str, call: Brought) -> None:
        """End and erase a call that broke off between its slices, once the store can be reached: until then
        its link's tokens are reserved, and its key is taken."""
        for pause in chain(RETRY_SECONDS, repeat(RETRY_SECONDS[-1])):
            await asyncio.sleep(pause)
            try:
                ended = FinishedTurn(call.reply["id"], "interrupted")
                await self._store.call(self._store.write_batch, (), (ended,))
                while not await self._store.call(self._store.erase_call, owner, call.id):
                    pass
                return
            except StoreUnavailable:
                continue
            except StoreError:
                return  # it is gone, or was shown after all

    async def _settle(self, party: Party, client_key: str, called: Called | None) -> None:
        """Run a turn that was begun although its request was rejected, once the store confirms it. Of a
        call that is not to be kept the store finds nothing here, and erases it at the next start."""
        tries = 0
        while True:
            await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
            tries += 1
            try:
                # Who asks again meanwhile finds it.
                if (party.owner, client_key) in self._first:
                    continue
                begun = await self._store.call(self._store.turn_by_key, party.owner, client_key)
                if begun is not None:
                    await self._run(party, client_key, begun, called=called)
                return
            except NotFound:
                return
            except StoreError:
                continue

    async def _run(
        self,
        party: Party,
        client_key: str,
        begun: BegunTurn,
        continues: Message | None = None,
        model: str | None = None,
        called: Called | None = None,
    ) -> BegunTurn:
        """Run a begun turn, unless it is running or has run; also one whose beginning the store did not
        confirm. model: its name; `None`: that of the reply."""
        if begun.sides is not None:
            return self._run_sides(party, client_key, begun, begun.sides)
        reply = begun.reply
        if continues is None and reply.continues is not None:
            continues = await self._store.call(self._store.message, party.owner, reply.continues)
        if begun.here and reply.state == "queued" and not reply.seq and reply.id not in self._turns:
            begun = replace(begun, created=True)
            model = model or Offered(self._models, party.terms).named(reply.model or "")
            self._began(RunningTurn(party, client_key, begun, model, continues, called))
        return begun

    def _run_sides(
        self, party: Party, client_key: str, begun: BegunTurn, sides: tuple[BegunSide, BegunSide]
    ) -> BegunTurn:
        """The same for both sides of a comparison."""
        if not begun.here or any(s.reply.state != "queued" or s.reply.id in self._turns for s in sides):
            return begun
        turns = []
        for side in sides:
            made_with = replace(begun.conversation, settings=side.settings)
            alone = replace(
                begun, reply=side.reply, conversation=made_with, tokens=side.tokens, sides=None, created=True
            )
            turns.append(RunningTurn(party, client_key, alone, side.model, None))
        self._began(*turns)
        return replace(begun, created=True)

    async def _paired(self, party: Party, ask: Ask) -> Ask:
        """The request for a comparison of the two models about which the votes of the link's people say
        least. Raises `NothingToCompare`."""
        offered = Offered(self._models, party.terms)
        shown = {offered.named(info.name): info.name for info in offered.infos() if not info.missing}
        if len(shown) < 2:
            raise NothingToCompare
        models = candidates(list(shown), self._random.sample)
        votes = []
        if party.link is not None:
            votes = await self._store.call(self._store.pair_votes, party.link, models)
        first, second = next_pair(models, votes, self._random.choice)
        return replace(ask, model=shown[first], against=Against(shown[second]))

    async def _sides(
        self, party: Party, written: Context, against: Against, new: NewTurn, model: str
    ) -> Sides:
        """Both sides of a comparison, in random order: nothing that follows from the order tells which is
        which."""
        offered = Offered(self._models, party.terms)
        before = new.settings
        if before is None and new.conversation_id is not None:
            kept = await self._store.call(self._store.conversation, party.owner, new.conversation_id)
            before = kept.settings
        before = before or ConversationSettings()
        chosen = replace(before, model=offered.key(new.model))
        wanted = against.model or new.model
        other = await offered.chosen(wanted)
        label = offered.label(wanted, other)
        settings = await self._settings(party, written, against.settings, before, label) or before
        settings = replace(settings, model=offered.key(label))
        sides = [
            NewSide(new.model, model, chosen, self._longest(model, chosen)),
            NewSide(label, other, settings, self._longest(other, settings)),
        ]
        self._random.shuffle(sides)
        return sides[0], sides[1]

    async def _resolve(self, party: Party, written: Context, ask: Ask) -> tuple[NewTurn, Message | None, str]:
        """What to write for a request, the reply to continue, and the name of the model that answers. Raises
        `TurnError`, `NotFound`."""
        target = None
        if ask.message_id is not None:
            target = await self._store.call(self._store.message, written.owner, ask.message_id)
            if ask.conversation_id not in (None, target.conversation_id):
                raise BadAsk("The message belongs to another conversation.")
        conversation_id = target.conversation_id if target is not None else ask.conversation_id
        parent_id, continues = ask.parent_id, None
        if target is not None:
            parent_id, continues = _place(ask, target)
        self._check_ended(parent_id)
        if self._store.shared and parent_id is not None and parent_id not in self._turns:
            parent = await self._store.call(self._store.message, party.owner, parent_id)
            if parent.running:
                raise StillRunning
        before = None
        if conversation_id is not None:
            before = await self._store.call(self._store.conversation, party.owner, conversation_id)
        offered = Offered(self._models, party.terms)
        wanted, model = await self._model(offered, ask, before)
        kept = None if before is None else before.settings
        label = offered.label(wanted, model)
        settings = await self._settings(party, written, ask.settings, kept, label)
        text = None if ask.text is None else await self._review.text(written, ask.text)
        self._check_ended(parent_id)
        new = NewTurn(
            conversation_id=conversation_id,
            parent_id=parent_id,
            user_text=text,
            client_key=ask.client_key,
            model=label,
            settings=settings,
            continues=None if continues is None else continues.id,
            template=ask.template,
            asked=ask.digest,
            link_id=party.link,
            key_id=party.key,
            tokens=self._longest(model, settings or kept),
        )
        return new, continues, model

    def _check_ended(self, parent_id: str | None) -> None:
        parent = None if parent_id is None else self._turns.get(parent_id)
        if parent is not None and parent.message is None:
            raise StillRunning

    async def _settings(
        self,
        party: Party,
        written: Context,
        asked: ConversationSettings | None,
        before: ConversationSettings | None,
        model: str,
    ) -> ConversationSettings | None:
        """The changes a request makes to the settings; `None` if there are none. From the first request on, a
        conversation has the key of its model. A system prompt that the conversation already has was reviewed
        when it was set; that of a link is the operator's. Raises `MessageBlocked`."""
        offered = Offered(self._models, party.terms)
        asked = asked or before or ConversationSettings()
        kept = asked.model if asked.model and offered.offers(asked.model) else model
        asked = replace(asked, model=offered.key(kept))
        if not party.terms.system_prompt:
            asked = replace(asked, sampling=Sampling(), inputs={})
        asked = await self._review.inputs(replace(written, counts=False), asked, before)
        if party.prompt is not None:
            asked = replace(asked, system_prompt=party.prompt.text, persona=party.prompt.persona)
        if before is not None and asked == before:
            return None
        if party.prompt is not None:
            return asked
        if before is not None and (asked.system_prompt, asked.persona) == (
            before.system_prompt,
            before.persona,
        ):
            return asked
        return await self._review.settings(replace(written, counts=False), asked)

    async def _model(self, offered: Offered, ask: Ask, conversation: Conversation | None) -> tuple[str, str]:
        """The chosen model as it is shown, and the name of the one that answers. A conversation whose model
        its link no longer offers goes on with another. Raises `UnknownModel`, and `BackendError` if it is
        gone or its endpoint does not answer."""
        name = ask.model
        if name is None:
            kept = None if ask.settings is None else ask.settings.model
            if kept is None and conversation is not None:
                kept = conversation.settings.model
            name = kept if kept is not None and offered.offers(kept) else None
        wanted = name or offered.default
        return wanted, await offered.chosen(wanted)

    def _longest(self, model: str, settings: ConversationSettings | None) -> int:
        """The tokens of the longest reply: nobody reserves more than their model would write."""
        chosen = None if settings is None else settings.sampling.max_tokens
        most = self._models.spec(model).sampling.max_tokens or LONGEST_REPLY
        return min(chosen or most, most)


async def _again(do: Callable[[], Awaitable[R]]) -> R:
    """What the store is asked, again while it cannot be reached. Raises `StoreError`."""
    for pause in RETRY_SECONDS[: BEGIN_TRIES - 1]:
        try:
            return await do()
        except StoreUnavailable:
            await asyncio.sleep(pause)
    return await do()


def _same(begun: BegunTurn, asked: str | None, ask: Ask) -> BegunTurn:
    """The begun turn, if the repeated request is the same. Raises `KeyTaken`."""
    if asked not in (None, ask.digest):
        raise KeyTaken(begun.conversation.id, begun.reply.id)
    return begun


def _place(ask: Ask, target: Message) -> tuple[str | None, Message | None]:
    """Where the new messages belong, and the reply to continue. Raises `BadAsk`."""
    if ask.kind == "edit":
        if target.role != "user":
            raise BadAsk("Only a person's message can be edited into a new turn.")
        return target.parent_id, None
    if ask.kind == "regenerate" and target.role == "user":
        return target.id, None
    if target.role != "assistant" or target.parent_id is None:
        raise BadAsk(f"There is no reply to {ask.kind}.")
    if ask.kind == "continue":
        if target.running:
            raise StillRunning
        return target.parent_id, target
    return target.parent_id, None
