"""What the remote backend asks for, what it learns, and how it reads what good endpoints send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from backends.base import Completion, LoadProgress, collect
from backends.errors import (
    AuthFailed,
    BadRequest,
    BadResponse,
    ModelNotFound,
    RateLimited,
    Timeout,
    Unavailable,
)
from backends.openai_compat import OpenAICompatBackend, RemoteModel, Timeouts, list_models
from backends.options import EndpointOptions
from backends.types import ImagePart, Message, Request, Sampling, TextPart, ToolCallDelta, Usage
from tests.backends.hostile_server import DONE, USAGE, Answer, HostileServer, says, sse, status
from tests.llama_server import CONTEXT_PER_SLOT, LlamaServer

HELLO = Request((Message("user", "Hello"),))
GOOD = sse(says("Hi", finish="stop"), USAGE, DONE)
ALL = Sampling(
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    min_p=0.1,
    repetition_penalty=1.1,
    max_tokens=9,
    seed=7,
    stop=("END",),
)


def listing(*rows: dict[str, Any]) -> Answer:
    return status(200, json.dumps({"object": "list", "data": list(rows)}).encode())


def refusal(message: str, code: int = 400) -> Answer:
    return status(code, json.dumps({"error": {"message": message}}).encode())


async def ask(
    server: HostileServer, request: Request = HELLO, *, times: int = 1, **options: Any
) -> tuple[OpenAICompatBackend, list[Completion]]:
    backend = OpenAICompatBackend(
        EndpointOptions(server.url, "m", **({"backoff": 0.01, "retries": 2} | options))
    )
    try:
        return backend, [await collect(backend.stream(request)) for _ in range(times)]
    finally:
        await backend.aclose()


async def reading(*pieces: bytes | str | dict[str, Any]) -> Completion:
    async with HostileServer(sse(*pieces)) as server:
        return (await ask(server))[1][0]


# What is sent


async def test_only_what_was_set_is_sent() -> None:
    async with HostileServer(GOOD) as server:
        await ask(server)
        assert server.requests[0].body == {
            "model": "m",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("owner", "its_own"),
    [
        ("vllm", {"repetition_penalty": 1.1}),
        ("llamacpp", {"repeat_penalty": 1.1, "cache_prompt": False}),
    ],
)
async def test_every_sampling_parameter_is_sent_under_the_endpoints_name(
    owner: str, its_own: dict[str, object]
) -> None:
    models = listing({"id": "m", "owned_by": owner, "max_model_len": 99})
    async with HostileServer(GOOD, models=models) as server:
        await ask(server, Request((Message("user", "Hello"),), ALL), api_key=" key ")
        body = server.requests[0].body
        assert server.requests[0].headers["authorization"] == "Bearer key"
    for name in ("model", "messages", "stream", "stream_options"):
        del body[name]
    assert body == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        **its_own,
        "max_tokens": 9,
        "seed": 7,
        "stop": ["END"],
    }


async def test_images_go_as_data_urls_in_reading_order() -> None:
    content = (TextPart("What is "), ImagePart(b"\x89PNG", "image/png"), TextPart("?"))
    async with HostileServer(GOOD) as server:
        await ask(server, Request((Message("user", content),)))
        assert server.requests[0].body["messages"][0]["content"] == [
            {"type": "text", "text": "What is "},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
            {"type": "text", "text": "?"},
        ]


@pytest.mark.parametrize(
    ("owner", "extra"),
    [("vllm", {"continue_final_message": True, "add_generation_prompt": False}), ("llamacpp", {})],
)
async def test_a_prefill_is_asked_for_in_the_endpoints_way(owner: str, extra: dict[str, Any]) -> None:
    request = Request((*HELLO.messages, Message("assistant", "Hi th")), continue_final=True)
    models = listing({"id": "m", "owned_by": owner, "max_model_len": 99})
    async with HostileServer(GOOD, models=models) as server:
        backend, _ = await ask(server, request)
        body = server.requests[0].body
    assert backend.capabilities.prefill
    assert body["messages"][-1] == {"role": "assistant", "content": "Hi th"}
    assert {
        k: v for k, v in body.items() if k in ("continue_final_message", "add_generation_prompt")
    } == extra


async def test_a_lone_surrogate_in_the_conversation_does_not_stop_it() -> None:
    async with HostileServer(GOOD) as server:
        await ask(server, Request((Message("user", "a\ud83d"),)))
        assert server.requests[0].body["messages"][0]["content"] == "a?"


@pytest.mark.parametrize(
    ("given", "path"),
    [("", "/v1"), ("/", "/v1"), ("/api/v3/", "/api/v3"), ("/v1/chat/completions", "/v1")],
)
async def test_addresses_are_completed(given: str, path: str) -> None:
    async with HostileServer(GOOD) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url.removesuffix("/v1") + given, "m"))
        await collect(backend.stream(HELLO))
        await backend.aclose()
        assert server.requests[0].path == f"{path}/chat/completions"


@pytest.mark.parametrize("url", ["", "model", "ftp://host/v1", "http://", "http://[::1/v1"])
def test_what_is_no_web_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadRequest):
        OpenAICompatBackend(EndpointOptions(url, "m"))


async def test_a_key_that_no_header_can_hold_is_refused_without_being_shown() -> None:
    backend = OpenAICompatBackend(EndpointOptions("http://127.0.0.1:9/v1", "m", api_key="geheim-ü\n-key"))
    with pytest.raises(AuthFailed) as caught:
        await backend.start()
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(backend)


# What is learned


async def test_a_refused_field_is_left_out_once_and_for_all() -> None:
    refused = refusal("Unrecognized request argument supplied: top_k")
    async with HostileServer(refused, GOOD) as server:
        backend, replies = await ask(server, Request(HELLO.messages, ALL), times=2)
        assert [reply.text for reply in replies] == ["Hi", "Hi"]
        assert ["top_k" in asked.body for asked in server.requests] == [True, False, False]
        assert server.requests[1].body["min_p"] == 0.1
    assert "top_k" not in backend.capabilities.sampling
    assert "min_p" in backend.capabilities.sampling


async def test_several_refused_fields_are_learned_one_after_another() -> None:
    refusals = [
        refusal("Unsupported parameter: stream_options"),
        refusal("extra fields not permitted: min_p", 422),
        refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refusal("seed is not supported"),
    ]
    async with HostileServer(*refusals, GOOD) as server:
        backend, _ = await ask(server, Request(HELLO.messages, ALL))
        body = server.requests[-1].body
    assert not {"stream_options", "min_p", "max_tokens", "seed"} & body.keys()
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" in backend.capabilities.sampling
    assert not {"min_p", "seed"} & backend.capabilities.sampling


async def test_an_endpoint_that_refuses_everything_is_believed_after_four_more_requests() -> None:
    async with HostileServer(refusal("Unsupported parameter: top_k"), refusal("No.")) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        before = backend.capabilities
        with pytest.raises(BadRequest, match="Unsupported parameter: top_k"):
            await collect(backend.stream(Request(HELLO.messages, ALL)))
        await backend.aclose()
        assert len(server.requests) == 5
    assert backend.capabilities == before


async def test_a_bad_value_is_told_and_nothing_is_left_out() -> None:
    async with HostileServer(refusal("temperature must be at most 2")) as server:
        with pytest.raises(BadRequest, match="temperature must be at most 2"):
            await ask(server, Request(HELLO.messages, ALL))
        assert len(server.requests) == 1


async def test_a_refused_system_message_moves_into_the_first_question() -> None:
    messages = (Message("system", "Be brief."), Message("user", "Hello"))
    async with HostileServer(refusal("System role not supported"), GOOD) as server:
        backend, _ = await ask(server, Request(messages))
        assert server.requests[1].body["messages"] == [{"role": "user", "content": "Be brief.\n\nHello"}]
    assert not backend.capabilities.system_role


async def test_a_refused_prefill_is_remembered() -> None:
    request = Request((*HELLO.messages, Message("assistant", "Hi th")), continue_final=True)
    refused = refusal("Unsupported parameter: add_generation_prompt")
    async with HostileServer(refused, GOOD) as server:
        backend, _ = await ask(server, request, prefill=True)
    assert not backend.capabilities.prefill


# What is tried again


async def test_a_busy_endpoint_is_asked_again_with_patience() -> None:
    async with HostileServer(status(503), status(502), GOOD) as server:
        _, replies = await ask(server)
        assert (replies[0].text, len(server.requests)) == ("Hi", 3)
    async with HostileServer(status(503)) as server:
        with pytest.raises(Unavailable):
            await ask(server)
        assert len(server.requests) == 3


async def test_a_short_retry_after_is_waited_for_and_a_long_one_is_told() -> None:
    async with HostileServer(status(429, headers=["Retry-After: 0"]), GOOD) as server:
        _, replies = await ask(server)
        assert replies[0].text == "Hi"
    async with HostileServer(status(429, headers=["Retry-After: 3600"]), GOOD) as server:
        with pytest.raises(RateLimited) as caught:
            await ask(server)
        assert caught.value.retry_after == 3600
        assert len(server.requests) == 1


@pytest.mark.parametrize("code", [401, 403, 404, 413, 504])
async def test_what_would_fail_again_is_not_tried_again(code: int) -> None:
    async with HostileServer(status(code)) as server:
        with pytest.raises((BadRequest, AuthFailed, ModelNotFound, Timeout)):
            await ask(server)
        assert len(server.requests) == 1


async def test_retries_end_with_the_time_for_the_first_token() -> None:
    async with HostileServer(status(503)) as server:
        with pytest.raises(Unavailable):
            await ask(server, retries=50, backoff=0.05, timeouts=Timeouts(first_token=0.3))
        assert len(server.requests) < 6


# What is read


async def test_reasoning_fields_and_tags_are_kept_apart_from_the_answer() -> None:
    for name in ("reasoning_content", "reasoning"):
        reply = await reading(says(**{name: "Let me "}), says(**{name: "see."}), says("42", finish="stop"))
        assert (reply.reasoning, reply.text) == ("Let me see.", "42")
    reply = await reading(says("<thi"), says("nk>\nLet me see.</th"), says("ink>\n42", finish="stop"))
    assert (reply.reasoning, reply.text) == ("Let me see.", "42")


async def test_content_in_parts_is_read() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    reply = await reading(says(content=[thinking, {"type": "text", "text": "Hi"}, {"type": "odd"}]), DONE)
    assert (reply.reasoning, reply.text) == ("hm", "Hi")


async def test_tool_calls_are_passed_on_piece_by_piece() -> None:
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "now", "arguments": ""}}
    second = {"index": 0, "function": {"arguments": '{"zone"'}}
    async with HostileServer(
        sse(says(tool_calls=[first]), says(tool_calls=[second]), says(finish="tool_calls"), DONE)
    ) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        events = [event async for event in backend.stream(HELLO)]
        await backend.aclose()
    assert events[:2] == [ToolCallDelta(0, "c1", "now", ""), ToolCallDelta(0, None, None, '{"zone"')]


@pytest.mark.parametrize("tells", [True, False])
async def test_an_endpoint_that_passes_over_the_wish_for_logprobs_offers_none_from_then_on(
    tells: bool,
) -> None:
    told = says("Hi", finish="stop")
    if tells:
        told["choices"][0]["logprobs"] = {"content": [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]}
    async with HostileServer(sse(told, DONE)) as server:
        backend, _ = await ask(server, Request(HELLO.messages, logprobs=1))
    assert backend.capabilities.logprobs == tells


async def test_who_answered_and_how_it_ended_is_told() -> None:
    end = says(finish="content_filter") | {"model": "real-model", "system_fingerprint": "fp_1"}
    first = says("Hi") | {"model": "real-model", "system_fingerprint": "fp_1"}
    cached = {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}
    reply = await reading(first, end, {"choices": [], "usage": cached}, DONE)
    assert (reply.finished.model, reply.finished.revision) == ("real-model", "fp_1")
    assert reply.finished.reason == "content_filter"
    assert reply.usage == Usage(5, 2, 3)


@pytest.mark.parametrize(
    ("said", "reason"), [("eos", "stop"), ("max_tokens", "length"), ("function_call", "tool_calls")]
)
async def test_other_words_for_an_end_are_understood(said: str, reason: str) -> None:
    reply = await reading(says("Hi", finish=said))
    assert (reply.finished.reason, reply.finished.details) == (reason, {})


async def test_an_unknown_end_is_kept_and_an_aborted_one_is_an_error() -> None:
    assert (await reading(says("Hi", finish="odd"))).finished.details == {"finish_reason": "odd"}
    for word in ("error", "abort"):
        with pytest.raises(BadResponse):
            await reading(says("Hi", finish=word), DONE)


async def test_events_of_one_network_piece_come_at_once_and_in_order() -> None:
    body = b"".join(b"data: %s\n\n" % json.dumps(says(str(n))).encode() for n in range(100))
    reply = await reading(body, says(finish="stop"))
    assert reply.text == "".join(map(str, range(100)))


# What an endpoint tells about itself


SEES = {"architecture": {"input_modalities": ["text", "image"]}}
ROWS: list[tuple[dict[str, Any], RemoteModel]] = [
    ({"id": "a", "owned_by": "vllm", "max_model_len": 8192}, RemoteModel("a", "vllm", 8192)),
    ({"id": "b", "owned_by": "llamacpp", "meta": {"n_ctx": 512}}, RemoteModel("b", "llamacpp", 512)),
    ({"id": "c", "context_length": 9} | SEES, RemoteModel("c", "", 9, True)),
    ({"id": "d", "owned_by": 5, "meta": "x", "max_model_len": "many"}, RemoteModel("d")),
]


async def test_models_are_listed_with_what_is_known_of_them() -> None:
    async with HostileServer(GOOD, models=listing(*(row for row, _ in ROWS), {"id": 5}, {})) as server:
        assert await list_models(server.url) == tuple(model for _, model in ROWS)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status(401), AuthFailed),
        (status(200, b"<html>"), BadResponse),
        (status(200, b"{}"), BadResponse),
        (status(503), Unavailable),
    ],
)
async def test_a_list_that_cannot_be_had_is_an_error_of_ours(answer: Answer, expected: type) -> None:
    async with HostileServer(GOOD, models=answer) as server:
        with pytest.raises(expected):
            await list_models(server.url, "key")


async def test_listing_gives_up_in_time() -> None:
    async with HostileServer(GOOD, models=Answer([], "hang")) as server:
        with pytest.raises(Timeout):
            await list_models(server.url, within=0.1)


async def test_an_old_llama_server_is_asked_for_its_window() -> None:
    props = status(200, b'{"default_generation_settings": {"n_ctx": 777}, "modalities": {"vision": true}}')
    async with HostileServer(props, models=listing({"id": "m", "owned_by": "llamacpp"})) as server:
        assert await list_models(server.url) == (RemoteModel("m", "llamacpp", 777, True),)
        assert server.requests[0].path == "/props"


async def test_the_first_model_is_taken_where_none_was_named() -> None:
    async with HostileServer(GOOD, models=listing({"id": "first"}, {"id": "second"})) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url))
        await collect(backend.stream(HELLO))
        await backend.aclose()
        assert backend.model == "first"
        assert server.requests[0].body["model"] == "first"
    async with HostileServer(GOOD, models=listing()) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url))
        with pytest.raises(ModelNotFound):
            await backend.start()


async def test_start_says_that_it_connects_and_can_be_tried_again() -> None:
    seen: list[LoadProgress] = []
    async with HostileServer(GOOD, models=status(503)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        with pytest.raises(Unavailable):
            await backend.start(seen.append)
        server.models = listing({"id": "m", "max_model_len": 99})
        await backend.start(seen.append)
        await backend.aclose()
    assert seen == [LoadProgress("connecting")] * 2
    assert backend.capabilities.context_length == 99


async def test_what_was_given_counts_more_than_what_is_told() -> None:
    models = listing({"id": "m", "owned_by": "vllm", "max_model_len": 99})
    async with HostileServer(GOOD, models=models) as server:
        backend, _ = await ask(server, context_length=50, images=True, prefill=False)
    known = backend.capabilities
    assert (known.context_length, known.images, known.prefill) == (50, True, False)


# The real thing


@pytest.fixture
async def llama(llama_server: LlamaServer) -> AsyncIterator[OpenAICompatBackend]:
    backend = OpenAICompatBackend(EndpointOptions(llama_server.url))
    await backend.start()
    yield backend
    await backend.aclose()


async def test_a_real_llama_server_is_recognised(llama: OpenAICompatBackend) -> None:
    assert llama.model == "smol"
    assert llama.capabilities.context_length == CONTEXT_PER_SLOT
    assert llama.capabilities.prefill
    assert llama.capabilities.seed


async def test_a_real_model_knows_the_capital_of_france_each_time(llama: OpenAICompatBackend) -> None:
    """Each stream ends with its connection closed by the server, without notice; none of it is seen."""
    question = Message("user", "What is the capital of France?")
    request = Request((question,), Sampling(temperature=0, max_tokens=12))
    for _ in range(15):
        reply = await collect(llama.stream(request))
        assert "Paris" in reply.text
        assert reply.usage is not None
        assert reply.finished.model == "smol"


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_a_stop_string_is_cut_where_the_endpoint_sends_it_along(size: int) -> None:
    said = "One ENough. END of it."
    pieces = [says(said[at : at + size]) for at in range(0, len(said), size)]
    request = Request((Message("user", "Hello"),), Sampling(stop=("END", "STOP")))
    async with HostileServer(sse(*pieces, says(finish="length"), USAGE, DONE)) as server:
        _, (completion,) = await ask(server, request)
    assert completion.text == "One ENough. "
    assert completion.finished.reason == "stop"
    assert completion.usage is not None


async def test_an_endpoint_that_writes_on_behind_a_stop_string_is_left() -> None:
    request = Request((Message("user", "Hello"),), Sampling(stop=("END",)))
    endless = sse(says("One END"), *[says(" more")] * 1000, pause=0.1, end="hang")
    async with HostileServer(endless) as server:
        _, (completion,) = await asyncio.wait_for(ask(server, request), 60)
    assert (completion.text, completion.finished.reason) == ("One ", "stop")


async def test_stop_strings_work_where_the_endpoint_refuses_them() -> None:
    refusal = {"error": {"message": "Unsupported parameter: 'stop'", "param": "stop"}}
    refused = status(400, json.dumps(refusal).encode())
    request = Request((Message("user", "Hello"),), Sampling(stop=("END",)))
    async with HostileServer(refused, sse(says("One END two", finish="stop"), DONE)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m"))
        assert (await collect(backend.stream(request))).text == "One "
        assert "stop" not in server.requests[-1].body
        assert "stop" in backend.capabilities.sampling
        await backend.aclose()


async def test_a_broken_list_of_models_is_no_reason_not_to_ask_a_model_that_is_named() -> None:
    async with HostileServer(GOOD, models=status(500, b"Internal Server Error")) as server:
        assert (await ask(server))[1][0].text == "Hi"
