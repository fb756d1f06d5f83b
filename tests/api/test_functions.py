"""A function behind the door: what it is told of who asks."""

from __future__ import annotations

from typing import Any

from backends.function import FunctionBackend
from backends.options import FunctionOptions
from backends.types import Caller
from tests.api.conftest import CANARY, MakeSite


async def test_a_function_is_told_who_asks_and_no_secrets(make_site: MakeSite) -> None:
    seen: list[Caller] = []

    def respond(message: str, history: list[Any], request: Caller) -> str:
        seen.append(request)
        return f"Hello {request.username}"

    async with make_site(FunctionBackend(FunctionOptions(respond))) as site:
        visitor, member = site.visitor(), site.person("ada", "hash")
        secrets = {"x-api-key": CANARY, "x-forwarded-access-token": CANARY, "x-csrf-token": CANARY}
        headers = {"user-agent": "a browser", "x-team": "blue", **secrets}
        for client in (site.client(visitor, headers=headers), site.session(member)[1]):
            reply = (await site.send(client))["reply"]["id"]
            assert (await site.ended(client, reply))["state"] == "complete"
    first, second = seen
    assert (first.username, second.username) == (None, "Ada")
    assert (first.headers["user-agent"], first.headers["x-team"]) == ("a browser", "blue")
    assert not {"cookie", "authorization"} & {*first.headers, *second.headers}
    assert CANARY not in repr(seen)
    assert first.client is not None
    assert first.client.host == "127.0.0.1"
    assert first.session_hash != second.session_hash
    assert visitor.id not in repr(first)
    assert member.id not in repr(second)
