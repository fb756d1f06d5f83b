"""Who makes room, and when: the book-keeping of connections, with a clock of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from webchat.crowd import Crowd, Limits, Member, limits_for


@dataclass(eq=False)
class FakeWire:
    unread: int = 0
    ended: bool = False

    def abort(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unread


@dataclass
class Place:
    """A crowd whose only shared address is `proxy`."""

    limits: Limits
    now: float = 1000.0
    crowd: Crowd = field(init=False)

    def __post_init__(self) -> None:
        self.crowd = Crowd(self.limits, lambda address: address == "proxy", lambda: self.now)

    def come(self, address: str = "proxy") -> tuple[Member, FakeWire]:
        wire = FakeWire()
        return self.crowd.join(wire, address), wire

    def served(self, address: str = "proxy") -> tuple[Member, FakeWire]:
        member, wire = self.come(address)
        self.crowd.owes(member, "", object())
        return member, wire

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.crowd.sweep()


def test_the_oldest_that_owes_makes_room_and_who_is_served_stays() -> None:
    place = Place(Limits(at_once=4, from_one=4))
    served = [place.served() for _ in range(2)]
    silent = [place.come() for _ in range(5)]
    assert [wire.ended for _, wire in silent] == [True, True, True, False, False]
    assert not any(wire.ended for _, wire in served)
    assert not any(member.full for member, _ in silent)
    assert len(place.crowd) == 4


def test_where_all_are_served_the_next_learns_that_it_is_full() -> None:
    place = Place(Limits(at_once=2, from_one=2, spare=2))
    served = [place.served() for _ in range(2)]
    late = [place.come() for _ in range(3)]
    assert all(member.full for member, _ in late)
    assert [wire.ended for _, wire in late] == [True, False, False]
    for member, _ in late[1:]:
        place.crowd.owes(member, "", object())
    assert place.come()[1].ended  # even the spare ones are being answered
    place.crowd.leave(served[0][0])
    assert not place.come()[0].full


def test_one_address_takes_no_more_than_its_share() -> None:
    place = Place(Limits(at_once=10, from_one=3))
    for _ in range(3):
        place.served("evil")
    assert place.come("evil")[0].full
    for _ in range(7):
        assert not place.served("proxy")[0].full
    assert place.come("good")[0].full
    assert not place.crowd._by_address.keys() - {"evil"}


def test_a_neighbour_makes_room_before_anybody_else() -> None:
    place = Place(Limits(at_once=4, from_one=2))
    _, first = place.come("good")
    evil = [place.come("evil") for _ in range(6)]
    assert not first.ended
    assert [wire.ended for _, wire in evil] == [True] * 4 + [False] * 2


def test_a_head_is_owed_for_a_while_and_an_answer_for_ever() -> None:
    place = Place(Limits(at_once=9, from_one=9, head_seconds=20))
    _, silent = place.come()
    _, served = place.served()
    ended = []
    for seconds in (20, 1):
        place.later(seconds)
        ended.append(silent.ended)
    assert ended == [False, True]
    place.later(10**9)
    assert not served.ended


def test_a_body_has_the_longer_the_more_of_it_comes() -> None:
    place = Place(Limits(at_once=9, from_one=9, body_seconds=20, body_rate=500))
    (none, silent), (some, slow) = place.come(), place.come()
    request = object()
    place.crowd.owes(none, "body", request)
    place.crowd.owes(some, "body", request, 5000)
    place.later(21)
    assert silent.ended
    place.later(8)
    assert not slow.ended
    place.later(2)
    assert slow.ended


def test_a_body_that_the_server_itself_keeps_waiting_is_not_timed() -> None:
    place = Place(Limits(at_once=9, from_one=9, body_seconds=20))
    wire, busy = FakeWire(), [True]
    member = place.crowd.join(wire, "proxy", lambda: busy[0])
    place.crowd.owes(member, "body", object())
    place.later(1000)
    assert not wire.ended
    busy[0] = False
    place.later(21)
    assert wire.ended


def test_half_bodies_are_bounded_in_sum_and_by_address() -> None:
    place = Place(Limits(at_once=99, from_one=99, half_read=1000))
    near = [place.come("evil") for _ in range(4)]
    for member, _ in near:
        place.crowd.owes(member, "body", object(), 200)
    assert [wire.ended for _, wire in near] == [True, True, False, False]
    others = [place.come() for _ in range(4)]
    for member, _ in others:
        place.crowd.owes(member, "body", object(), 200)
    assert [wire.ended for _, wire in near] == [True, True, True, False]
    place.crowd.owes(others[0][0], "", object())  # whole: its bytes are the application's now
    place.crowd.owes(others[1][0], "body", object(), 200)
    assert not others[1][1].ended
    assert place.crowd._all.half_read == 200 * 4


def test_one_body_larger_than_all_that_may_lie_here_ends() -> None:
    place = Place(Limits(at_once=9, from_one=9, half_read=1000))
    member, wire = place.come("evil")
    place.crowd.owes(member, "body", object(), 5000)
    assert wire.ended
    assert place.crowd._all.half_read == 0
    place.crowd.owes(member, "body", object(), 5000)  # what was on its way
    assert place.crowd._all.half_read == 0


def test_who_reads_slowly_stays_and_who_does_not_read_goes() -> None:
    place = Place(Limits(at_once=9, from_one=9, unread_seconds=300))
    (_, slow), (_, dead) = place.served(), place.served()
    slow.unread = dead.unread = 10_000
    for _ in range(40):
        slow.unread -= 100
        place.later(10)
    assert not slow.ended
    assert dead.ended


def test_unread_answers_are_bounded_in_sum() -> None:
    place = Place(Limits(at_once=9, from_one=9, unread=1000))
    wires = [place.served()[1] for _ in range(3)]
    for wire, unread in zip(wires, (300, 900, 400), strict=True):
        wire.unread = unread
    place.later(1)
    assert [wire.ended for wire in wires] == [False, True, False]


def test_who_still_reads_an_answer_is_not_sent_away_for_what_it_owes_next() -> None:
    place = Place(Limits(at_once=1, from_one=1, head_seconds=20))
    member, wire = place.come()
    place.crowd.owes(member, "head", object())
    wire.unread = 10
    assert place.come()[0].full
    for _ in range(9):
        place.later(10)
    assert len(place.crowd) == 1
    assert not wire.ended
    wire.unread = 0
    place.later(10)
    assert not place.come()[0].full
    assert len(place.crowd) == 1


def test_a_next_request_is_waited_for_untimed_and_makes_room_first() -> None:
    place = Place(Limits(at_once=3, from_one=3, head_seconds=20))
    (_, served), (_, silent), (kept, between) = place.served(), place.come(), place.come()
    place.crowd.owes(kept, "next", object())
    place.later(19)
    assert not place.come()[0].full
    assert [served.ended, silent.ended, between.ended] == [False, False, True]


def test_a_next_request_that_has_begun_is_timed_from_then_on() -> None:
    place = Place(Limits(at_once=3, from_one=3, head_seconds=20))
    kept, wire = place.come()
    place.crowd.owes(kept, "next", request := object())
    place.later(10**9)
    place.crowd.owes(kept, "head", request)
    place.later(20)
    assert not wire.ended
    place.later(1)
    assert wire.ended


def test_an_address_is_counted_on_when_its_only_connection_makes_room() -> None:
    place = Place(Limits(at_once=2, from_one=2))
    place.come("evil")
    place.served("proxy")
    for _ in range(5):
        place.served("evil")
    assert place.crowd._by_address["evil"].count == 1
    place.come("good")
    assert not place.crowd._by_address.keys() - {"evil"}


def test_one_line_a_minute_tells_what_was_done(caplog: pytest.LogCaptureFixture) -> None:
    place = Place(Limits(at_once=2, from_one=2, report_seconds=60))
    caplog.set_level(logging.DEBUG, "webchat.crowd")
    for _ in range(102):
        place.come("192.0.2.7")
    for _ in range(59):
        place.later(1)
    assert not caplog.records
    place.later(1)
    place.later(600)
    (line, *more) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not more
    assert "100 were closed before their request was complete" in line.getMessage()
    assert "2 sent no complete request within 20 s" in line.getMessage()
    assert "most from 192.0.2.7 (102)" in line.getMessage()


def test_connections_that_browsers_open_ahead_of_need_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    place = Place(Limits(at_once=9, from_one=9))
    for _ in range(5):
        place.come()
    place.later(21)
    place.later(60)
    assert not caplog.records


@pytest.mark.parametrize(
    ("files", "at_once"), [(128, 32), (256, 64), (1024, 528), (8192, 4096), (1_000_000, 4096)]
)
def test_the_limit_leaves_files_for_the_rest(files: int, at_once: int) -> None:
    limits = limits_for(files, replies=400, body_bytes=2_000_000)
    assert limits.at_once == at_once
    assert limits.from_one == at_once // 2
    assert limits.at_once + limits.spare + 30 <= files


def test_the_largest_body_finds_room() -> None:
    assert limits_for(1024, replies=1, body_bytes=2**30).half_read // 2 >= 2**30
