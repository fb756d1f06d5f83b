"""What is told of a request is what was sent: the body that was answered, and each message in its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends._sent import marked, spans
from backends.errors import BackendError
from backends.local.token_texts import _aligned, _cut
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from backends.types import Event, ImagePart, Message, Request, Retrying, Sampling, Sent, TextPart
from tests.backends.hostile_server import DONE, HostileServer, says, sse, status
from tests.scripted_endpoint import ScriptedEndpoint

GOOD = sse(says("Hi", finish="stop"), DONE)
KEY = "sk-never-shown-5b0d"
ASKED = Request(
    (Message("system", "Be brief."), Message("user", "Hello \ud83d 你好 \"'\\")),
    Sampling(temperature=0.5, top_k=5, seed=3, stop=("\n",)),
    trace=True,
)


async def events(url: str, request: Request = ASKED, *, model: str = "m") -> list[Event]:
    backend = OpenAICompatBackend(EndpointOptions(url, model, api_key=KEY, backoff=0.01))
    try:
        return [event async for event in backend.stream(request)]
    finally:
        await backend.aclose()


def only(told: list[Event]) -> Sent:
    assert isinstance(told[0], Sent)
    assert sum(isinstance(event, Sent) for event in told) == 1
    return told[0]


async def test_the_body_is_the_one_that_was_posted_and_has_no_key() -> None:
    async with ScriptedEndpoint() as endpoint:
        sent = only(await events(endpoint.url))
        assert sent.body == endpoint.calls[0].body
        assert sent.url == f"{endpoint.url}/chat/completions"
    assert sent.messages == ASKED.messages
    assert KEY not in repr(sent)


async def test_after_a_refused_field_the_last_is_the_body_that_was_answered() -> None:
    refused = status(400, json.dumps({"error": {"message": "Unsupported parameter: top_k"}}).encode())
    async with HostileServer(refused, GOOD) as server:
        told = await events(server.url)
        sent = [event for event in told if isinstance(event, Sent)]
        assert told[:2] == sent, "before anything of the reply"
        assert [one.body for one in sent] == [request.body for request in server.requests]
        assert sent[0].body is not None
        assert sent[1].body is not None
        assert sent[0].body.keys() - sent[1].body.keys() == {"top_k"}


async def test_one_that_is_tried_again_is_told_once_and_each_try_why_and_when() -> None:
    limited = status(429, headers=["Retry-After: 0"])
    async with HostileServer(status(503), limited, GOOD) as server:
        told = await events(server.url)
        assert only(told).body == server.requests[2].body
    first, second = told[1:3]
    assert isinstance(first, Retrying)
    assert isinstance(second, Retrying)
    assert [(one.code, one.attempt) for one in (first, second)] == [("unavailable", 1), ("rate_limited", 2)]
    assert min(first.seconds, second.seconds) > 0
    assert not any(isinstance(event, Retrying) for event in told[3:])


async def test_what_was_posted_is_told_also_of_a_request_that_is_never_answered() -> None:
    async with HostileServer(status(401)) as server:
        backend = OpenAICompatBackend(EndpointOptions(server.url, "m", api_key=KEY))
        stream = backend.stream(ASKED)
        told = [await anext(stream)]
        with pytest.raises(BackendError):
            await anext(stream)
        await backend.aclose()
        assert only(told).body == server.requests[0].body
        assert KEY not in repr(told)


async def test_messages_hold_no_bytes_of_images() -> None:
    picture = ImagePart(b"\x89PNG" * 100, "image/png")
    request = Request((Message("user", (TextPart("Look:"), picture)),), trace=True)
    async with HostileServer(GOOD) as server:
        sent = only(await events(server.url, request))
    assert sent.messages == (Message("user", (TextPart("Look:"), TextPart("[image/png, 400 bytes]"))),)


WORDS = st.text(st.sampled_from("user<|im_start|>\n "), max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=4), st.booleans())
def test_each_message_is_found_where_the_template_put_it(texts: list[str], strips: bool) -> None:
    def template(messages: tuple[Message, ...]) -> str:
        said = (m.text.strip() if strips else m.text for m in messages)
        return "<s>" + "".join(f"<|im_start|>user\n{words}<|im_end|>\n" for words in said) + "<|im_start|>"

    messages = tuple(Message("user", text) for text in texts)
    rendered = template(messages)
    found = spans(template(marked(messages)), rendered, messages)
    at = len("<s>")
    for text, span in zip(texts, found, strict=True):
        words = text.strip() if strips else text
        at += len("<|im_start|>user\n")
        assert span is not None
        assert rendered[slice(*span)].strip() == words.strip()
        assert at <= span[0] <= span[1] <= at + len(words)
        at += len(words) + len("<|im_end|>\n")


def test_where_a_template_writes_something_else_no_place_is_told() -> None:
    messages = (Message("user", "one"), Message("user", "two"))
    assert spans("[\ue0000\ue001][\ue0001\ue001]", "[one][other]", messages) == ()
    assert spans("[\ue0000\ue001][\ue0001\ue001]", "{one}", messages) == ()
    assert spans("[\ue0001\ue001]", "[two]", messages) == (None, (1, 4))


@given(st.text(max_size=20), st.data())
def test_pieces_join_to_the_text_whatever_a_tokenizer_says(text: str, data: st.DataObject) -> None:
    places = st.integers(0, len(text))
    offsets = data.draw(st.lists(st.tuples(places, places), min_size=1, max_size=8))
    assert "".join(_cut(text, offsets)) == text
    decoded = data.draw(st.lists(st.text(max_size=4), min_size=1, max_size=8))
    assert "".join(_aligned(decoded, text)) == text


def test_the_token_that_completes_a_character_has_it() -> None:
    assert _cut("a🎉b", [(0, 1), (1, 2), (1, 2), (1, 3)]) == ("a", "", "", "🎉b")
    assert _cut("你 好", [(0, 1), (0, 1), (2, 3)]) == ("", "你", " 好")
