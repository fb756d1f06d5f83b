"""What the models of the HTTP API say is what is written."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from backends.types import Sampling as Chosen
from tests.openapi import openapi
from webchat.api.reading import json_bytes
from webchat.api.routes import TABLE, Row
from webchat.api.wire import turns
from webchat.api.wire.base import Answer, Body
from webchat.api.wire.conversations import Sampling
from webchat.api.wire.people import Owner
from webchat.prompts.content import SamplingContent
from webchat.turns.events import Delta

ROWS = [row for _, rows in TABLE for row in rows]


def described(row: Row) -> dict[str, Any]:
    path = row.path.replace(":path}", "}").replace(":int}", "}")
    found: dict[str, Any] = openapi()["paths"][path][row.method.lower()]
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_every_route_says_what_it_does_takes_and_answers(row: Row) -> None:
    told = described(row)
    assert told["description"]
    assert ("requestBody" in told) == (row.method in ("POST", "PUT", "PATCH") and takes_body(row))
    answer = told["responses"][str(row.status)].get("content", {}).get("application/json", {})
    assert not answer or "$ref" in answer["schema"] or row.path == "/api/openapi.json"


def takes_body(row: Row) -> bool:
    # The password of a share comes as a form, a file as bytes.
    without = ("/stop", "/restore", "/activate", "/sign-out", "/revoke", "/handover", "/s/{id}", "/data")
    return not row.path.endswith((*without, "/next"))


def test_every_model_is_described() -> None:
    def below(kind: type[Any]) -> set[str]:
        own = () if kind.__module__.startswith("webchat.mcp") else (kind.__name__,)
        return set(own).union(*(below(one) for one in kind.__subclasses__()))

    bases = {"Answer", "Body", "KeptConversation"}
    # Those of MCP are described to its clients by its own list of tools.
    assert below(Answer) | below(Body) <= openapi()["components"]["schemas"].keys() | bases


def test_a_delta_is_written_as_its_model_says() -> None:
    delta = Delta("m", 3, "reasoning", "你好\n\u2028")
    data = delta.sse.decode().partition("data: ")[2]
    assert json.loads(data) == turns.Delta.of(delta).model_dump()


def test_the_events_of_a_stream_are_all_named() -> None:
    from webchat.api import events

    source = events.__doc__ or ""
    assert all(f"`{name}`" in source for name in turns.Events.model_fields)


def test_sampling_is_the_same_everywhere() -> None:
    names = [field.name for field in fields(Chosen)]
    assert list(Sampling.model_fields) == list(SamplingContent.model_fields) == names


def test_half_a_character_is_answered_as_a_question_mark() -> None:
    owner = Owner(id="o", kind="guest", name="a\ud83d")
    assert json.loads(json_bytes(owner)) == {"id": "o", "kind": "guest", "name": "a?"}
