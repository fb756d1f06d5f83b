"""Asking again with the same key is the same turn, before anything else; what was refused used nothing up;
and what was taken is finished or marked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.echo import EchoBackend
from tests.turns.conftest import Bench, MakeBench, until
from tests.turns.held import Held
from webchat.moderation import Blocked, Context, Moderation, OpenGates, Verdict
from webchat.moderation.kinds.limits import Limits
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.store import NotFound, Store, StoreUnavailable
from webchat.store.records import BegunTurn
from webchat.turns import (
    KeyTaken,
    MessageBlocked,
    NotAccepting,
    StillRunning,
    TooManyTurns,
    UnknownModel,
)
from webchat.turns.places import Most


class Refusing:
    """The real store, some of whose calls fail while `refuses`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refuses = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._store.call(verb, *args, **kwargs)


class Reviewed(OpenGates):
    """Counts reviews; each waits until the test lets it go, and refuses `bad`."""

    def __init__(self) -> None:
        self.reviews: list[str] = []
        self.go = asyncio.Event()

    async def review(self, context: Context, text: str) -> str:
        self.reviews.append(text)
        await self.go.wait()
        if text == "bad":
            raise Blocked(Verdict("rule", "No."))
        return text


def same(one: BegunTurn, other: BegunTurn) -> bool:
    return (one.conversation.id, one.user and one.user.id, one.reply.id) == (
        other.conversation.id,
        other.user and other.user.id,
        other.reply.id,
    )


async def test_a_repeated_ask_is_not_reviewed_counted_or_refused(bench: MakeBench) -> None:
    backend = Held()
    gates = Moderation([Limits(most_a_minute=1)])
    async with bench(backend, gates=gates, most=Most(owner=1, all=1)) as at:
        begun = await at.ask(text="1", client_key="k")
        for _ in range(3):  # while it runs, as a page does that does not know the conversation
            again = await at.ask(text="1", client_key="k")
            assert same(again, begun)
            assert not again.created
        backend.go["1"].set()
        reply = await at.end(begun)
        again = await at.ask(text="1", client_key="k")  # and long after
        assert again.reply == reply
        assert len(at.store.list_conversations(at.owner).items) == 1
        assert backend.order == ["1"]


@pytest.mark.parametrize("kind", ["send", "edit", "regenerate", "continue"])
async def test_every_kind_of_ask_is_one_turn_for_one_key(bench: MakeBench, kind: str) -> None:
    async with bench() as at:
        first = await at.say("hello")
        asks: dict[str, dict[str, Any]] = {
            "send": {"conversation_id": first.conversation_id, "parent_id": first.id, "text": "more"},
            "edit": {"message_id": first.parent_id, "text": "other"},
            "regenerate": {"message_id": first.id},
            "continue": {"message_id": first.id},
        }
        fields = asks[kind]
        begun = await at.ask(kind, client_key="k", **fields)
        await at.end(begun)
        again = await at.ask(kind, client_key="k", **fields)
        assert same(again, begun)
        assert not again.created
        exported = at.store.export_conversation(at.owner, first.conversation_id)
        assert len(exported.messages) == (4 if kind in ("send", "edit") else 3)


async def test_asks_at_the_same_moment_are_reviewed_once_and_share_the_outcome(bench: MakeBench) -> None:
    gates = Reviewed()
    async with bench(gates=gates, most=Most(owner=1)) as at:
        asking = [asyncio.create_task(at.ask(text="hello", client_key="k")) for _ in range(5)]
        await until(lambda: bool(gates.reviews))
        gates.go.set()
        begun = await asyncio.gather(*asking)
        assert sum(one.created for one in begun) == 1
        assert all(same(one, begun[0]) for one in begun)
        assert gates.reviews == ["hello"]
        refused = await asyncio.gather(
            *(at.ask(text="bad", client_key="l") for _ in range(5)), return_exceptions=True
        )
        assert {type(one) for one in refused} <= {MessageBlocked, TooManyTurns}
        await until(lambda: not at.turns.running(at.owner))
        refused = await asyncio.gather(
            *(at.ask(text="bad", client_key="m") for _ in range(5)), return_exceptions=True
        )
        assert {type(one) for one in refused} == {MessageBlocked}
        assert gates.reviews.count("bad") <= 2


