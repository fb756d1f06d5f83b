"""A password admits its person and nobody else; guessing is slow, and never locks out who is elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from webchat.auth import delays as delays_room
from webchat.auth.delays import FORGOTTEN_AFTER, FREE_FAILURES, LONGEST_DELAY, Delays
from webchat.auth.passwords import checking as room
from webchat.auth.passwords.checking import (
    FAILURES_PER_MINUTE,
    LEAST_CHARS,
    MOST_CHARS,
    MOST_NAME_CHARS,
    PasswordDelayed,
    PasswordIsName,
    PasswordLong,
    Passwords,
    PasswordShort,
    PasswordWrong,
    UserNameInvalid,
    check_rules,
    hash_password,
    user_name,
)
from webchat.recent import Recent
from webchat.store import NotFound, PersonDisabled, Store
from webchat.store.people_records import Person

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
RIGHT = "correct horse battery"


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_hashes", PasswordHash((Argon2Hasher(1, 8, 1),)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path / 'chat.db'}")) as opened:
        yield opened


@pytest.fixture
def ada(store: Store) -> Person:
    return store.add_person("password", "ada", "Ada", password_hash=hash_password(RIGHT))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def passwords(store: Store, clock: Clock) -> Passwords:
    failures = Recent(FAILURES_PER_MINUTE, 60, clock)
    return Passwords(store, delays=Delays(clock), failures=failures)


async def fail(passwords: Passwords, times: int, name: str = "ada", network: str = HOME) -> None:
    for _ in range(times):
        with pytest.raises(PasswordWrong):
            await passwords.check(name, "wrong password", network)


async def test_the_right_password_admits_its_person(passwords: Passwords, ada: Person) -> None:
    assert (await passwords.check("ada", RIGHT, HOME))[0] == ada
    assert (await passwords.check("  ＡDA ", RIGHT, ELSEWHERE))[0] == ada


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", RIGHT + "x"),
        ("ada", ""),
        ("ada", "\ud800"),
        ("ada", RIGHT * 100),
        ("eve", RIGHT),
        ("", RIGHT),
        ("ada\0", RIGHT),
        ("\ud800", RIGHT),
        ("a" * 1_000_000, RIGHT),
    ],
)
async def test_every_wrong_pair_is_refused_in_the_same_words(
    passwords: Passwords, ada: Person, name: str, password: str
) -> None:
    with pytest.raises(PasswordWrong) as caught:
        await passwords.check(name, password, HOME)
    assert (caught.value.code, caught.value.status, caught.value.params) == ("password_wrong", 403, {})


async def test_an_unknown_name_costs_the_same_work(
    passwords: Passwords, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = 0
    verify = room._hashes.verify_and_update

    def counted(password: bytes, stored: str) -> tuple[bool, str | None]:
        nonlocal verified
        verified += 1
        assert stored.startswith("$argon2id$")
        return verify(password, stored)

    monkeypatch.setattr(room._hashes, "verify_and_update", counted)
    for name in ("ada", "eve", "\0"):
        before = verified
        await fail(passwords, 1, name)
        assert verified == before + 1


async def test_hashes_are_computed_in_two_threads_that_are_not_the_loops(
    passwords: Passwords, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)  # each waits for a second one: fewer than two never pass
    at_work: list[str] = []
    most = 0
    verify = room._hashes.verify_and_update

    def watched(password: bytes, stored: str) -> tuple[bool, str | None]:
        nonlocal most
        at_work.append(threading.current_thread().name)
        most = max(most, len(at_work))
        both.wait(60)
        at_work.remove(threading.current_thread().name)
        return verify(password, stored)

    monkeypatch.setattr(room._hashes, "verify_and_update", watched)
    networks = [f"192.0.2.{number}" for number in range(6)]
    found = await asyncio.gather(*(passwords.check("ada", RIGHT, network) for network in networks))
    assert [person for person, _ in found] == [ada] * 6
    assert most == 2


async def test_a_hash_of_older_parameters_is_made_again_and_sessions_go_on(
    passwords: Passwords, ada: Person, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.start_session(ada.owner_id, "token", "")
    before = store.password_of("ada")[1]
    monkeypatch.setattr(room, "_hashes", PasswordHash((Argon2Hasher(2, 16, 1),)))
    await fail(passwords, 1)
    assert store.password_of("ada")[1] == before
    await passwords.check("ada", RIGHT, HOME)
    after = store.password_of("ada")[1]
    assert "m=16,t=2" in after
    await passwords.check("ada", RIGHT, HOME)
    assert store.password_of("ada")[1] == after
    assert store.session("token")


async def test_somebody_disabled_learns_it_by_the_right_password_only(
    passwords: Passwords, ada: Person, store: Store
) -> None:
    store.set_disabled(ada.owner_id, True)
    await fail(passwords, 1)
    with pytest.raises(PersonDisabled):
        await passwords.check("ada", RIGHT, HOME)


async def test_failures_delay_the_next_try_longer_and_longer(
    passwords: Passwords, ada: Person, clock: Clock
) -> None:
    await fail(passwords, FREE_FAILURES)
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_DELAY, LONGEST_DELAY):
        with pytest.raises(PasswordDelayed) as caught:
            await passwords.check("ada", RIGHT, HOME)
        assert (caught.value.seconds, caught.value.status) == (seconds, 429)
        assert caught.value.params == {"retry_after": seconds}
        clock.time += seconds - 0.5
        with pytest.raises(PasswordDelayed):
            await passwords.check("ada", RIGHT, HOME)
        clock.time += 0.5
        await fail(passwords, 1)
    clock.time += LONGEST_DELAY
    assert (await passwords.check("ada", RIGHT, HOME))[0] == ada
    await fail(passwords, FREE_FAILURES - 1)
    assert (await passwords.check("ada", RIGHT, HOME))[0] == ada


async def test_failures_elsewhere_or_of_others_delay_nobody(passwords: Passwords, ada: Person) -> None:
    await fail(passwords, FREE_FAILURES, network=ELSEWHERE)
    with pytest.raises(PasswordDelayed):
        await passwords.check("ADA", RIGHT, ELSEWHERE)
    await fail(passwords, FREE_FAILURES, "eve")
    assert (await passwords.check("ada", RIGHT, HOME))[0] == ada


async def test_tries_made_together_count_like_tries_one_after_another(
    passwords: Passwords, ada: Person
) -> None:
    tries = (passwords.check("ada", f"guess number {number}", HOME) for number in range(30))
    found = await asyncio.gather(*tries, return_exceptions=True)
    kinds = [type(error) for error in found]
    assert kinds.count(PasswordWrong) == FREE_FAILURES
    assert kinds.count(PasswordDelayed) == 30 - FREE_FAILURES


async def test_an_exempt_network_delays_by_account_all_the_same(passwords: Passwords, ada: Person) -> None:
    for _ in range(FREE_FAILURES):
        with pytest.raises(PasswordWrong):
            await passwords.check("ada", "wrong password", HOME, exempt=True)
    with pytest.raises(PasswordDelayed):
        await passwords.check("ada", RIGHT, HOME, exempt=True)
    assert (await passwords.check("ada", RIGHT, ELSEWHERE, exempt=True))[0] == ada


async def test_failures_are_forgotten(passwords: Passwords, ada: Person, clock: Clock) -> None:
    await fail(passwords, FREE_FAILURES)
    clock.time += FORGOTTEN_AFTER
    await fail(passwords, FREE_FAILURES)


async def test_a_network_that_tries_many_names_waits(passwords: Passwords, ada: Person, clock: Clock) -> None:
    for number in range(FAILURES_PER_MINUTE):
        await fail(passwords, 1, f"name{number}")
    with pytest.raises(PasswordDelayed):
        await passwords.check("ada", RIGHT, HOME)
    assert (await passwords.check("ada", RIGHT, ELSEWHERE))[0] == ada
    assert (await passwords.check("ada", RIGHT, HOME, exempt=True))[0] == ada
    clock.time += 60
    assert (await passwords.check("ada", RIGHT, HOME))[0] == ada


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(delays_room, "_MOST_KEPT", 3)
    delays = Delays(clock)
    for _ in range(FREE_FAILURES):
        delays.failed("ada", HOME)
        for number in range(2):
            delays.failed(str(number), HOME)
    assert delays.seconds("ada", HOME) == 1
    for number in range(10):
        delays.failed(str(number), ELSEWHERE)
    assert len(delays._kept) == 3
    assert delays.seconds("ada", HOME) == 0


async def test_a_password_is_changed_by_who_knows_it(passwords: Passwords, ada: Person, store: Store) -> None:
    here, _ = (store.start_session(ada.owner_id, token, "") for token in ("here", "there"))
    new = "another long one"
    with pytest.raises(PasswordWrong):
        await passwords.change(ada.owner_id, "wrong password", new, here.id, HOME)
    with pytest.raises(PasswordShort):
        await passwords.change(ada.owner_id, RIGHT, "short", here.id, HOME)
    assert len(store.sessions(ada.owner_id)) == 2
    await passwords.change(ada.owner_id, RIGHT, new, here.id, HOME)
    assert [session.id for session in store.sessions(ada.owner_id)] == [here.id]
    assert (await passwords.check("ada", new, HOME))[0].owner_id == ada.owner_id
    with pytest.raises(PasswordWrong):
        await passwords.check("ada", RIGHT, HOME)
    elsewhere = store.enter_person("https://id", "ada", "Ada", None, None)
    with pytest.raises(NotFound):
        await passwords.change(elsewhere.owner_id, RIGHT, new, None, HOME)


async def test_a_password_admits_however_a_system_composes_it(passwords: Passwords, store: Store) -> None:
    composed, decomposed = "p\u00e4sswort-lang", "pa\u0308sswort-lang"
    store.add_person("password", "bob", "Bob", password_hash=await passwords.hash(composed))
    assert (await passwords.check("bob", decomposed, HOME))[0].subject == "bob"


def test_a_new_password_keeps_the_rules() -> None:
    check_rules("x" * LEAST_CHARS, "ada")
    check_rules("x" * MOST_CHARS, "ada")
    with pytest.raises(PasswordShort):
        check_rules("x" * (LEAST_CHARS - 1), "ada")
    with pytest.raises(PasswordLong):
        check_rules("x" * (MOST_CHARS + 1), "ada")
    with pytest.raises(PasswordIsName):
        check_rules("Ada Lovelace", "ada lovelace")


@pytest.mark.parametrize(
    ("typed", "name"),
    [("Ada", "ada"), (" ada ", "ada"), ("ＡＤＡ", "ada"), ("Ada Lovelace", "ada lovelace"), ("王芳", "王芳")],
)
def test_a_user_name_has_one_form(typed: str, name: str) -> None:
    assert user_name(typed) == name
    assert user_name(name) == name


@pytest.mark.parametrize(
    "typed", ["", "  ", "a\nb", "a\0b", "a\u200bb", "\ud800", "x" * (MOST_NAME_CHARS + 1)]
)
def test_what_is_no_user_name_is_refused(typed: str) -> None:
    with pytest.raises(UserNameInvalid):
        user_name(typed)
