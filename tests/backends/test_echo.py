"""The public fake: what a script may hold, and what it promises beyond the contract."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from backends.base import LoadProgress, collect
from backends.echo import Delay, EchoBackend, Step
from backends.errors import RateLimited, Unavailable
from backends.types import Finished, Message, ReasoningDelta, Request, Sampling, TextDelta, Usage
from backends.words import tokens


def ask(text: str = "one two three", sampling: Sampling | None = None) -> Request:
    return Request((Message("user", text),), sampling or Sampling())


@pytest.mark.parametrize("text", ["", " ", "one  two\n\nthree ", "你好，世界 hello", "👩‍🚀🎉 ok", "a\tb"])
async def test_it_echoes_every_character(text: str) -> None:
    assert "".join(tokens(text)) == text
    assert (await collect(EchoBackend().stream(ask(text)))).text == text


async def test_reasoning_comes_first_and_counts() -> None:
    reply = await collect(EchoBackend(reasoning="Let me see.").stream(ask()))
    assert (reply.reasoning, reply.text, reply.usage) == ("Let me see.", "one two three", Usage(3, 6))


async def test_a_script_plays_text_events_delays_and_errors() -> None:
    later = RateLimited("Later.", retry_after=3)
    script: list[Step] = ["Hel", ReasoningDelta("hm"), Delay(0.01), "lo", later]
    stream = EchoBackend(script=script).stream(ask())
    events = [await anext(stream) for _ in range(3)]
    with pytest.raises(RateLimited) as caught:
        await anext(stream)
    assert events == [TextDelta("Hel"), ReasoningDelta("hm"), TextDelta("lo")]
    assert caught.value.retry_after == 3


async def test_a_script_may_depend_on_the_request_and_end_as_it_likes() -> None:
    backend = EchoBackend(
        script=lambda request: [request.messages[-1].text.upper(), Finished("content_filter")]
    )
    reply = await collect(backend.stream(ask("no")))
    assert (reply.text, reply.finished.reason) == ("NO", "content_filter")
    assert backend.requests == [ask("no")]


async def test_shuffled_replies_differ_by_seed_and_repeat_with_it() -> None:
    backend = EchoBackend(shuffle=True)
    words = " ".join(str(n) for n in range(50))
    replies = [await collect(backend.stream(ask(words, Sampling(seed=seed)))) for seed in (1, 1, 2)]
    assert replies[0] == replies[1]
    assert replies[0].text != replies[2].text
    unseeded = await collect(backend.stream(ask(words)))
    again = await collect(backend.stream(ask(words, Sampling(seed=unseeded.finished.seed))))
    assert again.text == unseeded.text


async def test_a_stop_string_is_found_over_tokens() -> None:
    reply = await collect(
        EchoBackend(script=["say ST", "O", "P now"]).stream(ask("", Sampling(stop=("STOP",))))
    )
    assert (reply.text, reply.finished.reason) == ("say ", "stop")
    nearly = await collect(EchoBackend(script=["say ST", "O"]).stream(ask("", Sampling(stop=("STOP",)))))
    assert nearly.text == "say STO"


async def test_it_keeps_its_rate() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await collect(EchoBackend(rate=100).stream(ask("a b c d e f g h i j")))
    assert loop.time() - begun >= 0.095


async def test_live_counts_streams_that_hold_a_slot() -> None:
    backend = EchoBackend(script=["a", Delay(60)])
    async with aclosing(backend.stream(ask())) as one, aclosing(backend.stream(ask())) as two:
        await asyncio.gather(anext(one), anext(two))
        assert backend.live == 2
    assert backend.live == 0


async def test_closing_wakes_a_stream_that_waits() -> None:
    backend = EchoBackend(script=["a", Delay(60), "b"])
    task = asyncio.create_task(collect(backend.stream(ask())))
    while not backend.live:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await backend.aclose()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(task, 60)
    assert backend.live == 0


async def test_loading_reports_its_progress_and_may_fail_once() -> None:
    seen: list[LoadProgress] = []
    backend = EchoBackend(load_seconds=0.02, start_errors=[Unavailable("Not yet.")])
    with pytest.raises(Unavailable):
        await backend.start(seen.append)
    await backend.start()
    assert [progress.done for progress in seen] == list(range(0, 1000, 100))
