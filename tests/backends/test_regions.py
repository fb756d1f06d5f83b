"""Memory of the engine: regions never overlap, everything comes back, and what is kept is what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from backends.local.prefixes import SHORTEST, Prefixes, Start
from backends.local.regions import Region, Regions

SIZE = 64


@given(st.lists(st.tuples(st.sampled_from(["take", "grow", "shrink", "release"]), st.integers(1, SIZE))))
def test_regions_never_overlap_and_all_places_come_back(actions: list[tuple[str, int]]) -> None:
    regions, taken = Regions(SIZE), list[Region]()
    for action, number in actions:
        region = taken[number % len(taken)] if taken else None
        if action == "take":
            got = regions.take(number)
            gap = max(_gaps(taken))
            assert (got is not None) == (number <= gap), "there is a region when there is a gap"
            if got is not None:
                assert got.size == number
                taken.append(got)
        elif region is not None and action == "grow":
            before = region.size
            assert regions.grow(region, number) == (region.size >= number)
            assert region.size >= before
        elif region is not None and action == "shrink":
            regions.shrink(region, number)
            assert region.size <= number
        elif region is not None:
            regions.release(region)
            taken.remove(region)
        places = [place for region in taken for place in range(region.start, region.end)]
        assert len(set(places)) == len(places)
        assert all(0 <= place < SIZE for place in places)
        assert regions.free == SIZE - len(places)
    for region in taken:
        regions.release(region)
    assert regions.take(SIZE) is not None


def _gaps(taken: Sequence[Region]) -> list[int]:
    edges = [0, *(edge for r in sorted(taken, key=lambda r: r.start) for edge in (r.start, r.end)), SIZE]
    return [edges[i + 1] - edges[i] for i in range(0, len(edges), 2)]


@dataclass(eq=False)
class Conversation:
    """A row as the engine has it."""

    ids: list[int]
    adapter: str | None
    region: Region | None = None
    computed: int = 0


@dataclass
class Memory:
    """Plays the engine's memory: which id's keys lie at each place, and under which adapter."""

    places: list[tuple[int, str | None] | None] = field(default_factory=lambda: [None] * SIZE)

    def take(self, row: Conversation, start: Start) -> None:
        """Begin a row where it was told to, and check that what is known there is its own."""
        if start.copy_from is not None:
            copied = self.places[start.copy_from : start.copy_from + start.known]
            self.places[start.region.start : start.region.start + start.known] = copied
        row.region, row.computed = start.region, len(row.ids)
        there = self.places[start.region.start : start.region.start + start.known]
        assert there == [(token, row.adapter) for token in row.ids[: start.known]], "never another's keys"
        assert start.known < len(row.ids)
        for offset in range(start.known, len(row.ids)):
            self.places[start.region.start + offset] = (row.ids[offset], row.adapter)


# Few different ids, so that beginnings are often common.
IDS = st.lists(st.integers(0, 1), min_size=1, max_size=40)


@settings(max_examples=300)
@given(st.lists(st.tuples(IDS, st.sampled_from([None, "a"]), st.booleans(), st.integers(0, 8)), max_size=30))
def test_a_row_only_ever_begins_with_its_own_keys(
    asked: list[tuple[list[int], str | None, bool, int]],
) -> None:
    regions, memory = Regions(SIZE), Memory()
    prefixes = Prefixes(regions)
    running: list[Conversation] = []
    for ids, adapter, ends, more in asked:
        row = Conversation(list(ids), adapter)
        start = prefixes.start(row.ids, adapter, len(ids) + more, running)
        if start is None:
            assert running, "alone it always fits"
        else:
            assert start.region.size >= len(ids) + more
            memory.take(row, start)
            running.append(row)
        if ends and running:
            ended = running.pop(0)
            assert ended.region is not None
            prefixes.keep(ended.ids[: ended.computed], ended.region, ended.adapter)
    for row in running:
        assert row.region is not None
        prefixes.keep(row.ids[: row.computed], row.region, row.adapter)
    prefixes.clear()
    assert regions.free == SIZE


def _kept(*conversations: list[int], size: int = SIZE) -> tuple[Regions, Prefixes]:
    regions = Regions(size)
    prefixes = Prefixes(regions)
    for ids in conversations:
        region = regions.take(len(ids))
        assert region is not None
        prefixes.keep(ids, region, None)
    return regions, prefixes


A, B = list(range(20)), [*range(10), *range(100, 110)]


def test_the_next_turn_goes_on_where_the_last_one_lies() -> None:
    _, prefixes = _kept(A)
    start = prefixes.start([*A, 50, 51], None, 30, ())
    assert start is not None
    assert (start.known, start.copy_from) == (20, None)


def test_a_regenerated_reply_copies_the_common_beginning_and_leaves_the_old_one() -> None:
    _, prefixes = _kept(A, size=100)
    start = prefixes.start([*A[:15], 50], None, 30, ())
    assert start is not None
    assert (start.known, start.copy_from) == (15, 0)
    again = prefixes.start([*A, 60], None, 21, ())
    assert again is not None
    assert again.known == 20


def test_a_switched_conversation_comes_back_warm_until_others_need_the_room() -> None:
    _, prefixes = _kept(A, B)
    for ids, known in (([*B, 1], 20), ([*A, 1], 20)):
        start = prefixes.start(ids, None, 21, ())
        assert start is not None
        assert start.known == known
        prefixes.keep(ids, start.region, None)
    other = prefixes.start(list(range(200, 230)), None, 40, ())  # takes the place of the oldest: B
    assert other is not None
    again = prefixes.start([*A, 1, 2], None, 22, ())
    assert again is not None
    assert again.known == 21


def test_what_was_computed_under_another_adapter_is_not_used() -> None:
    _, prefixes = _kept(A)
    start = prefixes.start([*A, 1], "a", 21, ())
    assert start is not None
    assert start.known == 0


def test_the_last_token_is_always_read_again() -> None:
    _, prefixes = _kept(A)
    start = prefixes.start(A, None, 30, ())
    assert start is not None
    assert start.known == len(A) - 1


def test_a_beginning_too_short_to_matter_is_not_looked_after() -> None:
    regions, prefixes = _kept(A[: SHORTEST - 1])
    assert len(prefixes) == 0
    assert regions.free == SIZE
