"""What a balancer is told."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from backends.base import Backend
from backends.errors import Unavailable
from tests.api.conftest import MakeSite, Site
from webchat.api import health
from webchat.models import ModelSpec
from webchat.store import StoreUnavailable


async def ready(site: Site) -> tuple[int, Any]:
    answer = await site.client(None).get("/readyz")
    return answer.status_code, answer.json()


async def test_a_server_that_is_stopping_is_alive_and_not_ready(site: Site) -> None:
    assert await ready(site) == (200, {"status": "ok"})
    await site.turns.aclose()
    assert await ready(site) == (503, {"status": "stopping"})
    assert (await site.client(None).get("/healthz")).status_code == 200


async def test_a_server_without_its_lease_waits_for_the_database(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(site.turns.replica), "held", False)
    assert await ready(site) == (503, {"status": "database"})


@pytest.mark.parametrize("held", [True, False])
async def test_a_database_that_accepts_no_write_is_not_ready(
    site: Site, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    release = threading.Event()

    def probe() -> None:
        if held:
            release.wait()
        raise StoreUnavailable("The disk is full.", cure="Free some space.")

    monkeypatch.setattr(site.store, "probe", probe)
    if held:
        monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)
    try:
        assert await ready(site) == (503, {"status": "database"})
    finally:
        release.set()


async def test_a_dead_model_is_degraded_and_not_down(make_site: MakeSite) -> None:
    def create(spec: ModelSpec) -> Backend:
        raise Unavailable("Nobody answers.", cure="Start it.")

    async with make_site(create=create) as site:
        site.models.infos()
        assert await ready(site) == (200, {"status": "degraded"})


async def test_many_who_ask_cost_one_write(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(site.store, "probe", lambda: tried.append(1))
    await asyncio.gather(*(ready(site) for _ in range(20)))
    assert len(tried) == 1


async def test_many_who_ask_do_not_look_at_the_models_each(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    async def look() -> None:
        looked.append(1)

    monkeypatch.setattr(site.models, "look", look)
    monkeypatch.setattr(health, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(site.store, "probe", lambda: None)
    await asyncio.gather(*(ready(site) for _ in range(20)))
    assert len(looked) == 1
