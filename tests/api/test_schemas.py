"""The OpenAPI document is true: what it describes is answered, and answered as it says, whatever is sent.

Schemathesis makes the requests, some that fit the document and some that do not. The whole document takes
minutes: `pytest -m slow tests/api/test_schemas.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.api.conftest import Site, serving
from tests.openapi import openapi

ENDLESS = {"/api/events"}
STREAMED = {"/api/messages/{id}/events", "/healthz/stream"}
"""Their schema names the events by kind, which Schemathesis takes for the form of each."""
SMOKE = (
    "/api/me", "/api/conversations", "/api/search", "/api/turns", "/api/messages/{id}/judgement",
    "/api/templates", "/api/links", "/api/openapi.json",
)  # fmt: skip


def ask(url: str, cookie: str, most: int, only: Collection[str] = ()) -> int:
    """Send up to `most` requests to each route. Returns how many routes were asked."""
    # Here, as every process of tests reads this file.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi.checks import response_schema_conformance

    routes = 0
    for found in schemathesis.openapi.from_dict(openapi()).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path in ENDLESS or (only and operation.path not in only):
            continue

        @settings(
            max_examples=most,
            database=None,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def one(case: Any) -> None:
            answer = case.call(base_url=url, headers={"cookie": cookie}, timeout=120)
            whole = case.operation.path not in STREAMED
            checks = [not_a_server_error, *([response_schema_conformance] if whole else [])]
            case.validate_response(answer, checks=checks)

        one()
        routes += 1
    return routes


async def test_some_routes_answer_as_their_schema_says(site: Site) -> None:
    async with serving(site.door) as url:
        assert await asyncio.to_thread(ask, url, site.cookie(site.operating()), 3, SMOKE) >= len(SMOKE)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["operator", "visitor"])
async def test_every_route_answers_as_its_schema_says(site: Site, kind: str) -> None:
    owner = site.operating() if kind == "operator" else site.visitor()
    async with serving(site.door) as url:
        assert await asyncio.to_thread(ask, url, site.cookie(owner), 40) > 90
