"""How many replies a person, a link and a network may have at once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from webchat.settings import Settings
from webchat.turns.places import Most, Party

MOST = Most(owner=8, link=200, network=200, all=400)


def taken(most: Most, asked: Sequence[Party]) -> list[Party]:
    """Who gets a place, when nobody gives one back."""
    got: list[Party] = []
    for party in asked:
        if most.reached(party, got) is None:
            got.append(party)
    return got


def test_the_defaults_are_those_of_this_file() -> None:
    at = Settings()
    assert Most(at.max_turns_per_owner, at.max_turns_per_link, at.max_turns_per_network, at.max_turns) == MOST


@pytest.mark.parametrize("by", ["link", "network"])
def test_fifty_selves_of_one_leave_room_for_others(by: str) -> None:
    crowd = [
        Party(f"self {n}", link="l" if by == "link" else f"l{n}", network=f"n{n}" if by == "link" else "n")
        for n in range(50)
        for _ in range(8)
    ]
    got = taken(MOST, crowd)
    assert len(got) == 200
    assert MOST.reached(crowd[-1], got) == (by, 200)
    assert MOST.reached(Party("somebody else", "theirs", "elsewhere"), got) is None
    assert MOST.reached(Party("an operator"), got) is None


def test_a_class_of_a_hundred_by_one_link_and_from_one_network_works() -> None:
    asked = [Party(f"pupil {n}", "class", "school") for n in range(100)] * 2
    assert len(taken(MOST, asked)) == 200


def test_the_limits_are_named_from_the_person_to_all() -> None:
    one = Most(owner=1, link=1, network=1, all=1)
    assert one.reached(Party("a", "l", "n"), []) is None
    for party, named in (
        (Party("a", "l", "n"), "owner"),
        (Party("b", "l", "n"), "link"),
        (Party("b", "m", "n"), "network"),
        (Party("b", "m", "o"), "all"),
        (Party("b"), "all"),
    ):
        assert one.reached(party, [Party("a", "l", "n")]) == (named, 1)
    assert Most().reached(Party("a"), [Party("a")] * 1000) is None
