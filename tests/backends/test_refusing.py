"""Over real HTTP: endpoints that take less than they are asked for answer all the same, soon and for good."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing, nullcontext
from typing import Any

import pytest

from backends.base import Completion, collect
from backends.errors import BackendError, BadRequest, ContextTooLong, RateLimited
from backends.openai_compat import OpenAICompatBackend
from backends.openai_compat.refusals.negotiation import Learned
from backends.openai_compat.refusals.variants import NEEDS, features
from backends.options import EndpointOptions
from backends.types import Event, Finished, Message, Request, Sampling, Sent, TextDelta
from tests.backends.hostile_server import DONE, Answer, Asked, HostileServer, says, sse, status
from tests.backends.more_refusing import MORE, TOGETHER
from tests.backends.refusing import SERVERS, Refuses, Server, has, openai, reply, role, says_so

KEY = "sk-very-secret-key-123456"
HELLO = (Message("system", "Be brief."), Message("user", "Hello"))
EVERYTHING = Request(
    HELLO,
    Sampling(0.5, 0.9, top_k=40, min_p=0.1, repetition_penalty=1.1, max_tokens=9, seed=7, stop=("END",)),
    logprobs=2,
)


class Kept:
    """What a memory was given."""

    def __init__(self) -> None:
        self.learned: dict[tuple[str, str], Learned] = {}

    def recall(self, endpoint: str, model: str) -> Learned | None:
        return self.learned.get((endpoint, model))

    def keep(self, endpoint: str, model: str, learned: Learned) -> None:
        self.learned[endpoint, model] = learned


def connect(server: HostileServer, **options: Any) -> OpenAICompatBackend:
    return OpenAICompatBackend(EndpointOptions(server.url, "m", api_key=KEY, backoff=0.01, **options))


async def ask(backend: OpenAICompatBackend, request: Request = EVERYTHING) -> Completion:
    return await collect(backend.stream(request))


async def read_into(events: list[Event], backend: OpenAICompatBackend) -> None:
    async with aclosing(backend.stream(EVERYTHING)) as stream:
        async for event in stream:
            events.append(event)  # an error must leave what came before it


def test_there_are_forty_of_them() -> None:
    assert len({server.name for server in SERVERS}) == len(SERVERS) >= 40


@pytest.mark.parametrize("server", [*SERVERS, *MORE], ids=lambda server: server.name)
async def test_what_is_refused_is_found_once_and_only_that_is_left_out(server: Server) -> None:
    async with HostileServer(server) as endpoint:
        backend = connect(endpoint)
        for count in range(3):
            before = len(endpoint.requests)
            answer = await ask(backend)
            assert answer.text == "OK then."
            assert len(endpoint.requests) - before <= (1 + server.extra if count == 0 else 1)
        await backend.aclose()
        whole, last = endpoint.requests[0].body, endpoint.requests[-1].body
    gone = {*features(whole)} - {*features(last)}
    gone -= {feature for feature, needed in NEEDS.items() if needed in gone and feature not in server.without}
    assert gone == {*features(whole)} & server.without
    words = " ".join(message["content"] for message in last["messages"])
    assert words.split() == ["Be", "brief.", "Hello"]


@pytest.mark.parametrize("server", TOGETHER, ids=lambda server: server.name)
async def test_several_unnamed_ones_cost_one_request_more_with_few_later_replies(
    server: Server,
) -> None:
    """Which of many it is four requests cannot find; so what was accepted is tried again one by one."""
    async with HostileServer(server) as endpoint:
        backend = connect(endpoint)
        more = []
        for count in range(20):
            before = len(endpoint.requests)
            assert (await ask(backend)).text == "OK then."
            more.append(len(endpoint.requests) - before - 1)
            assert more[-1] <= (4 if count == 0 else 1)
        await backend.aclose()
        whole, last = endpoint.requests[0].body, endpoint.requests[-1].body
    assert sum(more[1:]) <= len(server.refuses) + 1
    assert not any(more[-3:])
    gone = {*features(whole)} - {*features(last)}
    gone -= {feature for feature, needed in NEEDS.items() if needed in gone}
    assert gone == {*features(whole)} & server.without


async def test_a_restart_remembers_and_another_model_does_not() -> None:
    kept = Kept()
    async with HostileServer(SERVERS[0]) as endpoint:
        for model, requests in (("m", 2), ("m", 1), ("n", 2)):
            before = len(endpoint.requests)
            backend = OpenAICompatBackend(EndpointOptions(endpoint.url, model, memory=kept))
            await ask(backend)
            await backend.aclose()
            assert len(endpoint.requests) - before == requests


async def test_what_is_remembered_is_in_the_capabilities_before_the_first_request() -> None:
    kept = Kept()
    backend = OpenAICompatBackend(EndpointOptions("http://127.0.0.1:9/v1", "m"))
    assert "top_k" in backend.capabilities.sampling
    kept.keep(backend.address.identity, "m", Learned(frozenset({"top_k", "system", "max_tokens", "stop"})))
    backend = OpenAICompatBackend(EndpointOptions("http://127.0.0.1:9/v1", "m", memory=kept))
    assert "top_k" not in backend.capabilities.sampling
    assert not backend.capabilities.system_role
    assert {"max_tokens", "stop"} <= backend.capabilities.sampling


@pytest.mark.parametrize(
    "words",
    [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "messages: first message must use the user role",
        "A conversation must start with a user message.",
        "Invalid request",
    ],
)
async def test_an_endpoint_whose_conversations_start_with_the_user_is_told_of_the_opening(
    words: str,
) -> None:
    def opened(body: dict[str, Any]) -> bool:
        roles: list[str] = [message["role"] for message in body["messages"]]
        return next(role for role in roles if role != "system") == "assistant"

    asked = Request((HELLO[0], Message("assistant", "Ask me."), HELLO[1]))
    async with HostileServer(
        Server("", [Refuses(opened, says_so(400, openai(words)))], frozenset())
    ) as endpoint:
        backend = connect(endpoint)
        for _ in range(4):
            answer = await ask(backend, asked)
            assert answer.text == "OK then."
            assert "without" not in answer.finished.details
        assert not backend.capabilities.speaks_first
        assert backend.capabilities.system_role
        await backend.aclose()
    system, user = endpoint.requests[-1].body["messages"]
    assert (system["role"], user) == ("system", {"role": "user", "content": "Hello"})
    assert system["content"].startswith("Be brief.")
    assert system["content"].endswith("Ask me.")


async def test_what_the_operator_leaves_out_is_never_sent() -> None:
    async with HostileServer(reply) as endpoint:
        backend = connect(endpoint, leave_out=("stream_options", "top_k"))
        await ask(backend)
        await backend.aclose()
        assert not {"stream_options", "top_k"} & endpoint.requests[0].body.keys()
        assert len(endpoint.requests) == 1


async def test_a_reply_says_what_its_request_was_made_without() -> None:
    refuses = [Refuses(has(field), says_so(400, openai(f"no {field}"))) for field in ("top_k", "seed")]
    async with HostileServer(Server("", refuses, frozenset())) as endpoint:
        backend = connect(endpoint)
        assert (await ask(backend)).finished.details["without"] == "top_k,seed"
        assert (await ask(backend)).finished.details["without"] == "top_k,seed"
        assert "without" not in (await ask(backend, Request(HELLO))).finished.details
        await backend.aclose()


async def test_the_last_body_told_is_the_one_that_was_answered() -> None:
    for server in SERVERS:
        async with HostileServer(server) as endpoint:
            backend = connect(endpoint)
            request = Request(EVERYTHING.messages, EVERYTHING.sampling, logprobs=2, trace=True)
            events = [event async for event in backend.stream(request)]
            await backend.aclose()
            told = [event.body for event in events if isinstance(event, Sent)]
            kinds = [isinstance(event, Sent) for event in events]
            assert kinds == sorted(kinds, reverse=True)
            assert isinstance(events[-1], Finished)
            assert told[-1] in [asked.body for asked in endpoint.requests]
            # An answer that was held is read when nothing fuller was accepted.
            accepted = [asked.body for asked in endpoint.requests if b" 200 " in server(asked).pieces[0]]
            assert told[-1] in accepted


async def test_nothing_is_tried_again_after_the_first_token() -> None:
    failure = {"error": {"message": "Unsupported parameter: top_k", "code": 400}}
    async with HostileServer(sse(says("Hi"), failure)) as endpoint:
        backend = connect(endpoint)
        events: list[Event] = []
        with pytest.raises(BadRequest):
            await read_into(events, backend)
        await backend.aclose()
        assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi"]
        assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says_so(400, openai("Filtered.", code="content_filter")), BadRequest),
        (says_so(400, openai("maximum context length is 5 tokens")), ContextTooLong),
        (says_so(400, openai("temperature must be at most 0.1")), BadRequest),
        (says_so(429, openai("top_k is refused for now")), RateLimited),
    ],
)
async def test_a_refusal_that_leaving_out_does_not_mend_is_told_at_once(
    answer: Answer, error: type[BackendError]
) -> None:
    async with HostileServer(answer) as endpoint:
        backend = connect(endpoint, retries=0)
        with pytest.raises(error):
            await ask(backend)
        await backend.aclose()
        assert len(endpoint.requests) == 1


async def test_a_search_in_vain_tells_the_first_refusal_and_remembers_nothing() -> None:
    kept, counted = Kept(), iter(range(1000))

    def refuses(_: Asked) -> Answer:
        return says_so(400, openai(f"No, for the {'first' if next(counted) == 0 else 'next'} time."))

    async with HostileServer(refuses) as endpoint:
        backend = connect(endpoint, memory=kept)
        before = backend.capabilities
        with pytest.raises(BadRequest, match="for the first time"):
            await ask(backend)
        await backend.aclose()
        assert len(endpoint.requests) <= 5
        assert backend.capabilities == before
    assert not kept.learned


async def test_what_nothing_helped_against_is_not_searched_for_again_until_a_reply_came() -> None:
    """As servers do that judge what is said, in words that nobody knows."""

    def judges(asked: Asked) -> Answer:
        words = json.dumps(asked.body["messages"])
        return says_so(400, openai("Nope.")) if "bad" in words else reply(asked)

    def request(words: str) -> Request:
        return Request((Message("user", words),), EVERYTHING.sampling)

    async with HostileServer(judges) as endpoint:
        backend = connect(endpoint)
        for words, most in [
            ("bad one", 5),
            ("bad one", 1),
            ("bad two", 1),
            ("good", 1),
            ("bad two", 1),
            ("bad two", 1),
            ("bad three", 5),
            ("bad four", 1),
            ("good", 1),
        ]:
            before = len(endpoint.requests)
            with pytest.raises(BadRequest) if "bad" in words else nullcontext():
                await ask(backend, request(words))
            assert len(endpoint.requests) - before <= most
        await backend.aclose()
        assert endpoint.requests[-1].body == endpoint.requests[0].body | {
            "messages": [{"role": "user", "content": "good"}]
        }


async def test_another_failure_in_the_middle_of_a_search_is_told_itself() -> None:
    answers = says_so(400, b""), says_so(400, openai("maximum context length is 5 tokens"))
    async with HostileServer(*answers) as endpoint:
        backend = connect(endpoint)
        with pytest.raises(ContextTooLong):
            await ask(backend)
        await backend.aclose()


async def test_a_busy_endpoint_is_asked_again_with_what_was_found_so_far() -> None:
    refused, good = says_so(400, openai("Unknown: top_k")), sse(says("OK then.", finish="stop"), DONE)
    async with HostileServer(refused, status(503), good) as endpoint:
        backend = connect(endpoint)
        assert (await ask(backend)).text == "OK then."
        await backend.aclose()
        assert ["top_k" in asked.body for asked in endpoint.requests] == [True, False, False]


async def test_a_fuller_request_that_fails_otherwise_leaves_the_answer_that_was_held() -> None:
    """The server takes no second request while it answers the first."""
    accepted = 0

    def one_at_a_time(asked: Asked) -> Answer:
        nonlocal accepted
        if "top_k" in asked.body:
            return says_so(400, b"")
        accepted += 1
        return reply(asked) if accepted == 1 else status(429)

    async with HostileServer(one_at_a_time) as endpoint:
        backend = connect(endpoint)
        events = [event async for event in backend.stream(Request(HELLO, EVERYTHING.sampling, trace=True))]
        await backend.aclose()
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "OK then."
        told = [event.body for event in events if isinstance(event, Sent)]
        assert told[-1] == next(asked.body for asked in endpoint.requests if "top_k" not in asked.body)


async def test_of_requests_that_are_refused_at_once_one_searches() -> None:
    """Each is refused once, as it was on its way already, and answered the second time."""
    for server in SERVERS[:3] + SERVERS[-10:]:
        async with HostileServer(server) as endpoint:
            backend = connect(endpoint)
            await backend.start()
            replies = await asyncio.gather(*(ask(backend) for _ in range(10)))
            assert {reply.text for reply in replies} == {"OK then."}
            assert len(endpoint.requests) <= 10 + server.extra + 9
            before = len(endpoint.requests)
            await asyncio.gather(*(ask(backend) for _ in range(10)))
            assert len(endpoint.requests) == before + 10
            await backend.aclose()


async def test_those_who_wait_for_a_search_in_vain_do_not_search_again() -> None:
    async with HostileServer(says_so(400, openai("No."))) as endpoint:
        backend = connect(endpoint)
        await backend.start()
        failures = await asyncio.gather(*(ask(backend) for _ in range(10)), return_exceptions=True)
        await backend.aclose()
        assert all(isinstance(failure, BadRequest) for failure in failures)
        assert len(endpoint.requests) <= 10 + 4


async def test_a_stopped_search_lets_the_next_one_search() -> None:
    async with HostileServer(says_so(400, b""), Answer([], "hang"), SERVERS[0]) as endpoint:
        backend = connect(endpoint)
        stopped = asyncio.create_task(ask(backend))
        async with asyncio.timeout(60):
            for _ in range(2):
                await endpoint.asked.wait()
                endpoint.asked.clear()
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        assert (await ask(backend)).text == "OK then."
        await backend.aclose()


@pytest.mark.parametrize(
    "body",
    [
        "Das geht so nicht. {}",
        "<html><title>400</title><body>Das geht so <b>nicht.</b> {}</body></html>",
        {"error": {"message": "Das geht so nicht. {}"}},
        {"error": {"error": {"reason": "Das geht so nicht. {}"}}},
        {"status_msg": "Das geht so nicht. {}"},
        {"errors": [{"title": "Das geht so nicht. {}"}]},
        [{"error": {"message": "Das geht so nicht. {}"}}],
        ["Das geht so nicht. {}"],
        {"detail": [{"loc": ["body"], "msg": "Das geht so nicht. {}"}]},
    ],
)
async def test_the_servers_own_words_are_told_whatever_they_are_wrapped_in_and_no_key(
    body: object, caplog: pytest.LogCaptureFixture
) -> None:
    raw = body if isinstance(body, str) else json.dumps(body)
    caplog.set_level(logging.DEBUG)
    async with HostileServer(says_so(400, raw.replace("{}", KEY))) as endpoint:
        backend = connect(endpoint)
        with pytest.raises(BadRequest) as caught:
            await ask(backend)
        await backend.aclose()
    assert "Das geht so nicht." in caught.value.message
    assert len(caught.value.message) < 500
    assert "Das geht so nicht." in caplog.text
    assert KEY not in f"{caught.value} {caught.value.__cause__!r} {caplog.text}"


async def test_a_role_that_is_refused_after_a_field_is_found_too_and_the_question_keeps_its_words() -> None:
    refuses = [
        Refuses(role("system"), says_so(400, openai("Only user and assistant roles are supported!"))),
        Refuses(has("stream"), says_so(400, openai("bad value", param="stream"))),
    ]
    async with HostileServer(Server("", refuses, frozenset())) as endpoint:
        backend = connect(endpoint)
        answer = await ask(backend, Request(HELLO))
        await backend.aclose()
        assert (answer.text, answer.usage is not None) == ("OK then.", True)
        assert endpoint.requests[-1].body == {
            "model": "m",
            "messages": [{"role": "user", "content": "Be brief.\n\nHello"}],
        }
        assert len(endpoint.requests) == 3
