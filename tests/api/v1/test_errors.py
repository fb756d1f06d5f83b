"""Errors under `/v1`, in the form that clients read, whoever answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend
from tests.api.conftest import MOST_BODY, MakeSite, Site
from tests.api.v1.malformed import MALFORMED

OPENAI = {"message", "type", "param", "code"}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == OPENAI
    assert error["message"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1", 404, "unknown_url"),
        ("POST", "/v1/v1/chat/completions", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt-17", 404, "model_not_found"),
        ("POST", "/v1/embeddings", 404, "unsupported_endpoint"),
    ],
)
async def test_what_is_not_there_says_so(site: Site, method: str, path: str, status: int, code: str) -> None:
    answer = await site.client(site.visitor()).request(method, path, json={"model": "echo", "input": "x"})
    assert answer.status_code == status
    assert error_of(answer)["code"] == code


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"{} {}"])
async def test_a_body_that_is_no_object_is_refused(site: Site, content: bytes) -> None:
    answer = await site.client(site.visitor()).post("/v1/chat/completions", content=content)
    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_json"


async def test_refusals_of_the_door_have_the_form_too(site: Site) -> None:
    stranger = site.client(None)
    refused = await stranger.get("/v1/models")
    assert refused.status_code == 401
    assert error_of(refused)["code"] == "invalid_api_key"
    elsewhere = site.client(site.visitor(), headers={"origin": "https://elsewhere.test"})
    assert error_of(await elsewhere.post("/v1/chat/completions", json={}))["type"] == "permission_error"
    large = await site.client(site.visitor()).post("/v1/chat/completions", content=b" " * (MOST_BODY + 1))
    assert large.status_code == 413
    assert error_of(large)
    answer = await stranger.get("/v1/models", headers={"anthropic-version": "2023-06-01"})
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "authentication_error"
    # Our own API keeps its form.
    assert "cure" in (await stranger.get("/api/models")).json()["error"]


async def test_an_unknown_model_is_not_found(site: Site) -> None:
    messages = [{"role": "user", "content": "x"}]
    client = site.client(site.visitor())
    for wanted in ("gpt-17", "gpt-17@v3"):
        answer = await client.post("/v1/chat/completions", json={"model": wanted, "messages": messages})
        assert answer.status_code == 404
        assert error_of(answer)["code"] == "model_not_found"


async def test_every_malformed_body_is_refused_by_the_name_of_its_field(make_site: MakeSite) -> None:
    assert len(MALFORMED) >= 300
    async with make_site() as site:
        client = site.client(site.visitor())
        for path, field, body in MALFORMED:
            answer = await client.post(path, json=body)
            assert 400 <= answer.status_code < 500, (path, body, answer.text)
            message = answer.json()["error"]["message"]
            assert field.partition("[")[0].partition(".")[0] in message, (path, field, message)


async def test_of_a_text_or_a_list_the_one_that_was_meant_is_refused(site: Site) -> None:
    client = site.client(site.visitor())
    for path, body, place, words in (
        ("responses", {"input": []}, "input", "at least 1 item"),
        ("responses", {"input": [{"role": 5}]}, "input[0].role", "'user'"),
        ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
         "messages[0].content[0].text", "valid string"),
        ("chat/completions", {"messages": [{"role": "user", "content": {"a": 1}}]},
         "messages[0].content", "valid string"),
    ):  # fmt: skip
        error = error_of(await client.post(f"/v1/{path}", json=body))
        assert error["param"] == place
        assert words in error["message"]


async def test_a_schema_that_is_nested_too_deeply_is_refused_by_its_field(make_site: MakeSite) -> None:
    schema: dict[str, Any] = {}
    for _ in range(200):
        schema = {"properties": {"a": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    wanted = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
    async with make_site(EchoBackend(options=True)) as site:
        client = site.client(site.visitor())
        body = {"model": "echo", "messages": [{"role": "user", "content": "Hi"}]}
        for more, field in (({"tools": [tool]}, "tools"), ({"response_format": wanted}, "response_format")):
            answer = await client.post("/v1/chat/completions", json={**body, **more})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
