"""Two replies side by side: at one pace, ended at once, whichever models meet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.echo import EchoBackend
from tests.turns.conftest import MakeBench, until
from tests.turns.held import Held
from tests.turns.virtual_time import virtual_time
from webchat.store.judgement_records import PairVotes
from webchat.store.records import BegunTurn, Compared, Conversation, ConversationSettings, Message
from webchat.turns import Against, Delta, Done, Party, TooManyTurns
from webchat.turns.comparing.blind import blinded
from webchat.turns.comparing.pacing import Pair
from webchat.turns.comparing.pairing import candidates, doubt, next_pair
from webchat.turns.places import Most
from webchat.turns.turn import RunningTurn

AT = datetime(2026, 1, 1, tzinfo=UTC)
CHAT = Conversation("c", "o", "", "auto", False, False, AT, AT, None, None, settings=ConversationSettings())


def _message(id: str) -> Message:
    compared = Compared("x", True)
    return Message(id, "c", "u", "assistant", None, "", "", "complete", AT, compared=compared)


def _turn(id: str) -> RunningTurn:
    return RunningTurn(Party("o"), "key", BegunTurn(CHAT, None, _message(id), True), "model", None)


def _write(turn: RunningTurn, text: str, kind: str = "text") -> None:
    turn.publish([Delta(turn.id, len(turn.entries) + 1, kind, text)])  # type: ignore[arg-type]


def _shown(pair: Pair) -> list[str]:
    return ["".join(entry.text for entry in side.entries) for side in pair.sides]


def _paired(wait: float = 60.0) -> tuple[Pair, RunningTurn, RunningTurn, list[Pair]]:
    ended: list[Pair] = []
    left, right = _turn("left"), _turn("right")
    return Pair(left, right, wait_seconds=wait, ended=ended.append), left, right, ended


STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(["text", "reasoning", "moved", "end"]), st.text(max_size=5)),
    max_size=30,
)


@given(STEPS)
def test_no_side_is_ahead_of_a_running_one_and_nothing_is_lost(steps: list[tuple[bool, str, str]]) -> None:
    async def run() -> None:
        pair, left, right, ended = _paired()
        for first, kind, text in steps:
            turn = left if first else right
            if turn.message is not None:
                continue
            if kind == "end":
                turn.done(_message(turn.id))
            else:
                _write(turn, "" if kind == "moved" else text, kind)
            shown = [len(one) for one in _shown(pair)]
            stored = [sum(len(entry.text) for entry in one.entries) for one in (left, right)]
            for at, other in ((0, right), (1, left)):
                most = stored[at] if other.message is not None else min(stored)
                assert shown[at] == most
            assert all(side.message is None for side in pair.sides) or pair.ended
        for turn in (left, right):
            if turn.message is None:
                turn.done(_message(turn.id))
        assert ended == [pair]
        for side, turn in zip(pair.sides, (left, right), strict=True):
            kinds = [
                (entry.kind, "") if not entry.text else (entry.kind, entry.text) for entry in side.entries
            ]
            whole = "".join(text for _, text in kinds)
            assert whole == "".join(entry.text for entry in turn.entries)
            assert [entry.seq for entry in side.entries] == list(range(1, len(side.entries) + 1))
            assert side.message is not None
            assert side.message.compared == Compared("x", False)

    asyncio.run(run())


@virtual_time
async def test_words_wait_no_longer_than_the_setting_says() -> None:
    pair, left, right, _ = _paired(wait=10)
    _write(left, "Quick words")
    await asyncio.sleep(9.9)
    assert _shown(pair) == ["", ""]
    await asyncio.sleep(0.2)
    assert _shown(pair) == ["Quick words", ""]
    _write(right, "Slow")
    _write(left, " and more")
    assert _shown(pair) == ["Quick words", "Slow"]


def test_without_a_wait_nothing_is_held() -> None:
    async def run() -> None:
        pair, left, *_ = _paired(wait=0)
        _write(left, "Quick words")
        assert _shown(pair) == ["Quick words", ""]

    asyncio.run(run())


def _first(pairs: list[tuple[str, str]]) -> tuple[str, str]:
    return pairs[0]


def test_the_pair_that_was_voted_on_least_is_next_and_ties_are_drawn() -> None:
    models = ("a", "b", "c")
    offered: list[list[tuple[str, str]]] = []

    def drawn(pairs: list[tuple[str, str]]) -> tuple[str, str]:
        offered.append(pairs)
        return pairs[-1]

    assert next_pair(models, (), drawn) == ("b", "c")
    assert offered == [list(combinations(models, 2))]
    votes = [PairVotes(("a", "b"), (1, 1)), PairVotes(("a", "c"), (0, 1))]
    assert next_pair(models, votes, _first) == ("b", "c")
    assert next_pair(models, [*votes, PairVotes(("b", "c"), open=3)], _first) == ("a", "c")


def test_a_pair_is_looked_for_among_so_many_models_however_many_there_are() -> None:
    models = [f"m{number}" for number in range(400)]
    asked: list[int] = []

    def choose(pairs: list[tuple[str, str]]) -> tuple[str, str]:
        asked.append(len(pairs))
        return pairs[0]

    next_pair(candidates(models, Random(1).sample), (), choose)
    assert asked == [50 * 49 // 2]
    assert set(candidates(models[:3], Random(1).sample)) == set(models[:3])


def test_a_close_race_is_less_certain_than_a_clear_one() -> None:
    assert doubt(PairVotes(("a", "b"), (10, 10))) > doubt(PairVotes(("a", "b"), (19, 1)))
    assert doubt(PairVotes(("a", "b"), ties=20)) == doubt(PairVotes(("a", "b"), (10, 10)))


@settings(deadline=None)
@given(st.integers(2, 5), st.data())
def test_every_pair_gets_its_votes(count: int, data: st.DataObject) -> None:
    """Whoever wins, no pair is forgotten."""
    models = [f"m{number}" for number in range(count)]
    votes: dict[tuple[str, str], PairVotes] = {}
    choose: Callable[[list[tuple[str, str]]], tuple[str, str]] = _first
    for _ in range(8 * count * (count - 1) // 2):
        pair = next_pair(models, votes.values(), choose)
        known = votes.get(pair, PairVotes(pair))
        first, second = known.wins
        wins = (first + 1, second) if data.draw(st.booleans()) else (first, second + 1)
        votes[pair] = PairVotes(pair, wins)
    assert len(votes) == count * (count - 1) // 2
    assert min(sum(one.wins) for one in votes.values()) >= 2


async def test_it_needs_two_places_and_is_refused_whole(bench: MakeBench) -> None:
    async with bench(EchoBackend(), EchoBackend("other"), most=Most(owner=1)) as at:
        with pytest.raises(TooManyTurns):
            await at.ask(text="Which?", against=Against("other"))
        assert at.store.conversation_ids(at.owner) == []
        await at.say("One alone")


async def test_both_sides_survive_the_end_of_the_server(bench: MakeBench) -> None:
    async with bench(Held(), EchoBackend("other")) as at:
        begun = await at.ask(text="Which?", against=Against("other"))
        assert begun.sides is not None
        ids = [side.reply.id for side in begun.sides]
        slow = next(side.reply.id for side in begun.sides if side.model == "echo")
        await until(lambda: at.store.message(at.owner, slow).text == "begun ")
        assert at.turns.running(at.owner) == tuple(ids)
    async with bench(EchoBackend(), EchoBackend("other")) as at:
        for id in ids:
            (done,) = await at.events(id)
            assert isinstance(done, Done)
            shown = blinded(done.message)
            assert shown.text == ("begun " if id == slow else "Which?")
            assert shown.state == ("failed" if id == slow else "complete")
            assert shown.model is None
