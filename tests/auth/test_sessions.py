"""What a session admits, and for how long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from webchat.auth.owners import Owners, Revoked
from webchat.auth.sessions import device_of, make_token
from webchat.sharing.links import hash_of
from webchat.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    yield opened
    opened.close()


def session(store: Store, name: str) -> str:
    """A new session's token."""
    person = store.add_person("password", name, name)
    token = make_token()
    store.start_session(person.owner_id, hash_of(token), "")
    return token


async def test_a_session_that_begins_during_a_look_at_all_others_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, go_on = threading.Semaphore(0), threading.Event()
    living = store.living_sessions

    def slowly(session_ids: Sequence[str]) -> list[str]:
        found = living(session_ids)
        looks.release()
        go_on.wait(60)
        return found

    slowly.threads = "read"  # type: ignore[attr-defined]
    monkeypatch.setattr(store, "living_sessions", slowly)
    owners = Owners(store)
    first = await owners.admitted(session(store, "ada"))
    second = await owners.admitted(session(store, "bob"))
    async with owners.watching(first):
        await asyncio.to_thread(looks.acquire, timeout=60)
        async with owners.watching(second):
            go_on.set()
            await asyncio.to_thread(looks.acquire, timeout=60)


async def test_a_session_ended_elsewhere_ends_its_requests_and_no_others(store: Store) -> None:
    owners = Owners(store)
    ended, other = session(store, "ada"), session(store, "bob")

    begun = asyncio.Semaphore(0)

    async def request(token: str, still: asyncio.Event) -> str:
        try:
            async with owners.watching(await owners.admitted(token)):
                begun.release()
                await still.wait()
        except Revoked as revoked:
            return revoked.refusal
        return "done"

    still = asyncio.Event()
    mine, theirs = (asyncio.create_task(request(token, still)) for token in (ended, other))
    for _ in range(2):
        await begun.acquire()
    found: Any = store.session(hash_of(ended))
    store.end_session(found[1].id, found[0].id)
    assert await asyncio.wait_for(mine, 60) == "signed_out"
    still.set()
    assert await theirs == "done"
    assert (await owners.admitted(ended)).refusal == "signed_out"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge, Windows"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/150.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari, iPad"),
        ("curl/8", ""),
        ("", ""),
    ],
)
def test_a_device_is_named_as_people_know_it(agent: str, device: str) -> None:
    assert device_of(agent) == device
