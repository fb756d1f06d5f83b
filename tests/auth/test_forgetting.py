"""Of people who came and went, nothing stays in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from webchat.auth.owners import Owners
from webchat.recent import Recent
from webchat.store.records import Owner


class People:
    """A store in which everybody is."""

    link_changes = 0

    async def call(self, verb: Any, *args: Any) -> Any:
        return verb(*args)

    def owner(self, id: str) -> Owner:
        return Owner(id, "visitor", "Ada", None, datetime.now(UTC))


async def test_an_answer_about_somebody_goes_with_its_time() -> None:
    store: Any = People()
    owners = Owners(store)
    for number in range(20):
        await owners.admitted(f"person {number}")
    assert len(owners._kept) == 20
    for kept in owners._kept.values():
        kept.until = 0.0
    await owners.admitted("person 7")
    assert list(owners._kept) == ["person 7"]


def test_events_that_count_no_more_are_forgotten() -> None:
    now = 0.0
    recent = Recent(3, 60, clock=lambda: now)
    for number in range(20):
        recent.add(f"link {number}")
    now = 59.0
    recent.add("link 7")
    assert len(recent._seen) == 20
    now = 61.0
    recent.add("another")
    assert sorted(recent._seen) == ["another", "link 7"]
