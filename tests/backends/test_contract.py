"""The law of `backends.base`, over every backend in `tests.backends.cases`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import cast

import pytest

from backends.base import Backend, Capabilities, Completion, LoadProgress, collect
from backends.errors import BackendError, BadRequest, ContextTooLong
from backends.types import (
    Event,
    Finished,
    Logprobs,
    Message,
    Options,
    ReasoningDelta,
    Request,
    Sampling,
    Sent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from tests.backends.cases import BackendCase
from tests.beats import beating

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ask(text: str, *, max_tokens: int = 24, seed: int | None = None, stop: tuple[str, ...] = ()) -> Request:
    """A greedy request (or a seeded one at temperature 1)."""
    temperature = 0.0 if seed is None else 1.0
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed, stop=stop)
    return Request((Message("user", text),), sampling)


def opened(backend: Backend, request: Request) -> aclosing[AsyncGenerator[Event, None]]:
    """The stream, closed when the block ends."""
    return aclosing(cast(AsyncGenerator[Event, None], backend.stream(request)))


async def events_of(backend: Backend, request: Request) -> list[Event]:
    async with opened(backend, request) as stream:
        return [event async for event in stream]


async def reply(backend: Backend, request: Request) -> Completion:
    async with opened(backend, request) as stream:
        return await collect(stream)


async def first_delta(stream: AsyncGenerator[Event, None]) -> Event:
    async for event in stream:
        if isinstance(event, TextDelta | ReasoningDelta):
            return event
    raise AssertionError("the stream ended without text")


async def freed(case: BackendCase, backend: Backend) -> bool:
    """Whether no stream holds a slot, soon: a server may take a moment to see a connection closed."""
    async with beating() as time:
        while await case.live(backend):
            if time.seconds > 3:
                return False
            await asyncio.sleep(0.02)
    return True


async def test_events_are_in_order_and_finished_is_once_and_last(case: BackendCase, backend: Backend) -> None:
    events = await events_of(backend, ask(case.long))
    assert all(isinstance(e, TextDelta | ReasoningDelta | ToolCallDelta | Usage | Finished) for e in events)
    assert [i for i, e in enumerate(events) if isinstance(e, Finished)] == [len(events) - 1]
    assert sum(isinstance(e, Usage) for e in events) <= 1
    deltas = [e.text for e in events if isinstance(e, TextDelta | ReasoningDelta)]
    assert len(deltas) > 1
    assert all(deltas)
    assert await freed(case, backend)


async def test_max_tokens_is_respected_and_named_as_the_reason(case: BackendCase, backend: Backend) -> None:
    completion = await reply(backend, ask(case.long, max_tokens=7))
    assert completion.finished.reason == "length"
    if completion.usage is not None:
        assert completion.usage.completion_tokens == 7
        assert completion.usage.prompt_tokens > 0
    longer = await reply(backend, ask(case.long, max_tokens=14))
    assert longer.text.startswith(completion.text)
    assert len(longer.text) > len(completion.text)


async def test_a_prompt_is_counted_as_its_reply_will_tell(case: BackendCase, backend: Backend) -> None:
    said = (Message("system", "Be brief."), Message("user", "你好 🎉\n\n  a"), Message("assistant", "Yes"))
    for messages, begun in ((said[:2], False), ((*said, Message("user", "And?")), False), (said, True)):
        if begun and not backend.capabilities.prefill:
            continue
        request = Request(messages, Sampling(max_tokens=1), continue_final=begun)
        counted = await backend.count(request)
        if counted is not None:
            completion = await reply(backend, request)
            assert completion.usage is not None
            assert counted == completion.usage.prompt_tokens
    assert await freed(case, backend)


TOLD = (
    (Message("system", "Be brief."), Message("user", "你好 🎉👩‍🚀 é\n\n  a <|im_end|> b ")),
    (Message("user", "Hi"), Message("assistant", " Yes\t"), Message("user", "\ud83d And?")),
    (Message("user", "Count"), Message("assistant", "One, 二")),
    (Message("user", "user"), Message("assistant", "assistant"), Message("user", "im_start|>user\n")),
)


@pytest.mark.parametrize("messages", TOLD)
async def test_what_the_model_is_sent_is_told_first_where_asked(
    case: BackendCase, backend: Backend, messages: tuple[Message, ...]
) -> None:
    begun = messages[-1].role == "assistant"
    if begun and not backend.capabilities.prefill:
        pytest.skip("takes no prefill")
    request = Request(messages, Sampling(max_tokens=2), continue_final=begun)
    assert not any(isinstance(event, Sent) for event in await events_of(backend, request))
    events = await events_of(backend, replace(request, trace=True))
    assert isinstance(events[0], Sent)
    told = [event for event in events if isinstance(event, Sent)]
    assert events[: len(told)] == told, "all before the reply; the last is what was answered"
    sent = told[-1]
    assert sent.messages == messages
    if sent.rendered is None:
        assert sent.body is not None
        assert [message["role"] for message in sent.body["messages"]] == [m.role for m in messages]
        assert sent.url is not None or backend.kind == "function", "a function has no address"
        return
    usage = next(event for event in events if isinstance(event, Usage))
    assert len(sent.token_ids) == len(sent.pieces) == usage.prompt_tokens
    assert "".join(sent.pieces) == sent.rendered
    assert "\ufffd" not in sent.rendered
    at = 0
    for message, span in zip(messages, sent.spans, strict=True):
        assert span is not None
        assert span[0] >= at
        at = span[1]
        text = message.text.encode("utf-8", "replace").decode()
        assert sent.rendered[span[0] : at].strip() == text.strip()


async def test_a_trace_that_is_closed_at_once_frees_the_slot(case: BackendCase, backend: Backend) -> None:
    async with opened(backend, replace(ask(case.long, max_tokens=2000), trace=True)) as stream:
        assert isinstance(await anext(stream), Sent)
    assert await freed(case, backend)


async def test_a_stop_string_ends_the_reply_and_is_not_in_it(case: BackendCase, backend: Backend) -> None:
    whole = (await reply(backend, ask(case.long, max_tokens=24))).text
    middle = len(whole) // 2
    stop = whole[middle : middle + 9]
    cut = await reply(backend, ask(case.long, max_tokens=24, stop=("never said", stop)))
    assert cut.finished.reason == "stop"
    assert cut.text == whole[: whole.index(stop)]


@pytest.mark.parametrize("seed", [0, pytest.param(2**32 - 1, marks=pytest.mark.slow), 2**63 - 1])
async def test_the_same_seed_repeats(case: BackendCase, backend: Backend, seed: int) -> None:
    if not backend.capabilities.seed:
        pytest.skip("makes no promise about seeds")
    once, again = [await reply(backend, ask(case.long, max_tokens=8, seed=seed)) for _ in range(2)]
    assert (once.text, once.reasoning) == (again.text, again.reasoning)


async def test_logprobs_are_told_of_each_token_where_asked(case: BackendCase, backend: Backend) -> None:
    if not backend.capabilities.logprobs:
        pytest.skip("tells no logprobs")
    events = await events_of(backend, replace(ask(case.long, max_tokens=6), logprobs=3))
    if not backend.capabilities.logprobs:
        pytest.skip("has found out, asking, that its endpoint tells none")
    told = [token for event in events if isinstance(event, Logprobs) for token in event.tokens]
    assert "".join(token.token for token in told) == "".join(
        event.text for event in events if isinstance(event, TextDelta)
    )
    assert len(told) == 6
    for token in told:
        assert token.logprob <= 0
        assert len(token.alternatives) == 3
        # Greedy: the token that was said is the likeliest.
        assert token.alternatives[0][0] == token.token
        assert token.alternatives[0][1] == pytest.approx(token.logprob, abs=1e-3)
    assert not any(isinstance(event, Logprobs) for event in await events_of(backend, ask(case.long)))


def bare(text: str, *, max_tokens: int = 12) -> Request:
    return replace(ask(text, max_tokens=max_tokens), options=Options(bare_prompt=True), trace=True)


async def test_a_bare_prompt_is_all_that_the_model_reads(case: BackendCase, backend: Backend) -> None:
    if not backend.capabilities.bare_prompts:
        pytest.skip("takes no bare prompts")
    try:
        events = await events_of(backend, bare(" Once upon\n a time, "))
    except BadRequest:
        now: Capabilities = backend.capabilities
        assert not now.bare_prompts, "it has found out, asking, that its endpoint takes none"
        return
    sent = events[0]
    assert isinstance(sent, Sent)
    usage = next(event for event in events if isinstance(event, Usage))
    assert not any(isinstance(event, ReasoningDelta) for event in events)
    if sent.rendered is None:
        assert sent.body is not None
        assert sent.body["prompt"] == " Once upon\n a time, "
        assert "messages" not in sent.body
        assert sent.url is not None
        assert sent.url.endswith("/v1/completions")
        return
    assert sent.rendered.endswith(" Once upon\n a time, ")
    assert "".join(sent.pieces) == sent.rendered
    assert sent.spans == ((len(sent.rendered) - 20, len(sent.rendered)),)
    assert len(sent.token_ids) == usage.prompt_tokens == await backend.count(bare(" Once upon\n a time, "))
    chat = replace(ask("Name a colour.", max_tokens=12), trace=True)
    told = (await events_of(backend, chat))[0]
    assert isinstance(told, Sent)
    assert told.rendered is not None
    written = await reply(backend, bare(told.rendered))
    assert written.text == (await reply(backend, chat)).text, (
        "what a template renders, and its control tokens"
    )


async def test_closing_stops_the_work_and_frees_the_slot(case: BackendCase, backend: Backend) -> None:
    async with opened(backend, ask(case.long, max_tokens=2000)) as stream:
        await first_delta(stream)
        assert await case.live(backend) == 1
    assert await freed(case, backend)
    assert (await reply(backend, ask(case.long, max_tokens=3))).finished.reason == "length"


async def test_a_stream_that_was_never_read_holds_nothing(case: BackendCase, backend: Backend) -> None:
    async with opened(backend, ask(case.long)):
        pass
    assert await case.live(backend) == 0


@pytest.mark.parametrize("after", [0.0, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2])
async def test_cancelling_at_any_moment_frees_the_slot(
    case: BackendCase, backend: Backend, after: float
) -> None:
    task = asyncio.create_task(reply(backend, ask(case.long, max_tokens=2000)))
    await asyncio.sleep(after)
    task.cancel()
    with suppress(asyncio.CancelledError):  # the quickest may be done by then
        await task
    assert await freed(case, backend)
    assert (await reply(backend, ask(case.long, max_tokens=3))).finished.reason == "length"


async def test_closing_after_any_number_of_events_frees_the_slot(case: BackendCase, backend: Backend) -> None:
    for count in range(1, 7):
        async with opened(backend, ask(case.long, max_tokens=5)) as stream:
            for _ in range(count):
                await anext(stream, None)
        assert await freed(case, backend)


async def test_two_streams_never_mix(case: BackendCase, backend: Backend) -> None:
    prompts = [case.long, "What is the capital of France?", "Say one two three four five six."]
    alone = [(await reply(backend, ask(prompt, max_tokens=12))).text for prompt in prompts]
    together = await asyncio.gather(*(reply(backend, ask(prompt, max_tokens=12)) for prompt in prompts * 2))
    assert len(set(alone)) == len(prompts)
    # Batched arithmetic may round differently, so a real model's greedy reply can drift late: the beginning
    # is what tells the streams apart.
    assert [c.text[:24] for c in together] == [text[:24] for text in alone * 2]
    assert all(c.finished.reason in ("stop", "length") for c in together)


async def test_a_slow_consumer_gets_every_event(case: BackendCase, backend: Backend) -> None:
    quick = await reply(backend, ask(case.long, max_tokens=12))
    pieces: list[str] = []
    async with opened(backend, ask(case.long, max_tokens=12)) as stream:
        async for event in stream:
            await asyncio.sleep(0.03)
            if isinstance(event, TextDelta):
                pieces.append(event.text)
    assert "".join(pieces) == quick.text


async def test_split_characters_are_whole(case: BackendCase, backend: Backend) -> None:
    messages: tuple[Message, ...] = (Message("user", case.unicode),)
    if case.unicode_begun:
        assert backend.capabilities.prefill
        messages += (Message("assistant", case.unicode_begun),)
    request = Request(
        messages, Sampling(temperature=0, max_tokens=48), continue_final=bool(case.unicode_begun)
    )
    events = await events_of(backend, request)
    pieces = [e.text for e in events if isinstance(e, TextDelta | ReasoningDelta)]
    assert any(not piece.isascii() for piece in pieces), "this case proves nothing without such characters"
    for piece in pieces:
        assert "\ufffd" not in piece
        piece.encode("utf-8")  # a lone surrogate would raise


async def test_half_a_character_in_an_old_message_does_no_harm(case: BackendCase, backend: Backend) -> None:
    answer = await reply(backend, ask(f"\ud83d {case.long}", max_tokens=3))
    assert answer.finished.reason in ("stop", "length")
    assert "\ud83d" not in answer.text


async def test_a_prefill_is_continued_and_not_repeated(case: BackendCase, backend: Backend) -> None:
    if not backend.capabilities.prefill:
        pytest.skip("takes no prefill")
    whole = (await reply(backend, ask(case.long, max_tokens=16))).text
    begun = whole[: len(whole) // 2]
    messages = (Message("user", case.long), Message("assistant", begun))
    # As many tokens as the whole reply had, so that a backend that begins again gets past what was begun.
    request = Request(messages, Sampling(temperature=0, max_tokens=16), continue_final=True)
    rest = await reply(backend, request)
    assert rest.text
    assert not rest.text.lstrip().startswith(begun.strip())


async def test_a_conversation_beyond_the_window_is_refused(case: BackendCase, backend: Backend) -> None:
    if not case.tells_window:
        pytest.skip("says nothing of its window")
    window = backend.capabilities.context_length
    assert window is not None
    with pytest.raises(ContextTooLong) as caught:
        await reply(backend, ask("many words " * window))
    assert caught.value.cure
    assert await freed(case, backend)
    assert (await reply(backend, ask(case.long, max_tokens=3))).finished.reason == "length"


async def test_a_failure_is_an_error_of_ours_each_time_it_is_tried(
    case: BackendCase, request: pytest.FixtureRequest
) -> None:
    broken, expected = case.broken(request)
    try:
        for _ in range(2):
            with pytest.raises(expected) as caught:
                await reply(broken, ask("Hello"))
            assert caught.value.message
    finally:
        await broken.aclose()


async def test_stream_starts_by_itself_and_start_may_be_repeated(
    case: BackendCase, request: pytest.FixtureRequest
) -> None:
    backend = case.make(request)
    try:
        assert (await reply(backend, ask(case.long, max_tokens=3))).finished.reason == "length"
        seen: list[LoadProgress] = []
        await backend.start(seen.append)
        assert backend.model
        assert isinstance(backend.capabilities, Capabilities)
    finally:
        await backend.aclose()


async def test_closing_the_backend_ends_its_streams_with_an_error_of_ours(
    case: BackendCase, request: pytest.FixtureRequest
) -> None:
    backend = case.make(request)
    async with opened(backend, ask(case.long, max_tokens=2000)) as stream:
        await first_delta(stream)
        await backend.aclose()
        await backend.aclose()
        with pytest.raises(BackendError):
            async for _ in stream:
                pass
    assert await freed(case, backend)
