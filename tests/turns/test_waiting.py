"""Turns before a model with few slots: they wait fairly, know their place, and no slot is ever lost."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from backends.echo import Delay, EchoBackend, Step
from backends.errors import EngineFailed, Unavailable
from backends.types import Request
from tests.turns.conftest import Bench, MakeBench, until
from tests.turns.held import Gated, Held
from webchat.store.records import BegunTurn
from webchat.turns import Ask, Done, ServerBusy, Status, TooManyTurns, TurnEvent
from webchat.turns.errors import DiskFull, MemoryFull, TurnError
from webchat.turns.places import Most
from webchat.turns.titles.making import INSTRUCTION


def places(events: list[TurnEvent]) -> list[int]:
    return [event.place for event in events if isinstance(event, Status) and event.place is not None]


async def in_line(at: Bench, begun: BegunTurn, place: int, owner: str | None = None) -> Status:
    """Wait until a follower of this turn is told this place."""
    async for event in at.turns.follow(owner or at.owner, begun.reply.id):
        if isinstance(event, Status) and event.place == place:
            return event
    raise AssertionError(f"it was never at place {place}")


async def test_a_turn_is_told_its_place_and_moves_up(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        first, second, third = [await at.ask(text=text) for text in ("1", "2", "3")]
        following = asyncio.create_task(at.events(third.reply.id))
        status = await in_line(at, third, 2)
        assert (status.state, status.wait_seconds) == ("queued", None)
        backend.go["1"].set()
        assert (await at.end(first)).text == "begun 1"
        status = await in_line(at, third, 1)
        assert status.wait_seconds is not None, "one reply has ended, so there is something to guess from"
        backend.go["2"].set()
        await backend.writes("3")
        backend.go["3"].set()
        events = await following
        assert places(events)[-2:] == [2, 1]
        statuses = [event for event in events if isinstance(event, Status)]
        assert replace(statuses[-1], wait=None) == Status("streaming")
        assert isinstance(events[-1], Done)
        assert backend.order == ["1", "2", "3"]
        assert (await at.end(second)).state == "complete"


async def test_whoever_comes_to_follow_later_is_told_the_place_first(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        await at.ask(text="1")
        second = await at.ask(text="2")
        await in_line(at, second, 1)
        for _ in range(2):  # a refresh, and a second tab
            follower = at.turns.follow(at.owner, second.reply.id)
            event = await anext(follower)
            assert isinstance(event, Status)
            assert (event.state, event.place) == ("queued", 1)


async def test_the_wait_in_line_is_in_the_provenance(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        await at.ask(text="1")
        second = await at.ask(text="2")
        await in_line(at, second, 1)
        waited = asyncio.get_running_loop().time()
        await asyncio.sleep(0.2)
        waited = asyncio.get_running_loop().time() - waited
        backend.go["1"].set()
        backend.go["2"].set()
        await at.end(second)
        provenance = at.store.provenance(at.owner, second.reply.id)
        assert provenance.queued_seconds is not None
        assert provenance.first_token_seconds is not None
        assert waited <= provenance.queued_seconds <= provenance.first_token_seconds


async def test_a_turn_stopped_in_line_leaves_at_once_and_the_others_move_up(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        await at.ask(text="1")
        second, third = [await at.ask(text=text) for text in ("2", "3")]
        await in_line(at, third, 2)
        await at.turns.stop(at.owner, second.reply.id)
        reply = await at.end(second)
        assert (reply.state, reply.text) == ("stopped", "")
        await in_line(at, third, 1)
        for text in ("1", "3"):
            backend.go[text].set()
        assert (await at.end(third)).text == "begun 3"
        assert "2" not in backend.order


async def test_one_person_with_many_turns_does_not_keep_another_waiting(bench: MakeBench) -> None:
    backend = Held()
    async with bench(backend) as at:
        mine = [await at.ask(text=f"mine {number}") for number in range(5)]
        await in_line(at, mine[4], 4)
        other = at.store.create_owner("visitor", "Other").id
        theirs = await at.turns.start(other, Ask(kind="send", client_key="k", text="theirs"))
        await in_line(at, theirs, 1, other)
        await in_line(at, mine[1], 2)
        backend.go["mine 0"].set()
        await backend.writes("theirs")
        assert backend.order == ["mine 0", "theirs"]


@pytest.mark.parametrize("error", [Unavailable("gone"), EngineFailed("broken"), RuntimeError("a fault")])
async def test_a_failed_turn_gives_its_slot_back(bench: MakeBench, error: Exception) -> None:
    backend = Held()
    backend.errors["1"] = error
    async with bench(backend) as at:
        first, second = [await at.ask(text=text) for text in ("1", "2")]
        await in_line(at, second, 1)
        for text in ("1", "2"):
            backend.go[text].set()
        assert (await at.end(first)).state == "failed"
        assert (await at.end(second)).state == "complete"


async def test_a_stream_that_hangs_in_closing_does_not_keep_its_slot(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.turns.generating.pipeline.CLOSE_SECONDS", 0.1)

    backend = Held()
    backend.hangs.add("1")
    async with bench(backend) as at:
        first, second = [await at.ask(text=text) for text in ("1", "2")]
        await in_line(at, second, 1)
        await at.turns.stop(at.owner, first.reply.id)
        assert (await at.end(first)).state == "stopped"
        backend.go["2"].set()
        assert (await at.end(second)).state == "complete"


async def test_turns_in_line_count_for_the_limits(bench: MakeBench) -> None:
    async with bench(Held(), most=Most(owner=2, all=3)) as at:
        begun = [await at.ask(text=text) for text in ("1", "2")]
        await in_line(at, begun[1], 1)
        with pytest.raises(TooManyTurns) as refused:
            await at.ask(text="3")
        assert refused.value.params == {"limit": 2}
        others = [at.store.create_owner("visitor", name).id for name in ("Ann", "Bob")]
        await at.turns.start(others[0], Ask(kind="send", client_key="k", text="theirs"))
        with pytest.raises(ServerBusy):
            await at.turns.start(others[1], Ask(kind="send", client_key="k", text="theirs"))
        await at.turns.stop(at.owner, begun[1].reply.id)
        await at.end(begun[1])
        assert (await at.ask(text="4")).created


@pytest.mark.parametrize("refusal", [DiskFull, MemoryFull])
async def test_on_a_full_machine_new_turns_stop_and_running_ones_end(
    bench: MakeBench, refusal: type[TurnError]
) -> None:
    backend, full = Held(), False
    async with bench(backend, full=lambda: refusal() if full else None) as at:
        begun = await at.ask(text="1", client_key="first")
        full = True
        with pytest.raises(refusal):
            await at.ask(text="2")
        assert not (await at.ask(text="1", client_key="first")).created  # asked again, it is the same one
        backend.go["1"].set()
        assert (await at.end(begun)).state == "complete"
        full = False
        assert (await at.ask(text="3")).created


async def test_the_end_of_the_server_interrupts_those_in_line(bench: MakeBench) -> None:
    async with bench(Held()) as at:
        begun = [await at.ask(text=text) for text in ("1", "2")]
        await in_line(at, begun[1], 1)
    assert at.store.message(at.owner, begun[1].reply.id).state == "interrupted"


async def test_a_title_goes_where_the_engine_is_wanted_by_another_model(bench: MakeBench) -> None:
    """Two models of one engine share its slots: a title of one gives way to a turn of the other."""

    def script(request: Request) -> list[Step]:
        return [Delay(60)] if request.messages[-1].text.startswith(INSTRUCTION) else ["Fine."]

    base, tuned = (EchoBackend(model, script=script) for model in ("base", "tuned"))
    for backend in (base, tuned):
        backend.capabilities = replace(backend.capabilities, slots=1, engine="shared")
    async with bench(base, tuned, titles=True) as at:
        await at.say("Hello", model="base")
        await until(lambda: len(base.requests) == 2)
        assert base.live == 1
        assert (await at.say("Hello", model="tuned")).text == "Fine."
        await until(lambda: len(tuned.requests) == 2)
        assert base.live == 0
        assert tuned.live == 1


async def test_no_title_is_asked_for_while_somebody_waits(bench: MakeBench) -> None:
    held = Held()
    other = Gated(model="other", script=["Fine."])
    for backend in (held, other):
        backend.capabilities = replace(backend.capabilities, slots=2, engine="shared")
    async with bench(held, other, titles=True) as at:
        stays = await at.ask(text="stays", model="echo")
        await held.writes("stays")
        begun = await at.ask(text="Hello", model="other")
        # Waits in line while "Hello" has the last slot, and takes it when that ends.
        more = await at.ask(text="more", model="echo")
        await in_line(at, more, 1)
        other.open.set()
        assert (await at.end(begun)).state == "complete"
        await held.writes("more")
        titles = at.turns._titles
        assert titles is not None
        await until(lambda: begun.reply.id not in at.turns._turns and not titles._tasks)
        assert titles._tries == {begun.conversation.id: 0}, "it was considered"
        assert len(other.requests) == 1, "both slots are wanted: no title"
        for text, turn in (("stays", stays), ("more", more)):
            held.go[text].set()
            await at.end(turn)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_people_do_every_turn_ends_and_every_slot_comes_back(
    bench: MakeBench, seed: int
) -> None:
    """Several people send, stop, fail and regenerate in random order before two slots."""
    chance = random.Random(seed)

    def script(request: Request) -> list[Step]:
        text = request.messages[-1].text
        end: list[Step] = [Unavailable("gone")] if "fail" in text else [text]
        return ["a ", Delay(chance.uniform(0, 0.02)), *end]

    backend = EchoBackend(slots=2, script=script)
    async with bench(backend, names=False) as at:
        owners = [at.store.create_owner("visitor", name).id for name in "abc"]
        begun: list[tuple[str, str, str]] = []
        for number in range(40):
            owner = chance.choice(owners)
            mine = [one for one in begun if one[0] == owner]
            if mine and chance.random() < 0.3:
                await at.turns.stop(owner, chance.choice(mine)[1])
                continue
            text = f"{'fail' if chance.random() < 0.2 else 'say'} {number}"
            turn = await at.turns.start(owner, Ask(kind="send", client_key=str(number), text=text))
            begun.append((owner, turn.reply.id, text))
        for owner, reply_id, text in begun:
            events = [event async for event in at.turns.follow(owner, reply_id)]
            assert isinstance(events[-1], Done)
            message = events[-1].message
            assert message.state in ("complete", "stopped", "failed")
            whole = f"a {text}" if "fail" not in text else "a "
            assert whole.startswith(message.text)
            if message.state == "complete":
                assert message.text == whole
        assert backend.live == 0
        assert at.turns._pipeline._queue.idle()
