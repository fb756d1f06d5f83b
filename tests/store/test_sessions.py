"""A session is its person's, known by its token's hash, and ends in each of the ways it may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from webchat.store import NotFound, PersonDisabled, Store
from webchat.store.database.tables.people import LoginRow, SessionRow
from webchat.store.people import sessions as verbs
from webchat.store.people_records import SESSION_AGE, SESSION_IDLE, Person, Session


class Clock:
    """The time that sessions go by."""

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, time: timedelta) -> None:
        self.time += time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(verbs, "now", clock)
    return clock


@pytest.fixture
def ada(store: Store) -> Person:
    return store.add_person("password", "ada", "Ada", password_hash="hash")


def lives(store: Store, token: str) -> bool:
    try:
        store.session(token)
    except NotFound:
        return False
    return True


def test_a_token_says_whose_session_it_is(store: Store, ada: Person) -> None:
    session = store.start_session(ada.owner_id, "token", "Firefox, Linux")
    assert store.session("token") == (session, store.owner(ada.owner_id))
    assert (session.device, session.ended_at) == ("Firefox, Linux", None)
    assert store.person(ada.owner_id).seen_at == session.used_at
    assert not lives(store, "another token")
    with pytest.raises(NotFound):
        store.start_session(store.create_owner("visitor", "Eve").id, "hers", "")


def test_sessions_are_listed_the_last_used_first(store: Store, ada: Person, clock: Clock) -> None:
    first, second = (store.start_session(ada.owner_id, token, token) for token in ("1", "2"))
    clock.pass_by(timedelta(minutes=1))
    store.touch_session(first.id)
    assert [session.id for session in store.sessions(ada.owner_id)] == [first.id, second.id]
    assert store.session("1")[0].used_at == store.person(ada.owner_id).seen_at == clock.time
    assert store.sessions(store.add_person("password", "eve", "Eve").owner_id) == []


ENDINGS: dict[str, Callable[[Store, Session, Clock], object]] = {
    "signed out": lambda s, one, _: s.end_session(one.owner_id, one.id),
    "signed out everywhere": lambda s, one, _: s.end_sessions(one.owner_id),
    "a new password": lambda s, one, _: s.set_password(one.owner_id, "new"),
    "disabled": lambda s, one, _: s.set_disabled(one.owner_id, True),
    "idle": lambda _s, _one, clock: clock.pass_by(SESSION_IDLE),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_session_that_ended_opens_nothing_ever_again(
    how: str, store: Store, ada: Person, clock: Clock
) -> None:
    session = store.start_session(ada.owner_id, "token", "")
    ENDINGS[how](store, session, clock)
    if how == "disabled":
        with pytest.raises(PersonDisabled):
            store.session("token")
        with pytest.raises(PersonDisabled):
            store.start_session(ada.owner_id, "another", "")
        store.set_disabled(ada.owner_id, False)
    assert not lives(store, "token")
    assert store.sessions(ada.owner_id) == []
    if how != "idle":
        store.touch_session(session.id)
        assert not lives(store, "token")
        with pytest.raises(NotFound):
            store.end_session(ada.owner_id, session.id)
    assert store.trim_sessions() == 1
    assert not lives(store, "token")


def test_a_session_in_use_ends_at_its_age(store: Store, ada: Person, clock: Clock) -> None:
    session = store.start_session(ada.owner_id, "token", "")
    days = SESSION_AGE.days // (SESSION_IDLE.days - 1)
    for _ in range(days):
        clock.pass_by(SESSION_IDLE - timedelta(days=1))
        assert lives(store, "token")
        store.touch_session(session.id)
    clock.pass_by(SESSION_IDLE - timedelta(days=1))
    assert not lives(store, "token")


def test_the_session_in_which_it_was_done_goes_on(store: Store, ada: Person) -> None:
    here, *_ = [store.start_session(ada.owner_id, token, "") for token in ("here", "there", "far")]
    assert store.end_sessions(ada.owner_id, here.id) == 2
    assert [lives(store, token) for token in ("here", "there", "far")] == [True, False, False]
    store.start_session(ada.owner_id, "again", "")
    store.set_password(ada.owner_id, "new", here.id)
    assert [session.id for session in store.sessions(ada.owner_id)] == [here.id]


def test_nobody_ends_anothers_session(store: Store, ada: Person) -> None:
    eve = store.add_person("password", "eve", "Eve", password_hash="hash")
    session = store.start_session(ada.owner_id, "token", "")
    with pytest.raises(NotFound):
        store.end_session(eve.owner_id, session.id)
    store.end_sessions(eve.owner_id)
    store.set_password(eve.owner_id, "new")
    store.set_disabled(eve.owner_id, True)
    assert lives(store, "token")


def rows(store: Store, table: type[LoginRow | SessionRow]) -> int:
    with store.transaction(write=False) as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_what_is_kept_for_a_sign_in_is_read_once_and_in_time(store: Store, clock: Clock) -> None:
    data = {"nonce": "n", "next": "/?c=1", "name": "艾达"}
    for state in ("a", "b"):
        store.keep_login(state, data, clock.time + timedelta(minutes=10))
    assert store.take_login("a") == data
    for missing in ("a", "c"):
        with pytest.raises(NotFound):
            store.take_login(missing)
    clock.pass_by(timedelta(minutes=10))
    with pytest.raises(NotFound):
        store.take_login("b")
    store.keep_login("d", {}, clock.time + timedelta(minutes=10))
    assert rows(store, LoginRow) == 1


def test_what_is_over_goes_in_slices_and_what_lives_stays(
    store: Store, ada: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "TRIM_ROWS", 2)
    for number in range(5):
        store.start_session(ada.owner_id, f"old {number}", "")
    store.keep_login("old", {}, clock.time)
    clock.pass_by(SESSION_IDLE)
    store.start_session(ada.owner_id, "new", "")
    assert [store.trim_sessions() for _ in range(4)] == [3, 2, 1, 0]
    assert lives(store, "new")
    assert (rows(store, SessionRow), rows(store, LoginRow)) == (1, 0)
