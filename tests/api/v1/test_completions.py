"""Completions of bare prompts, as a program that speaks plain HTTP sees them."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from backends.echo import EchoBackend, Step
from backends.errors import BadRequest
from backends.function import FunctionBackend
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions, FunctionOptions
from backends.types import Event, Finished, Logprobs, Message, Options, Request, TextDelta, TokenLogprob
from tests.api.conftest import MakeSite, Site, serving
from tests.api.doors import BLOCKED, MASKED, SENTENCE, moderation
from tests.api.test_keys import WAYS, held
from tests.api.v1.test_chat import chunks, nothing_left
from tests.scripted_endpoint import ScriptedEndpoint

COMPLETIONS = "/v1/completions"
LIKELY = Logprobs((TokenLogprob("Hi", -0.5, (("Hi", -0.5), ("Ho", -1.0))),))
SCRIPT: list[Step] = [LIKELY, "Hi", " there"]


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "prompt": " Once upon", **fields}


@pytest.fixture
async def client(site: Site) -> httpx.AsyncClient:
    return site.client(site.visitor())


async def test_a_completion_is_one_object_and_nothing_of_it_stays(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    answer = await client.post(COMPLETIONS, json=body(echo=True, user="ada"))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["object"] == "text_completion"
    assert told["id"].startswith("cmpl-")
    assert told["choices"] == [
        {"index": 0, "text": " Once upon Once upon", "logprobs": None, "finish_reason": "stop"}
    ]
    assert told["usage"]["total_tokens"] == 4
    assert answer.headers["x-webchat-ignored"] == "user"
    await nothing_left(tmp_path)


@pytest.mark.parametrize("echo", [False, True])
async def test_a_stream_says_the_same_and_counts_only_when_asked(
    client: httpx.AsyncClient, echo: bool
) -> None:
    said = " Once upon" * (1 + echo)
    plain = chunks((await client.post(COMPLETIONS, json=body(echo=echo, stream=True))).text)
    assert "".join(choice["text"] for chunk in plain for choice in chunk["choices"]) == said
    assert {chunk["object"] for chunk in plain} == {"text_completion"}
    assert plain[-1]["choices"][0]["finish_reason"] == "stop"
    assert all("usage" not in chunk for chunk in plain)
    asked = body(stream=True, stream_options={"include_usage": True})
    counted = chunks((await client.post(COMPLETIONS, json=asked)).text)
    assert counted[-1]["usage"]["total_tokens"] == 4


async def test_the_prompt_goes_to_the_model_as_it_is(make_site: MakeSite) -> None:
    backend = EchoBackend(reasoning="Hm.")
    async with make_site(backend, system_prompt="Be brief.") as site:
        client = site.client(site.visitor())
        asked = body(prompt=[" <|im_end|> One\n"], stop=["never"], seed=7, temperature=0.5, n=1, best_of=1)
        answer = await client.post(COMPLETIONS, json=asked)
        assert answer.json()["choices"][0]["text"] == " <|im_end|> One\n"
        (request,) = backend.requests
        assert [(one.role, one.text) for one in request.messages] == [("user", " <|im_end|> One\n")]
        assert request.options.bare_prompt
        assert (request.sampling.stop, request.sampling.seed) == (("never",), 7)
        assert request.sampling.max_tokens == 16, "many base models never end a text"
        assert answer.headers["x-webchat-ignored"] == "temperature"


@pytest.mark.parametrize("stream", [False, True])
async def test_logprobs_have_the_form_of_completions(make_site: MakeSite, stream: bool) -> None:
    async with make_site(EchoBackend(script=SCRIPT, options=True)) as site:
        client = site.client(site.visitor())
        answer = await client.post(COMPLETIONS, json=body(logprobs=2, stream=stream))
        found = chunks(answer.text) if stream else [answer.json()]
        (told,) = (c["logprobs"] for chunk in found for c in chunk["choices"] if c["logprobs"])
        assert told == {
            "tokens": ["Hi"],
            "token_logprobs": [-0.5],
            "top_logprobs": [{"Hi": -0.5, "Ho": -1.0}],
            "text_offset": [0],
        }
        refused = await client.post(COMPLETIONS, json=body(logprobs=0, echo=True))
        assert refused.json()["error"]["param"] == "logprobs"


async def test_what_has_no_place_in_a_bare_prompt_is_refused_by_name(make_site: MakeSite) -> None:
    backend = EchoBackend()
    async with make_site(backend) as site:
        client = site.client(site.visitor())
        template = {"name": "poet", "system": "Rhyme."}
        assert (await client.post("/api/templates", json={"content": template})).status_code == 201
        for asked, field in (
            (body(prompt=[1, 2, 3]), "prompt"),
            (body(prompt=["a", "b"]), "prompt"),
            (body(suffix="end"), "suffix"),
            (body(n=2), "n"),
            (body(logprobs=1), "logprobs"),
            (body(model="poet@v1"), "model"),
        ):
            error = (await client.post(COMPLETIONS, json=asked)).json()["error"]
            assert (error["param"], error["type"]) == (field, "invalid_request_error"), asked
        assert not backend.requests


async def test_a_backend_that_only_answers_conversations_is_not_asked(make_site: MakeSite) -> None:
    backend = FunctionBackend(FunctionOptions(lambda message, history: "Never."))
    async with make_site(backend) as site:
        answer = await site.client(site.visitor()).post(COMPLETIONS, json=body())
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "model"
        assert "/v1/chat/completions" in answer.json()["error"]["message"]


async def test_rules_hold_for_bare_prompts(make_site: MakeSite) -> None:
    said_by_model = ["All about the ", "secret ", "project and ", MASKED]
    backend = EchoBackend(script=said_by_model)
    async with make_site(backend, gates=moderation([])) as site:
        client = site.client(site.visitor())
        for stream in (False, True):
            answer = await client.post(COMPLETIONS, json=body(stream=stream))
            assert answer.status_code == 200
            assert "secret" not in answer.text
            assert '"content_filter"' in answer.text
        refused = await client.post(COMPLETIONS, json=body(prompt=BLOCKED))
        assert refused.json()["error"]["code"] == "content_filter"
        assert SENTENCE in refused.json()["error"]["message"]
        await client.post(COMPLETIONS, json=body(prompt=f"Call {MASKED}"))
        assert MASKED not in backend.requests[-1].messages[0].text


async def test_a_link_with_a_system_prompt_of_its_own_takes_no_bare_prompt(site: Site) -> None:
    content = {"name": "poet", "system": "Rhyme."}
    shared = site.store.create_template(site.operating().id, content, scope="shared")
    guest, _ = site.guest(template=shared.id)
    refused = await site.client(guest).post(COMPLETIONS, json=body())
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "system_prompt_fixed"


async def test_a_key_decides_whether_a_completion_is_kept(make_site: MakeSite) -> None:
    async with make_site(ways=WAYS) as site:
        mine = held(site, stored=True)
        client = site.client(None, headers={"authorization": f"Bearer {mine.token}"})
        assert (await client.post(COMPLETIONS, json=body())).status_code == 200
        (kept,) = (await client.get("/api/conversations")).json()["items"]
        told = (await client.get(f"/api/conversations/{kept['id']}")).json()
        assert [one["text"] for one in told["messages"]] == [" Once upon", " Once upon"]


async def _events(backend: OpenAICompatBackend, **fields: Any) -> list[Event]:
    asked = Request((Message("user", " Once upon"),), options=Options(bare_prompt=True), **fields)
    async with aclosing(backend.stream(asked)) as stream:
        return [event async for event in stream]


async def test_our_own_backend_asks_it(make_site: MakeSite) -> None:
    first = EchoBackend(script=[*SCRIPT, " <think>"], options=True)
    async with make_site(first, ways=WAYS) as site, serving(site.door) as url:
        options = EndpointOptions(f"{url}/v1", None, api_key=held(site, stored=False).token)
        backend = OpenAICompatBackend(options)
        try:
            events = await _events(backend, logprobs=2)
            assert "".join(one.text for one in events if isinstance(one, TextDelta)) == "Hi there <think>"
            assert LIKELY in events
            assert isinstance(events[-1], Finished)
            assert first.requests[-1].messages == (Message("user", " Once upon"),)
        finally:
            await backend.aclose()


async def test_an_endpoint_without_the_route_is_found_out_once() -> None:
    async with ScriptedEndpoint() as endpoint:
        backend = OpenAICompatBackend(EndpointOptions(endpoint.url, "words"))
        try:
            able = [backend.capabilities.bare_prompts]
            with pytest.raises(BadRequest) as refused:
                await _events(backend)
            assert refused.value.cure
            assert [*able, backend.capabilities.bare_prompts] == [True, False]
            assert not endpoint.calls
        finally:
            await backend.aclose()
