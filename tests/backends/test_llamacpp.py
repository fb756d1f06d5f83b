"""The embedded engine on the real demo model: right answers, quick stops, prefixes read once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backends._machine import engine_threads
from backends.base import collect
from backends.errors import BackendError, BadRequest, ModelNotFound, ModelUnsupported
from backends.llamacpp import LlamaCppBackend, Servers
from backends.llamacpp.servers import SLOTS
from backends.options import LlamaCppOptions
from backends.types import Message, Options, Request, ResponseFormat, Sampling, TextDelta
from tests.backends.tiny_models import make_gguf_adapter

pytest.importorskip("xllamacpp")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(demo_gguf: Path) -> AsyncIterator[LlamaCppBackend]:
    backend = LlamaCppBackend(LlamaCppOptions(known=True, path=demo_gguf, context_length=2048, slots=2))
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


async def test_a_schema_binds_what_it_writes(engine: LlamaCppBackend) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Oslo"]}}, "required": ["city"]}
    asked = replace(ask("Tell me a joke."), options=Options(response_format=ResponseFormat(schema)))
    reply = await collect(engine.stream(asked))
    assert "".join(reply.text.split()).startswith('{"city":"Oslo"')


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

    def handle_completions(self, payload: str, take: Callable[[Any], bool]) -> None:
        def counted(chunk: Any) -> bool:
            self.looks += 1
            if self.looks == 3:
                self._at_work()
            return take(chunk)

        self._server.handle_completions(payload, counted)


@pytest.mark.parametrize("prompt", ["Write a long story.", "word " * 1800], ids=["decode", "prefill"])
async def test_a_stop_is_seen_before_the_next_step(
    engine: LlamaCppBackend, prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, at_work = asyncio.get_running_loop(), asyncio.Event()
    assert engine._server is not None
    counted = Counted(engine._server.native, lambda: loop.call_soon_threadsafe(at_work.set))
    monkeypatch.setattr(engine._server, "native", counted)
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
    backend = LlamaCppBackend(
        LlamaCppOptions(known=True, path=demo_gguf, context_length=512, chat_template=template)
    )
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
    async with aclosing(engine.stream(ask("word " * 600, max_tokens=16))) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                break
    running = False
    await heart
    assert beats > 5


async def test_a_template_of_ones_own_is_used(demo_gguf: Path) -> None:
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %} The capital of France is"
    backend = LlamaCppBackend(
        LlamaCppOptions(known=True, path=demo_gguf, context_length=512, chat_template=template)
    )
    try:
        assert "Paris" in (await collect(backend.stream(ask("Geography.", max_tokens=8)))).text
    finally:
        await backend.aclose()


async def test_a_template_that_cannot_be_used_is_named_as_the_likely_cause(demo_gguf: Path) -> None:
    backend = LlamaCppBackend(
        LlamaCppOptions(known=True, path=demo_gguf, context_length=512, chat_template="{% if %}")
    )
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
    backend = LlamaCppBackend(LlamaCppOptions(path=path))
    with pytest.raises(expected) as caught:
        await backend.start()
    assert path.name in caught.value.message
    assert caught.value.cure


def alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


async def test_adapters_share_one_server_and_each_backend_speaks_with_its_own(
    demo_gguf: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    for seed, path in enumerate((first, second)):
        make_gguf_adapter(path, std=0.3, seed=seed)
    servers = Servers()
    backends = [
        LlamaCppBackend(
            LlamaCppOptions(
                path=demo_gguf, adapters=(first, second), adapter=adapter, servers=servers, context_length=512
            )
        )
        for adapter in (None, first, second)
    ]
    question = ask("What is the capital of France?", max_tokens=12)
    alone = [await collect(backend.stream(question)) for backend in backends]
    assert len(servers._servers) == 1
    assert len({backend.capabilities.engine for backend in backends}) == 1
    assert "Paris" in alone[0].text
    assert len({completion.text for completion in alone}) == 3
    names = [completion.finished.adapter for completion in alone]
    assert names[0] is None
    assert [str(name).split()[0] for name in names[1:]] == ["first", "second"]
    together = await asyncio.gather(*(collect(backend.stream(question)) for backend in backends))
    # Batched arithmetic rounds differently, and what a random adapter says hangs on little: each reply
    # begins as its own adapter's does, for longer than as any other's.
    for number, completion in enumerate(together):
        shared = [alike(completion.text, one.text) for one in alone]
        own = shared.pop(number)
        assert own > max(shared), (completion.text, [one.text for one in alone])
    await backends[0].aclose()
    assert (await collect(backends[1].stream(question))).text[:6] == alone[1].text[:6]
    for backend in backends:
        await backend.aclose()
    assert not servers._servers


async def test_what_one_adapter_has_read_is_never_used_by_another(demo_gguf: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    for seed, path in enumerate((first, second)):
        make_gguf_adapter(path, std=0.3, seed=seed)
    servers = Servers()
    one, other = (
        LlamaCppBackend(
            LlamaCppOptions(
                path=demo_gguf,
                adapters=(first, second),
                adapter=adapter,
                servers=servers,
                context_length=512,
                slots=1,
            )
        )
        for adapter in (first, second)
    )
    shared = ask("The lighthouse stands on a rock in the sea. " * 12, max_tokens=4)
    between = ask("A castle is made of stone and stands on a hill. " * 12, max_tokens=4)
    await collect(one.stream(shared))
    await collect(other.stream(between))  # takes the only slot, so that the prefix of the first leaves it
    crossed = await collect(other.stream(shared))
    assert crossed.usage is not None
    assert crossed.usage.cached_tokens is not None
    # The template's own first words are read by both: those it has from `between`.
    assert crossed.usage.cached_tokens < crossed.usage.prompt_tokens / 4
    again = await collect(other.stream(shared))
    assert again.usage is not None
    assert again.usage.cached_tokens is not None
    assert again.usage.cached_tokens > 0.9 * again.usage.prompt_tokens, "its own prefix it does use"
    await one.aclose()
    await other.aclose()


async def test_an_adapter_of_another_kind_of_model_is_refused_in_words(
    demo_gguf: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    make_gguf_adapter(other, std=0.1, architecture="gemma")
    for adapter, said in ((other, "another kind of model"), (demo_gguf, "not a LoRA adapter")):
        backend = LlamaCppBackend(LlamaCppOptions(known=True, path=demo_gguf, adapter=adapter))
        with pytest.raises(ModelUnsupported, match=said) as refused:
            await backend.start()
        assert refused.value.cure
        await backend.aclose()


async def test_a_switched_conversation_comes_back_warm(engine: LlamaCppBackend) -> None:
    long = {
        name: f"{name} stands on a rock in the sea. " * 30
        for name in ("The lighthouse", "A castle", "An inn")
    }
    first = {name: await collect(engine.stream(ask(text, max_tokens=4))) for name, text in long.items()}
    for name, text in long.items():  # three conversations over two slots
        again = await collect(engine.stream(ask(text, first[name].text, "And then?", max_tokens=4)))
        assert again.usage is not None
        assert again.usage.cached_tokens is not None
        assert again.usage.cached_tokens > 0.9 * (first[name].usage or again.usage).prompt_tokens


async def test_a_regenerated_reply_reads_nothing_again(engine: LlamaCppBackend) -> None:
    question = ask("The harbour lies between two hills. " * 50, max_tokens=4)
    first, again = [await collect(engine.stream(question)) for _ in range(2)]
    assert again.usage is not None
    assert first.text == again.text
    assert again.usage.cached_tokens is not None
    assert again.usage.cached_tokens > 0.9 * again.usage.prompt_tokens


async def test_the_memory_is_known_before_it_is_taken(demo_gguf: Path) -> None:
    size = await asyncio.to_thread(demo_gguf.stat)
    small = LlamaCppBackend(
        LlamaCppOptions(known=True, path=demo_gguf, context_length=512, slots=1)
    ).footprint()
    large = LlamaCppBackend(
        LlamaCppOptions(known=True, path=demo_gguf, context_length=4096, slots=2)
    ).footprint()
    assert small is not None
    assert large is not None
    assert small.parts[str(demo_gguf)] == size.st_size
    # 30 layers, 3 heads of 64 for keys and for values, in float16.
    assert sum(large.parts.values()) - sum(small.parts.values()) == (2 * 4096 - 512) * 30 * 3 * 64 * 2 * 2
    assert (
        LlamaCppBackend(LlamaCppOptions(known=True, path=demo_gguf.parent / "missing.gguf")).footprint()
        is None
    )
    assert small.device == "cpu"


async def test_servers_of_one_file_share_its_weights_and_nothing_else(demo_gguf: Path) -> None:
    one, other, same = (
        LlamaCppBackend(
            LlamaCppOptions(known=True, path=demo_gguf, context_length=512, slots=slots)
        ).footprint()
        for slots in (1, 2, 1)
    )
    assert one is not None
    assert other is not None
    assert one.parts.keys() & other.parts.keys() == {str(demo_gguf)}
    assert one == same
    plain = LlamaCppOptions(known=True, path=demo_gguf)
    named = replace(plain, slots=SLOTS, threads=engine_threads())
    assert LlamaCppBackend(plain).footprint() == LlamaCppBackend(named).footprint()
