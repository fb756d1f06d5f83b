"""What has ended by a clock that is set forward is refused until it is right; set back, nobody is put out."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from tests.api.conftest import MakeSite
from webchat.auth.api_keys import new_key
from webchat.store.key_records import KeyTerms

KEPT = 0.01


class OfAnyClock(type):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, datetime)


class Clock:
    """The machine's, as all of webchat reads it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        clock, real = self, time.time

        class Moved(datetime, metaclass=OfAnyClock):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + clock.ahead

        for name, module in list(sys.modules.items()):
            if name.startswith("webchat.") and vars(module).get("datetime") is datetime:
                patch.setattr(module, "datetime", Moved)
        patch.setattr(time, "time", lambda: real() + clock.ahead.total_seconds())
        patch.setattr("webchat.auth.owners.KEPT_SECONDS", KEPT)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with monkeypatch.context() as patch:
        yield Clock(patch)


async def test_what_ends_does_by_the_clock_and_is_back_when_the_clock_is_right(
    make_site: MakeSite, clock: Clock
) -> None:
    async with make_site() as site:
        ada = site.person("ada", "x")
        _, signed_in = site.session(ada)
        guest, _ = site.guest(lifetime="7d")
        key = new_key(site.store, ada.id, "script", "7d", datetime.now(UTC), KeyTerms())
        program = site.client(None, headers={"authorization": f"Bearer {key.token}"})
        cookie = site.cookie(site.visitor())
        begun = await site.send(signed_in)
        await site.ended(signed_in, begun["reply"]["id"])
        made = await signed_in.post(
            "/api/shares", json={"conversation_id": begun["conversation"]["id"], "days": 7}
        )
        assert made.status_code == 201, made.text
        share = made.json()["path"]

        async def seen() -> tuple[int, ...]:
            nonlocal cookie
            await asyncio.sleep(2 * KEPT)
            visited = await site.client(None, headers={"cookie": cookie, "accept": "text/html"}).get(
                "/api/me"
            )
            for renewed in visited.headers.get_list("set-cookie"):
                cookie = renewed.partition(";")[0] if visited.status_code == 200 else cookie
            return (
                (await signed_in.get("/api/me")).status_code,
                (await program.get("/v1/models")).status_code,
                (await site.client(guest).get("/api/me")).status_code,
                (await site.client(None).get(f"/{share}", headers={"accept": "text/html"})).status_code,
                visited.status_code,
            )

        everyone, nobody = (200,) * 5, (401, 401, 401, 410, 401)
        for days, expected in (
            (0, everyone),
            (20, (200, 401, 401, 410, 200)),
            (0, everyone),
            (400, nobody),
            (0, everyone),
            (-400, everyone),
            (0, everyone),
        ):
            clock.ahead = timedelta(days=days)
            assert await seen() == expected, f"{days} days ahead"