async def test_other_words_with_a_key_that_was_used_are_refused_and_lead_to_the_first(
    bench: MakeBench,
) -> None:
    gates = Reviewed()
    async with bench(gates=gates) as at:
        first = asyncio.create_task(at.ask(text="hello", client_key="k"))
        await until(lambda: bool(gates.reviews))
        other = asyncio.create_task(at.ask(text="other", client_key="k"))
        await asyncio.sleep(0)
        gates.go.set()
        begun = await first
        with pytest.raises(KeyTaken) as refused:
            await other
        assert refused.value.params["message_id"] == begun.reply.id
        await at.end(begun)
        with pytest.raises(KeyTaken):
            await at.ask("regenerate", message_id=begun.reply.id, client_key="k")
        # The key of another person is another key.
        stranger = at.store.create_owner("visitor", "Eve").id
        theirs = Bench(at.turns, at.store, at.models, stranger)
        assert (await theirs.ask(text="other", client_key="k")).created


async def test_the_same_words_with_a_key_are_one_message_wherever_they_stand(bench: MakeBench) -> None:
    """Its answer was lost, its writer took it back, and sends it under the reply that has come meanwhile."""
    async with bench() as at:
        begun = await at.ask(text="hello", client_key="k")
        await at.end(begun)
        place = {"conversation_id": begun.conversation.id, "parent_id": begun.reply.id}
        again = await at.ask(text="hello", client_key="k", **place)
        assert begun.user is not None
        edited = await at.ask("edit", text="hello", message_id=begun.user.id, client_key="k")
        assert (again.reply.id, edited.reply.id) == (begun.reply.id, begun.reply.id)
        assert not again.created
        assert not edited.created


async def test_a_refused_key_is_free_for_other_words(bench: MakeBench) -> None:
    gates = Reviewed()
    async with bench(gates=gates) as at:
        bad = asyncio.create_task(at.ask(text="bad", client_key="k"))
        await until(lambda: bool(gates.reviews))
        good = asyncio.create_task(at.ask(text="good", client_key="k"))
        await asyncio.sleep(0)
        gates.go.set()
        with pytest.raises(MessageBlocked):
            await bad
        assert (await good).created


async def test_what_was_deleted_is_not_begun_again(bench: MakeBench) -> None:
    async with bench() as at:
        begun = await at.ask(text="hello", client_key="k")
        await at.end(begun)
        at.store.delete_conversation(at.owner, begun.conversation.id)
        with pytest.raises(NotFound):
            await at.ask(text="hello", client_key="k")


async def test_what_was_refused_has_used_up_no_rate(bench: MakeBench, store: Store) -> None:
    class Cut(Refusing):
        async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
            if verb == self._store.begin_turn and self.refuses:
                raise StoreUnavailable("The disk is full.")
            return await super().call(verb, *args, **kwargs)

    cut = Cut(store)
    held = Held()
    gates = Moderation([Limits(most_a_minute=2), Phrases("censor", {"bad": Rule("censor", "block")})])
    async with bench(held, store=cut, gates=gates) as at:
        begun = await at.ask(text="1")  # the first of two
        place = {"conversation_id": begun.conversation.id, "parent_id": begun.reply.id}
        refusals: list[tuple[type[Exception], dict[str, Any]]] = [
            (MessageBlocked, {"text": "bad"}),
            (UnknownModel, {"text": "x", "model": "nobody"}),
            (StillRunning, {"text": "x", **place}),
            (NotFound, {"text": "x", "conversation_id": "none"}),
        ]
        for error, fields in refusals:
            with pytest.raises(error):
                await at.ask(**fields)
        cut.refuses = True
        with pytest.raises(StoreUnavailable):
            await at.ask(text="x")
        cut.refuses = False
        await at.ask(text="2")  # the second
        with pytest.raises(MessageBlocked):
            await at.ask(text="3")


