"""Whatever is sent, the answer is never a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import MakeSite

numbers = st.one_of(st.integers(), st.floats(), st.booleans(), st.none())
texts = st.one_of(
    st.text(max_size=30), st.sampled_from(["\x00", "\ud800", "💥", "a" * 70, "' OR 1=1 --", "%00", "send"])
)
plain = st.one_of(numbers, texts)
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
kinds = st.sampled_from(["send", "edit", "regenerate", "continue"])
sampling = st.dictionaries(
    st.sampled_from(["temperature", "top_p", "top_k", "min_p", "seed", "stop", "max_tokens", "x"]),
    values,
    max_size=4,
)
turn_settings = st.one_of(
    values,
    st.fixed_dictionaries({}, optional={"model": values, "system_prompt": values, "sampling": sampling}),
)
IDS = "$conversation", "$user", "$reply"
ids = st.one_of(st.sampled_from(IDS), values)
turns = st.fixed_dictionaries(
    {
        "kind": st.one_of(kinds, values),
        "client_key": st.one_of(st.text("abc", min_size=1, max_size=9), values),
    },
    optional={
        "conversation_id": ids,
        "parent_id": ids,
        "message_id": ids,
        "text": values,
        "model": values,
        "settings": turn_settings,
        "template": st.one_of(
            values, st.fixed_dictionaries({"id": ids, "version": st.one_of(st.just(1), values)})
        ),
        "surplus": values,
    },
)
changes = st.fixed_dictionaries(
    {}, optional={"title": values, "pinned": values, "archived": values, "settings": turn_settings}
)
sources = st.one_of(texts, st.sampled_from(["{{ v }}", "{% if v %}x{% endif %}", "{{ v.__class__ }}", "{%"]))
contents = st.fixed_dictionaries(
    {"name": texts, "user": sources},
    optional={
        "system": st.one_of(sources, values),
        "variables": st.one_of(
            values, st.lists(st.fixed_dictionaries({"name": st.just("v")}, optional={"default": values}))
        ),
        "sampling": sampling,
        "model": values,
    },
)
templates = st.one_of(
    st.tuples(
        st.just("/api/templates"),
        st.fixed_dictionaries({"content": contents}, optional={"scope": values, "note": values}),
    ),
    st.tuples(
        st.just("/api/templates/render"),
        st.fixed_dictionaries(
            {"values": st.one_of(values, st.dictionaries(st.sampled_from(["v", "w"]), values))},
            optional={
                "content": contents,
                "id": st.one_of(ids, st.just("starter-en-translate")),
                "version": values,
            },
        ),
    ),
    st.tuples(
        st.just("/api/templates/import"),
        st.fixed_dictionaries({"text": st.one_of(values, texts.map("webchat_template: 1\nname: ".__add__))}),
    ),
    st.tuples(st.just("/api/templates/starter-en-translate/duplicate"), values),
)
REQUESTS = st.one_of(
    templates.map(lambda request: ("POST", *request)),
    st.tuples(st.just("POST"), st.just("/api/turns"), turns),
    st.tuples(st.just("PATCH"), st.just("/api/conversations/$conversation"), changes),
    st.tuples(st.just("POST"), st.just("/api/messages/$reply/edit"), st.fixed_dictionaries({"text": values})),
    st.tuples(
        st.just("PUT"), st.just("/api/messages/$reply/rating"), st.fixed_dictionaries({"value": values})
    ),
    st.tuples(st.just("POST"), st.just("/t/redeem"), st.fixed_dictionaries({"token": values})),
    st.tuples(st.just("POST"), st.just("/t/switch"), st.fixed_dictionaries({"id": values})),
    st.tuples(
        st.sampled_from(["POST", "PATCH", "PUT"]),
        st.sampled_from(
            ["/api/turns", "/api/conversations/$conversation", "/api/messages/$reply/rating", "/t/redeem"]
        ),
        st.one_of(values, st.binary(max_size=50)),
    ),
)
QUERIES = st.dictionaries(
    st.sampled_from(["cursor", "limit", "archived", "q", "before", "from", "format", "language", "reply"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    max_size=4,
)
READS = st.sampled_from(
    [
        "/api/conversations",
        "/api/conversations/$conversation",
        "/api/conversations/%00",
        "/api/conversations/%F0%9F%92%A5",
        "/api/search",
        "/api/export",
        "/api/templates",
        "/api/templates/starter-zh-CN-translate/export",
        "/api/messages/$reply/events",
        "/api/events",
        "/api/messages/..%2F..%2Fetc",
    ]
)


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_no_request_gives_a_500(make_site: MakeSite, loop: asyncio.Runner) -> None:
    site: Any = None
    client: Any = None
    known: dict[str, str] = {}
    context: Any = make_site()

    async def begin() -> None:
        nonlocal site, client
        site = await context.__aenter__()
        client = site.client(site.visitor())
        begun = await site.send(client)
        await site.ended(client, begun["reply"]["id"])
        known.update(
            zip(IDS, (begun["conversation"]["id"], begun["user"]["id"], begun["reply"]["id"]), strict=True)
        )

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner) for key, inner in value.items()}
        return known.get(value, value) if isinstance(value, str) else value

    def url(path: str) -> str:
        for name, id in known.items():
            path = path.replace(name, id)
        return path

    async def write(method: str, path: str, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(filled(body)).encode()
        headers = {"content-type": "application/json"}
        answer = await client.request(method, url(path), content=content, headers=headers)
        assert answer.status_code < 500, answer.text
        assert answer.status_code in (200, 201, 204, 405) or set(answer.json()) == {"error"}

    async def read(path: str, query: dict[str, str]) -> None:
        answer = await client.get(url(path), params={"wait": "0", **query})
        assert answer.status_code < 500, answer.text

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(REQUESTS)
    def writes(request: tuple[str, str, Any]) -> None:
        loop.run(write(*request))

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(READS, QUERIES)
    def reads(path: str, query: dict[str, str]) -> None:
        loop.run(read(path, query))

    loop.run(begin())
    try:
        writes()
        reads()
    finally:
        loop.run(context.__aexit__(None, None, None))
