"""Every route has a budget of bytes and of work, asked for before anything is done."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import MOST_BODY, Site
from webchat.api import body_limit
from webchat.api.routes import LONG, TABLE, Row
from webchat.auth import SMALL_BODY

ROWS = [row for _, rows in TABLE for row in rows]
TAKING = [row for row in ROWS if row.method in ("POST", "PUT", "PATCH")]
GRADIO = ("queue/join", "cancel", "reset", "startup-events", "upload", "run/predict")


def address(path: str) -> str:
    return path.replace("{id}", "an-id").replace("{model:path}", "echo")


@pytest.mark.parametrize("row", TAKING, ids=lambda row: f"{row.method} {row.path}")
async def test_a_body_larger_than_its_route_takes_is_not_read(site: Site, row: Row) -> None:
    method, path = row.method, address(row.path)
    limit = MOST_BODY if row.body is LONG else SMALL_BODY
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 2 * MOST_BODY:
            read += 1024
            yield b" " * 1024

    client = site.client(site.operating())
    told = await client.request(
        method, path, content=b"x" * (limit + 1), headers={"content-type": "application/json"}
    )
    assert told.status_code == 413
    assert told.json()["error"]["params"] == {"limit": limit}
    assert (await client.request(method, path, content=pieces())).status_code == 413
    assert read <= limit + 1024, "more was read than is looked at"


def test_gradios_routes_and_unknown_ones_take_little() -> None:
    for name in GRADIO:
        assert body_limit("POST", f"/gradio_api/{name}", MOST_BODY) == SMALL_BODY
    for path in ("/", "/api/turns/x", "/api/nothing", "/t/redeem", "/assets/x.js"):
        assert body_limit("POST", path, MOST_BODY) == SMALL_BODY
    assert body_limit("GET", "/api/turns", MOST_BODY) == SMALL_BODY