class Deaf(Refusing):
    """Begins turns and does not say so, for so many times."""

    lost = 0

    async def call(self, verb: Any, *args: Any, **kwargs: Any) -> Any:
        done = await super().call(verb, *args, **kwargs)
        if self.lost and verb == self._store.begin_turn:
            self.lost -= 1
            raise StoreUnavailable("The line is dead.")
        return done


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_turn_is_run_though_the_store_did_not_say_that_it_was_begun(
    bench: MakeBench, store: Store, lost: int
) -> None:
    deaf = Deaf(store)
    async with bench(store=deaf) as at:
        deaf.lost = lost
        begun = await at.ask(text="hello")
        assert begun.created
        assert (await at.end(begun)).text == "hello"
        assert len(store.list_conversations(at.owner).items) == 1


async def test_a_turn_that_was_begun_though_it_was_refused_runs_once_the_store_says_so(
    bench: MakeBench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.asking.RETRY_SECONDS", (0.01,) * 6)
    deaf = Deaf(store)
    async with bench(store=deaf) as at:
        deaf.lost = 4  # every try is lost
        with pytest.raises(StoreUnavailable):
            await at.ask(text="hello", client_key="k")
        # Nobody asks again, and yet nothing is left behind: it was stored, so it is answered.
        await until(lambda: complete(at))
        again = await at.ask(text="hello", client_key="k")
        assert (again.reply.text, again.created) == ("hello", False)


def complete(at: Bench) -> bool:
    found = at.store.turn_by_key(at.owner, "k")
    return found is not None and found.reply.state == "complete"


GRACES: list[tuple[float, str]] = [(60.0, "complete"), (0.0, "interrupted")]


@pytest.mark.parametrize(("grace", "state"), GRACES)
async def test_an_ask_in_review_when_the_server_ends_is_finished_or_marked(
    bench: MakeBench, grace: float, state: str
) -> None:
    gates = Reviewed()
    async with bench(gates=gates) as at:
        asking = asyncio.create_task(at.ask(text="hello"))
        await until(lambda: bool(gates.reviews))
        closing = asyncio.create_task(at.turns.aclose(grace))
        await until(lambda: not at.turns.accepting)
        if not grace:
            await until(lambda: at.turns._ending)
        with pytest.raises(NotAccepting):
            await at.ask(text="late")
        gates.go.set()
        begun = await asking
        await closing
        stored = at.store.message(at.owner, begun.reply.id)
        assert stored.state == state
        assert stored.text == ("hello" if state == "complete" else "")


async def test_an_ask_whose_review_outlasts_the_server_is_refused_and_nothing_is_stored(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.service.END_SECONDS", 0.05)
    gates = Reviewed()
    async with bench(gates=gates) as at:
        asking = [asyncio.create_task(at.ask(text="hello", client_key="k")) for _ in range(2)]
        await until(lambda: bool(gates.reviews))
        await at.turns.aclose()
        for one in asking:
            with pytest.raises(NotAccepting):
                await one
        assert at.store.list_conversations(at.owner).items == ()


async def test_nothing_is_kept_of_people_and_conversations_at_rest(bench: MakeBench) -> None:
    async with bench(EchoBackend(script=["Harbour talk"]), titles=True) as at:
        titles = at.turns._titles
        assert titles is not None
        for n in range(3):
            owner = at.store.create_owner("visitor", f"p{n}").id
            await Bench(at.turns, at.store, at.models, owner).say("Hello")
            await at.at_rest()
        for kept in (at.turns._asking._beginning, at.turns._asking._first, titles._tries):
            assert not kept


async def test_titles_that_fail_are_remembered_of_the_newest_conversations_only(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.titles.making.KEPT_TRIES", 2)
    # A model that only repeats what it was told makes no title.
    async with bench(EchoBackend(script=["A title"]), titles=True) as at:
        titles = at.turns._titles
        assert titles is not None
        for _ in range(4):
            await at.say("Hello")
            await at.at_rest()
        assert len(titles._tries) == 2
