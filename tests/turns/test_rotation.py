"""Who is next: the rule alone, against random schedules of many people."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from webchat.turns.waiting.rotation import Rotation

EVENTS = st.lists(
    st.tuples(st.sampled_from(["come", "come", "let in", "end", "leave"]), st.integers(0, 30)), max_size=120
)


def order(rotation: Rotation[str]) -> list[str]:
    """Everybody, as they are let in one after another."""
    found = []
    while rotation:
        found.append(rotation.next())
        rotation.ended(found[-1])
    return found


def test_people_take_turns() -> None:
    rotation: Rotation[str] = Rotation()
    for owner in "aaabbbc":
        rotation.join(owner, owner)
    assert "".join(order(rotation)) == "abcabab"


def test_who_was_just_let_in_stands_behind_a_newcomer() -> None:
    rotation: Rotation[str] = Rotation()
    for owner in "aaa":
        rotation.join(owner, owner)
    assert rotation.next() == "a"
    rotation.ended("a")
    rotation.join("b", "b")
    assert "".join(order(rotation)) == "baa"


def test_an_endless_stream_of_newcomers_does_not_keep_anybody_out() -> None:
    rotation: Rotation[str] = Rotation()
    for item in ("first", "second"):
        rotation.join("regular", item)
    assert rotation.next() == "first"
    rotation.ended("regular")
    before = []
    for number in range(20):
        rotation.join(f"newcomer {number}", f"newcomer {number}")
        before.append(rotation.next())
        if before[-1] == "second":
            break
        rotation.ended(before[-1])
    assert before == ["newcomer 0", "second"]


def test_whoever_has_many_running_lets_those_with_fewer_pass() -> None:
    rotation: Rotation[str] = Rotation()
    for _ in range(3):
        rotation.join("a", "a")
        rotation.join("b", "b")
    assert [rotation.next() for _ in range(4)] == ["a", "b", "a", "b"]
    rotation.ended("b")
    rotation.ended("b")
    rotation.ended("a")
    assert rotation.next() == "b"


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_the_rule_holds_whatever_happens(events: list[tuple[str, int]]) -> None:
    rotation: Rotation[int] = Rotation()
    lines: dict[str, list[int]] = {}
    running: Counter[str] = Counter()
    passed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for item, (event, number) in enumerate(events):
        if event == "come":
            owner = "abcde"[number % 5]
            rotation.join(owner, item)
            lines.setdefault(owner, []).append(item)
        elif event == "leave" and lines:
            owner = sorted(lines)[number % len(lines)]
            gone = lines[owner].pop(number % len(lines[owner]))
            rotation.leave(owner, gone)
        elif event == "end" and +running:
            owner = sorted(+running)[number % len(+running)]
            rotation.ended(owner)
            running[owner] -= 1
        elif event == "let in" and lines:
            played = rotation.copy().next()
            taken = rotation.next()
            assert taken == played, "looking ahead sees what comes, and changes nothing"
            owner = next(name for name, line in lines.items() if taken in line)
            assert lines[owner].pop(0) == taken, "within one person the order is theirs"
            assert running[owner] == min(running[name] for name in lines), "the fewest running is next"
            for name in lines:
                if name != owner and running[name] == running[owner]:
                    passed[name][owner] += 1
                    assert passed[name][owner] == 1, f"{owner} passed {name} twice"
            running[owner] += 1
            passed[owner].clear()
        for name in [name for name, line in lines.items() if not line]:
            del lines[name]
            passed[name].clear()
        assert bool(rotation) == bool(lines)
    left = Counter(item for line in lines.values() for item in line)
    while left:
        left.subtract([rotation.next()])
        left = +left
    assert not rotation


def test_a_line_that_is_never_empty_keeps_no_memory_of_those_who_were_there() -> None:
    rotation: Rotation[str] = Rotation()
    let_in = []
    for number in range(3000):
        owner = f"visitor {number}"
        for _ in range(3):
            rotation.join(owner, owner)
        for _ in range(3 if number > 2 else 1):
            let_in.append(rotation.next())
        while len(let_in) > 6:
            rotation.ended(let_in.pop(0))
    assert len(rotation._heap) < 200
    assert len(rotation._lines) == len(rotation._ranks) <= 9
    assert len(rotation._running) <= 6
