"""The line before a busy model: people take turns and know their place, and every slot comes back. Time is
virtual here, so waits are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.errors import Unavailable
from tests.turns.virtual_time import virtual_time
from webchat.turns.waiting.queue import KEPT_LANES, LEFT, PACE_SECONDS, REFRESH_SECONDS, Queue

SOON = 2 * PACE_SECONDS
"""Virtual seconds after which everybody has been told."""


@dataclass(eq=False)
class Person:
    """Somebody at the queue: enters when made, writes for `length` virtual seconds, or until told to end."""

    queue: Queue
    name: str
    slots: int | None = 1
    length: float | None = None
    told: list[tuple[float, int, float | None]] = field(default_factory=list)
    inside: asyncio.Event = field(default_factory=asyncio.Event)
    entered: float = -1.0
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False
    background: bool = False

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._go())

    @property
    def places(self) -> list[int]:
        return [place for _, place, _ in self.told]

    @property
    def place(self) -> int:
        return self.places[-1]

    @property
    def wait(self) -> float | None:
        return self.told[-1][2]

    def _told(self, place: int, wait: float | None) -> None:
        assert not self.inside.is_set(), "nobody inside stands in line"
        self.told.append((asyncio.get_running_loop().time(), place, wait))

    async def _go(self) -> None:
        enter = self.queue.background if self.background else self.queue.slot
        async with enter("engine", self.slots, self.name, self._told):
            self.entered = asyncio.get_running_loop().time()
            self.inside.set()
            if self.length is None:
                await self.leave.wait()
            else:
                await asyncio.sleep(self.length)
            if self.fails:
                raise Unavailable("gone")

    async def end(self) -> None:
        self.leave.set()
        with suppress(Unavailable, asyncio.CancelledError):
            await self.task

    async def give_up(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def is_inside(people: Sequence[Person]) -> list[bool]:
    return [person.inside.is_set() for person in people]


async def served(people: Sequence[Person]) -> list[str]:
    """End everybody as they come in; returns their names in that order."""
    order: list[str] = []
    left = list(people)
    while left:
        await asyncio.sleep(SOON)
        inside = [person for person in left if person.inside.is_set()]
        assert inside, "nobody is let in and nobody writes"
        order.append(inside[0].name)
        await inside[0].end()
        left.remove(inside[0])
    return order


@virtual_time
async def test_a_person_with_ten_tabs_waits_like_a_person_with_one() -> None:
    queue = Queue()
    people = [Person(queue, "ten tabs") for _ in range(10)]
    await asyncio.sleep(SOON)
    people += [Person(queue, "one"), Person(queue, "another")]
    await asyncio.sleep(SOON)
    assert [person.place for person in people[10:]] == [1, 2]
    assert [person.place for person in people[1:10]] == list(range(3, 12))
    assert await served(people) == ["ten tabs", "one", "another", *["ten tabs"] * 9]


@virtual_time
async def test_whoever_asks_again_at_once_does_not_pass_those_who_wait() -> None:
    queue = Queue()
    a, b, c = (Person(queue, name) for name in "abc")
    await asyncio.sleep(SOON)
    await a.end()
    again = Person(queue, "a")
    assert await served([b, c, again]) == ["b", "c", "a"]


@virtual_time
async def test_leaving_the_line_lets_the_others_move_up_and_they_are_told() -> None:
    queue = Queue()
    people = [Person(queue, name) for name in "abcd"]
    await asyncio.sleep(SOON)
    assert [person.places for person in people] == [[], [1], [2], [3]]
    await people[1].give_up()
    await asyncio.sleep(SOON)
    assert [person.places for person in people] == [[], [1], [2, 1], [3, 2]]
    assert await served([people[0], *people[2:]]) == ["a", "c", "d"]


@virtual_time
async def test_the_wait_is_guessed_from_how_long_replies_took_and_goes_down() -> None:
    queue = Queue()
    first, second, third = (Person(queue, name) for name in "abc")
    await asyncio.sleep(20)
    assert [(person.place, person.wait) for person in (second, third)] == [(1, None), (2, None)]
    await first.end()
    await asyncio.sleep(SOON)
    assert third.place == 1
    assert third.wait == pytest.approx(20, abs=SOON)
    fourth = Person(queue, "d")
    await asyncio.sleep(SOON)
    assert fourth.place == 2
    assert fourth.wait == pytest.approx(40, abs=2 * SOON)
    await asyncio.sleep(14)
    told = [wait for _, place, wait in third.told if place == 1 and wait is not None]
    assert told == sorted(told, reverse=True)
    assert told[-1] == pytest.approx(10, abs=2)
    await served([second, third, fourth])


@virtual_time
async def test_a_reply_longer_than_usual_makes_the_guesses_longer() -> None:
    queue = Queue()
    await Person(queue, "a", length=20).task
    slow, waits, last = Person(queue, "a"), Person(queue, "b"), Person(queue, "c")
    await asyncio.sleep(19)
    assert waits.wait == pytest.approx(5)
    assert last.wait == pytest.approx(25)
    await asyncio.sleep(81)
    assert waits.wait == pytest.approx(25, abs=2), "a quarter of what it has run"
    assert waits.wait is not None
    assert last.wait is not None
    assert last.wait > waits.wait + 40, "and who comes after it may be long too"
    await served([slow, waits, last])


@pytest.mark.parametrize(
    ("lengths", "usual"),
    [([2], 2), ([2, 10], 6), ([2, 10, 18], 10), ([2, 10, 18, 20], 13), ([60, 60, 60] + [10] * 12, 10)],
)
def test_the_guess_follows_the_newest_replies(lengths: list[float], usual: float) -> None:
    @virtual_time
    async def guess() -> None:
        queue = Queue()
        for length in lengths:
            await Person(queue, "a", length=length).task
        inside, waits = Person(queue, "a"), Person(queue, "b")
        await asyncio.sleep(SOON)
        assert waits.wait == pytest.approx(usual, abs=1)
        await served([inside, waits])

    guess()


@virtual_time
async def test_who_was_stopped_before_writing_does_not_count_as_a_short_reply() -> None:
    queue = Queue()
    async with queue.slot("engine", 1, "a", lambda *_: None):
        in_line = Person(queue, "b")
        await asyncio.sleep(20)
    # The slot is theirs since just now, and they have not come to run since.
    assert not in_line.inside.is_set()
    await in_line.give_up()
    assert not in_line.inside.is_set()
    writing, waits = Person(queue, "a"), Person(queue, "b")
    await asyncio.sleep(SOON)
    assert waits.wait == pytest.approx(20, abs=SOON)
    await served([writing, waits])


@virtual_time
async def test_those_whose_place_stays_are_told_only_now_and_then() -> None:
    queue = Queue()
    await Person(queue, "a", length=60).task
    inside, waits = Person(queue, "a"), Person(queue, "b")
    others: list[Person] = []
    for _ in range(40):
        await asyncio.sleep(1)
        others.append(Person(queue, "z"))  # the line is busy behind
        await asyncio.sleep(0)
    assert set(waits.places) == {1}
    assert 40 / REFRESH_SECONDS / 2 <= len(waits.told) <= 40 / REFRESH_SECONDS + 2
    await served([inside, waits, *others])


@virtual_time
async def test_many_short_replies_do_not_wake_the_whole_line_each() -> None:
    queue = Queue()
    people = [Person(queue, f"{number}", length=0.01) for number in range(200)]
    await asyncio.gather(*(person.task for person in people))
    assert len(people[-1].told) <= 2 / PACE_SECONDS + 2
    assert queue.idle()


@virtual_time
async def test_more_slots_let_more_people_in_at_once() -> None:
    queue = Queue()
    people = [Person(queue, name) for name in "abc"]
    await asyncio.sleep(SOON)
    assert is_inside(people) == [True, False, False]
    people.append(Person(queue, "d", slots=3))
    await asyncio.sleep(SOON)
    assert is_inside(people) == [True, True, True, False]
    await served(people)


@virtual_time
async def test_with_fewer_slots_nobody_is_let_in_before_enough_have_ended() -> None:
    queue = Queue()
    people = [Person(queue, name, slots=3) for name in "abc"]
    await asyncio.sleep(SOON)
    people.append(Person(queue, "d", slots=1))
    await people[0].end()
    await people[1].end()
    await asyncio.sleep(SOON)
    assert is_inside(people) == [True, True, True, False]
    await people[2].end()
    await asyncio.wait_for(people[3].inside.wait(), 1)
    await people[3].end()


@virtual_time
async def test_with_fewer_slots_the_wait_lasts_until_enough_have_ended() -> None:
    queue = Queue()
    await Person(queue, "a", slots=3, length=20).task
    for name in "abc":
        inside = Person(queue, name, slots=3, length=20)
        await asyncio.sleep(4)
    waits = Person(queue, "d", slots=1, length=20)
    await asyncio.sleep(SOON)
    assert waits.wait is not None
    assert waits.told[0][0] + waits.wait == pytest.approx(inside.entered + 20)
    await waits.task
    assert waits.entered == pytest.approx(inside.entered + 20)


@virtual_time
async def test_without_a_number_of_slots_nobody_waits() -> None:
    queue = Queue()
    people = [Person(queue, "a", slots=None) for _ in range(50)]
    await asyncio.sleep(0)
    assert all(is_inside(people))
    await asyncio.gather(*(person.end() for person in people))


@virtual_time
async def test_engines_have_lines_of_their_own() -> None:
    queue = Queue()
    inside = Person(queue, "a")
    await asyncio.sleep(0)
    async with queue.slot("another engine", 1, "a", lambda *_: pytest.fail("waits")):
        pass
    await inside.end()


@virtual_time
async def test_work_that_can_wait_gets_a_slot_nobody_wants_and_goes_when_somebody_does() -> None:
    queue = Queue()
    asked = asyncio.Event()
    async with queue.spare("engine", 2, asked.set) as free:
        assert free
        one = Person(queue, "a", slots=2)
        await asyncio.sleep(SOON)
        assert one.inside.is_set()
        assert not asked.is_set(), "a slot is free still"
        two = Person(queue, "b", slots=2)
        await asyncio.sleep(SOON)
        assert asked.is_set()
        assert two.place == 1
    await asyncio.wait_for(two.inside.wait(), 1)
    async with queue.spare("engine", 2, lambda: None) as free:
        assert not free, "all slots are taken"
    await served([one, two])
    async with queue.spare("engine", 2, lambda: None) as free:
        assert free
    assert queue.idle()


VISITS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(VISITS, st.integers(1, 4))
def test_where_replies_take_the_same_time_what_was_told_comes_true(
    visits: list[tuple[str, int]], slots: int
) -> None:
    virtual_time(_what_was_told_comes_true)(visits, slots)


async def _what_was_told_comes_true(visits: list[tuple[str, int]], slots: int) -> None:
    """Once nobody comes any more, a place is how many come in until then, and a wait is how long it takes."""
    queue = Queue()
    length = 40.0
    await Person(queue, "a", slots=slots, length=length).task
    people = []
    for number, (name, pause) in enumerate(visits):
        # No two at the same moment, nor whole seconds apart: else two replies end at once, in any order.
        await asyncio.sleep(pause + 0.013 * (number + 1))
        people.append(Person(queue, name, slots=slots, length=length))
    await asyncio.sleep(SOON)
    last = asyncio.get_running_loop().time()
    waiting = sorted((p for p in people if not p.inside.is_set()), key=lambda p: p.place)
    assert [person.place for person in waiting] == list(range(1, len(waiting) + 1))
    await asyncio.gather(*(person.task for person in people))
    entries = [person.entered for person in waiting]
    assert entries == sorted(entries), "they come in as they were told"
    for person in waiting:
        told_since = [place for at, place, _ in person.told if at > last - SOON]
        assert told_since == sorted(told_since, reverse=True), "nobody falls back"
        for at, _, wait in person.told:
            if at > last - SOON and wait is not None:
                # A reply in its last quarter is taken to need a quarter, so a guess may be long, never short.
                assert -0.01 < at + wait - person.entered < LEFT * length + 0.01
    assert queue.idle()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "end", "end", "fail", "leave", "time", "slots", "title"]),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.integers(1, 3))
def test_whatever_happens_slots_come_back_and_places_are_true(
    events: list[tuple[str, int]], slots: int
) -> None:
    virtual_time(_whatever_happens)(events, slots)


async def _title(queue: Queue, slots: int) -> None:
    """Work that can wait, from half a minute to the moment it is asked to go."""
    go = asyncio.Event()
    async with queue.spare("engine", slots, go.set) as free:
        if free:
            with suppress(TimeoutError):
                await asyncio.wait_for(go.wait(), 30)


async def _whatever_happens(events: list[tuple[str, int]], slots: int) -> None:
    queue = Queue()
    people: list[Person] = []
    titles: list[asyncio.Task[None]] = []
    capacity = slots  # what the lane was told last
    for event, number in events:
        waiting = [person for person in people if not person.inside.is_set()]
        inside = [person for person in people if person.inside.is_set()]
        next_one = next((person for person in waiting if person.place == 1), None)
        if event == "come":
            people.append(Person(queue, "abcd"[number % 4], slots))
            capacity = slots
        elif event == "slots":
            slots = 1 + number % 3
        elif event == "time":
            await asyncio.sleep(number)
        elif event == "title":
            titles.append(asyncio.create_task(_title(queue, slots)))
            capacity = slots
        elif event == "leave" and waiting:
            gone = waiting[number % len(waiting)]
            await gone.give_up()
            people.remove(gone)
        elif event in ("end", "fail") and inside:
            ended = inside[number % len(inside)]
            ended.fails = event == "fail"
            await ended.end()
            people.remove(ended)
            await asyncio.sleep(0)
            if next_one is not None and capacity == len(inside) == 1:
                # With more slots than one it depends on who ends first.
                assert next_one.inside.is_set(), "who is told to be next is next"
        await asyncio.sleep(SOON)
        now_inside = sum(is_inside(people))
        assert now_inside <= max(capacity, len(inside)), "no slot is given twice"
        # A title that met somebody has gone by now; a lane that grew says so when somebody comes or goes.
        assert now_inside >= min(capacity, len(people)) or event == "title", "no slot is lost"
        places = [person.place for person in people if not person.inside.is_set()]
        assert sorted(places) == list(range(1, len(places) + 1))
    await served(people)
    await asyncio.gather(*titles)
    assert queue.idle()


async def test_engines_that_came_and_went_are_forgotten_and_those_in_use_are_not() -> None:
    queue = Queue()
    async with queue.slot("used", 1, "p", lambda place, wait: None):
        for n in range(5 * KEPT_LANES):
            async with queue.slot(f"engine {n}", 1, "p", lambda place, wait: None):
                pass
        assert len(queue._lanes) <= KEPT_LANES + 1
        assert queue._lanes["used"].running


@virtual_time
async def test_replies_in_the_background_begin_only_while_no_person_waits() -> None:
    queue = Queue()
    first = Person(queue, "a")
    behind = [Person(queue, "replay", background=True) for _ in range(2)]
    await asyncio.sleep(SOON)
    second = Person(queue, "b")
    await asyncio.sleep(SOON)
    assert (second.place, [one.told for one in behind]) == (1, [[], []])
    assert await served([*behind, first, second]) == ["a", "b", "replay", "replay"]
    assert queue.idle()


@virtual_time
async def test_a_slot_stays_for_people_where_there_are_several() -> None:
    queue = Queue()
    behind = [Person(queue, "replay", slots=3, background=True) for _ in range(4)]
    await asyncio.sleep(SOON)
    assert is_inside(behind) == [True, True, False, False]
    person = Person(queue, "a", slots=3)
    await asyncio.sleep(SOON)
    assert person.inside.is_set()
    await behind[2].give_up()
    await served([person, behind[0], behind[1], behind[3]])
    assert queue.idle()


@virtual_time
async def test_titles_yield_to_replies_in_the_background() -> None:
    queue = Queue()
    yields: list[bool] = []
    async with queue.spare("engine", 1, lambda: yields.append(True)) as free:
        assert free
        behind = Person(queue, "replay", background=True)
        await asyncio.sleep(SOON)
        assert (yields, behind.inside.is_set()) == ([True], False)
        async with queue.spare("engine", 2, lambda: None) as more:
            assert not more
    await asyncio.sleep(SOON)
    assert is_inside([behind]) == [True]
    await behind.end()
