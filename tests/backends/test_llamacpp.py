"""The embedded engine on the real demo model: right answers, quick stops, prefixes read once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backends.base import collect
from backends.errors import BackendError, BadRequest, ModelNotFound, ModelUnsupported
from backends.llamacpp import LlamaCppBackend
from backends.types import Message, Request, Sampling, TextDelta

pytest.importorskip("xllamacpp")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(demo_gguf: Path) -> AsyncIterator[LlamaCppBackend]:
    backend = LlamaCppBackend(path=demo_gguf, context_length=2048, slots=2)
    await backend.start()
    yield backend
    await backend.aclose()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def ask(*texts: str, max_tokens: int = 32) -> Request:
    roles = ("user", "assistant")
    messages = tuple(Message(roles[i % 2], text) for i, text in enumerate(texts))  # type: ignore[arg-type]
    return Request(messages, Sampling(temperature=0, max_tokens=max_tokens))


async def test_it_knows_the_capital_of_france(engine: LlamaCppBackend) -> None:
    completion = await collect(engine.stream(ask("What is the capital of France?")))
    assert "Paris" in completion.text
    assert completion.finished.reason == "stop"


async def test_the_next_turn_reads_only_what_is_new(engine: LlamaCppBackend) -> None:
    long = "The lighthouse stands on a rock in the sea. " * 40
    first = await collect(engine.stream(ask(long, max_tokens=8)))
    assert first.usage
    again = await collect(engine.stream(ask(long, first.text, "And then?", max_tokens=8)))
    assert again.usage
    assert again.usage.cached_tokens is not None
    assert again.usage.cached_tokens >= first.usage.prompt_tokens


class Counted:
    """The engine's server, counting how often it looks at the stop flag."""

    def __init__(self, server: Any, at_work: Callable[[], object]) -> None:
        self.looks = 0
        self._server = server
        self._at_work = at_work

    def handle_chat_completions(self, payload: str, take: Callable[[Any], bool]) -> None:
        def counted(chunk: Any) -> bool:
            self.looks += 1
            if self.looks == 3:
                self._at_work()
            return take(chunk)

        self._server.handle_chat_completions(payload, counted)


@pytest.mark.parametrize("prompt", ["Write a long story.", "word " * 1800], ids=["decode", "prefill"])
async def test_a_stop_is_seen_before_the_next_step(
    engine: LlamaCppBackend, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, at_work = asyncio.get_running_loop(), asyncio.Event()
    counted = Counted(engine._server, lambda: loop.call_soon_threadsafe(at_work.set))
    monkeypatch.setattr(engine, "_server", counted)
    task = asyncio.create_task(collect(engine.stream(ask(prompt, max_tokens=1000))))
    await at_work.wait()
    (worker,) = engine._workers
    worker.cancel()
    at_stop = counted.looks
    await worker.wait()
    assert counted.looks <= at_stop + 1
    assert counted.looks < 1800 / 64, "this stopped too late to say anything about a prefill"
    assert engine.live == 0
    with pytest.raises(BackendError):
        await task
    monkeypatch.undo()
    assert (await collect(engine.stream(ask("Hello", max_tokens=2)))).text


async def test_a_template_that_refuses_the_conversation_is_a_bad_request(demo_gguf: Path) -> None:
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    template += "{% if messages|length > 2 %}{{ raise_exception('roles must alternate') }}{% endif %}"
    backend = LlamaCppBackend(path=demo_gguf, context_length=512, chat_template=template)
    try:
        assert (await collect(backend.stream(ask("Hello", max_tokens=2)))).usage
        with pytest.raises(BadRequest, match="roles must alternate"):
            await collect(backend.stream(ask("a", "b", "c")))
    finally:
        await backend.aclose()


async def test_more_than_the_slots_wait_and_all_are_answered(engine: LlamaCppBackend) -> None:
    replies = await asyncio.gather(
        *(collect(engine.stream(ask("What is the capital of France?"))) for _ in range(5))
    )
    assert all("Paris" in reply.text for reply in replies)
    assert engine.live == 0


async def test_the_loop_goes_on_while_it_works(engine: LlamaCppBackend) -> None:
    beats, running = 0, True

    async def beat() -> None:
        nonlocal beats
        while running:
            await asyncio.sleep(0.01)
            beats += 1

    heart = asyncio.create_task(beat())
    async with aclosing(engine.stream(ask("word " * 1200, max_tokens=16))) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                break
    running = False
    await heart
    assert beats > 5


async def test_a_template_of_ones_own_is_used(demo_gguf: Path) -> None:
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %} The capital of France is"
    backend = LlamaCppBackend(path=demo_gguf, context_length=512, chat_template=template)
    try:
        assert "Paris" in (await collect(backend.stream(ask("Geography.", max_tokens=8)))).text
    finally:
        await backend.aclose()


async def test_a_template_that_cannot_be_used_is_named_as_the_likely_cause(demo_gguf: Path) -> None:
    backend = LlamaCppBackend(path=demo_gguf, context_length=512, chat_template="{% if %}")
    with pytest.raises(ModelUnsupported) as caught:
        await backend.start()
    assert "template" in caught.value.cure


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, ModelNotFound), (b"", ModelUnsupported), (b"GGUF" + b"\0" * 64, ModelUnsupported)],
)
async def test_a_file_that_is_no_model_is_refused_in_words(
    content: bytes | None, expected: type[BackendError], tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    backend = LlamaCppBackend(path=path)
    with pytest.raises(expected) as caught:
        await backend.start()
    assert path.name in caught.value.message
    assert caught.value.cure
