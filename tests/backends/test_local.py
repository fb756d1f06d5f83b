"""The transformer engine on real folders: the demo model, and tiny ones made here."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backends import _machine
from backends.base import Completion, collect
from backends.errors import (
    BadRequest,
    ContextTooLong,
    OutOfMemory,
    Unavailable,
)
from backends.local import Engines, LocalBackend
from backends.local.loading import devices
from backends.options import LocalOptions
from backends.types import Message, Request, Sampling
from tests.backends.tiny_models import make_folder, make_gguf

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(demo_folder: Path) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(LocalOptions(source=str(demo_folder), threads=1))
    await backend.start()
    yield backend
    await backend.aclose()


@pytest.fixture(scope="module")
def tiny(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model with the demo's tokenizer and random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    make_folder(demo_folder, folder)
    return folder


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def model_of(backend: LocalBackend) -> Any:
    assert backend._taken is not None
    return backend._taken.shared.opened.loaded.model


def ask(text: str, max_tokens: int = 32) -> Request:
    return Request((Message("user", text),), Sampling(temperature=0, max_tokens=max_tokens))


@asynccontextmanager
async def running(source: Path, **options: object) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(LocalOptions(source=str(source), threads=1, **options))  # type: ignore[arg-type]
    try:
        await backend.start()
        yield backend
    finally:
        await backend.aclose()


async def test_it_knows_the_capital_of_france(engine: LocalBackend) -> None:
    completion = await collect(engine.stream(ask("What is the capital of France?")))
    assert "Paris" in completion.text
    assert completion.finished.reason == "stop"
    assert completion.finished.details["device"]


async def test_a_folder_with_a_gguf_is_a_model_and_so_is_the_file(demo_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    make_gguf(demo_gguf, path)
    said = []
    for source in (tmp_path, path):
        async with running(source, dtype="float32") as backend:
            said.append((await collect(backend.stream(ask("Hello", max_tokens=12)))).text)
    assert said[0]
    assert said[0] == said[1]


@pytest.mark.slow
async def test_a_gguf_answers_as_its_folder_does(demo_gguf: Path) -> None:
    async with running(demo_gguf) as backend:
        assert "Paris" in (await collect(backend.stream(ask("What is the capital of France?")))).text


@pytest.mark.parametrize("prompt", ["Write a long story.", "word " * 3000], ids=["decode", "prefill"])
async def test_a_stop_is_seen_before_the_next_step(engine: LocalBackend, prompt: str) -> None:
    steps, loop, at_work = 0, asyncio.get_running_loop(), asyncio.Event()

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            loop.call_soon_threadsafe(at_work.set)

    hook = model_of(engine).register_forward_pre_hook(count)
    task = asyncio.create_task(collect(engine.stream(ask(prompt, max_tokens=1000))))
    try:
        await at_work.wait()
        (line,) = engine._lines
        line.cancel()
        at_stop = steps
        await line.wait()
    finally:
        hook.remove()
    assert steps <= at_stop + 1
    assert steps < 3000 / 64, "this stopped too late to say anything about a prefill"
    assert engine.live == 0
    with pytest.raises(Unavailable):
        await task


@pytest.mark.parametrize("batching", [True, False])
async def test_leaving_frees_the_slot_for_the_next(tiny: Path, batching: bool) -> None:
    async with running(tiny, slots=1, batching=batching) as engine:
        leaving = asyncio.create_task(collect(engine.stream(ask("word " * 3000, max_tokens=5000))))
        for _ in range(5000):
            if engine.live:
                break
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(collect(engine.stream(ask("Hello", max_tokens=2))))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        leaving.cancel()
        assert (await waiting).finished.reason == "length"
        with pytest.raises(asyncio.CancelledError):
            await leaving


def wild(text: str = "Hello", *, seed: int | None = None, max_tokens: int = 200) -> Request:
    return Request(
        (Message("user", text),), Sampling(temperature=2.0, top_k=5000, seed=seed, max_tokens=max_tokens)
    )


def only_bytes(_model: object, _inputs: object, output: Any) -> None:
    output.logits[..., 300:] = -100.0


async def test_bytes_that_are_no_character_are_never_shown(tiny: Path) -> None:
    async with running(tiny) as backend:
        # The first tokens are single bytes, most of which begin or continue a character.
        model_of(backend).register_forward_hook(only_bytes)
        for seed in range(3):
            completion = await collect(backend.stream(wild(seed=seed)))
            assert completion.text
            assert "\ufffd" not in completion.text


async def test_two_models_at_once_do_not_disturb_each_others_seeds(tiny: Path) -> None:
    async with running(tiny) as one, running(tiny) as other:
        alone = [(await collect(one.stream(wild(seed=seed, max_tokens=60)))).text for seed in (1, 2)]
        assert alone[0] != alone[1]
        for _ in range(3):
            both = await asyncio.gather(
                collect(one.stream(wild(seed=1, max_tokens=60))),
                collect(other.stream(wild(seed=2, max_tokens=60))),
            )
            assert [completion.text for completion in both] == alone


async def test_a_smaller_window_is_kept(tiny: Path) -> None:
    async with running(tiny, context_length=100) as backend:
        assert backend.capabilities.context_length == 100
        endless = Request((Message("user", "Hello"),), Sampling(temperature=0))
        usage = (await collect(backend.stream(endless))).usage
        assert usage is not None
        assert usage.prompt_tokens + usage.completion_tokens == 100
        with pytest.raises(ContextTooLong) as caught:
            await collect(backend.stream(ask("word " * 200)))
        assert caught.value.params["limit"] == 100


async def test_the_end_of_a_turn_is_known_where_only_the_template_says_it(
    demo_folder: Path, tmp_path: Path
) -> None:
    folder = copied(demo_folder, tmp_path / "model")
    for name in ("config.json", "generation_config.json"):
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**settings, "eos_token_id": 0}))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": "<|endoftext|>"}))
    async with running(folder) as backend:
        completion = await collect(backend.stream(ask("What is the capital of France?", max_tokens=40)))
    assert completion.finished.reason == "stop"
    assert completion.text == "The capital of France is Paris."


async def test_reasoning_that_the_template_opens_is_reasoning(tiny: Path) -> None:
    template = "{{ messages[0]['content'] }}{% if add_generation_prompt %}<think>\n{% endif %}"
    anything = Sampling(temperature=1, seed=1, max_tokens=8)  # the likeliest token has no text
    async with running(tiny, chat_template=template) as backend:
        completion = await collect(backend.stream(Request((Message("user", "Hello"),), anything)))
    assert completion.reasoning
    assert not completion.text


@pytest.mark.parametrize("batching", [True, False])
async def test_memory_that_runs_out_in_a_reply_is_told_and_the_next_reply_works(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, batching: bool
) -> None:
    torch = pytest.importorskip("torch")
    async with running(tiny, batching=batching) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(model_of(backend), "forward", lambda **_: torch.empty(2**50))
            with pytest.raises(OutOfMemory) as caught:
                await collect(backend.stream(ask("Hello")))
        assert caught.value.params
        assert (await collect(backend.stream(ask("Hello", max_tokens=2)))).usage


@pytest.mark.parametrize("batching", [True, False])
async def test_an_unknown_failure_is_an_error_of_ours_without_its_words(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, batching: bool
) -> None:
    def fail(**_: object) -> None:
        raise ValueError("/secret/path")

    async with running(tiny, batching=batching) as backend:
        with monkeypatch.context() as patch:
            patch.setattr(model_of(backend), "forward", fail)
            with pytest.raises(Unavailable) as caught:
                await collect(backend.stream(ask("Hello")))
        assert "secret" not in str(caught.value)
        assert (await collect(backend.stream(ask("Hello", max_tokens=2)))).usage


async def test_both_paths_say_the_same(tiny: Path) -> None:
    said = []
    for batching in (True, False):
        async with running(tiny, batching=batching) as backend:
            requests = [ask("Hello"), ask("word " * 200), wild(seed=5, max_tokens=40)]
            said.append([(await collect(backend.stream(request))).text for request in requests])
    assert said[0] == said[1]


async def test_a_conversation_is_read_once(tiny: Path) -> None:
    def cached(completion: Completion) -> int:
        assert completion.usage is not None
        assert completion.usage.cached_tokens is not None
        return completion.usage.cached_tokens

    async with running(tiny) as backend:
        first = ask("word " * 300)
        completion = await collect(backend.stream(first))
        assert completion.usage is not None
        assert cached(completion) == 0
        again = await collect(backend.stream(first))
        assert again.text == completion.text
        assert cached(again) == completion.usage.prompt_tokens - 1
        talk = (*first.messages, Message("assistant", completion.text), Message("user", "And?"))
        turn = await collect(backend.stream(Request(talk, first.sampling)))
        assert turn.usage is not None
        assert cached(turn) > 0.9 * completion.usage.prompt_tokens


async def test_models_of_one_pool_are_loaded_once_and_unloaded_by_the_last(tiny: Path) -> None:
    engines = Engines()
    one, other = (LocalBackend(LocalOptions(source=str(tiny), engines=engines)) for _ in range(2))
    await asyncio.gather(one.start(), other.start())
    assert model_of(one) is model_of(other)
    assert one.capabilities.engine == other.capabilities.engine
    footprint, same = one.footprint(), other.footprint()
    assert footprint is not None
    assert footprint == same
    await one.aclose()
    assert (await collect(other.stream(ask("Hello", max_tokens=2)))).usage
    await other.aclose()
    assert not engines._shared


async def test_a_template_that_refuses_the_conversation_is_a_bad_request(tiny: Path) -> None:
    backend = LocalBackend(
        LocalOptions(source=str(tiny), chat_template="{{ raise_exception('no such role') }}")
    )
    with pytest.raises(BadRequest, match="no such role"):
        await collect(backend.stream(ask("Hello")))
    await backend.aclose()


OLD, NEW = "fpu avx2", "fpu avx2 avx512_bf16 amx_tile"
"""Flags of CPUs that compute best with float32, and with bfloat16."""


@pytest.mark.parametrize(
    ("flags", "options", "item"),
    [(OLD, {}, 4), (NEW, {}, 2), (NEW, {"dtype": "float32"}, 4), (OLD, {"dtype": "bfloat16"}, 2)],
    ids=["old", "amx", "amx float32", "old bfloat16"],
)
async def test_what_it_takes_is_known_before_it_is_loaded_and_named_alike_after(
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: str,
    options: dict[str, str],
    item: int,
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(_machine, "_CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(devices, "_torch_says", lambda probe: flags == NEW)
    asked: dict[str, Any] = {"device": "cpu", **options}
    if not options and flags == OLD and devices.why_no_half() is not None:
        asked["dtype"] = "float32"  # this machine could not pack
    backend = LocalBackend(LocalOptions(source=str(tiny), slots=2, cache_tokens=2048, **asked))
    before = backend.footprint()
    assert before is not None
    await backend.start()
    after = backend.footprint()
    await backend.aclose()
    assert after is not None
    assert before.parts.keys() == after.parts.keys()
    conversations = next(name for name in after.parts if name.startswith("conversations"))
    # 2 layers, 2 heads of 16 for keys and for values.
    assert before.parts[conversations] == after.parts[conversations] == 2048 * 2 * 2 * 16 * 2 * item
    weights = next(name for name in after.parts if name.startswith("weights"))
    # The estimate knows no buffers and no biases, which are small.
    assert before.parts[weights] == pytest.approx(after.parts[weights], rel=0.01)


async def test_other_numbers_are_other_weights(tiny: Path) -> None:
    one, other = (
        LocalBackend(LocalOptions(source=str(tiny))),
        LocalBackend(LocalOptions(source=str(tiny), dtype="float32")),
    )
    parts = [backend.footprint().parts.keys() for backend in (one, other)]  # type: ignore[union-attr]
    assert not parts[0] & parts[1]
    assert LocalBackend(LocalOptions(source="owner/model")).footprint() is None


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="this system does not say what its CPU can do")
async def test_the_system_says_of_the_cpu_what_torch_says() -> None:
    told, measured = devices.units_by_system("cpu"), devices.units_of("cpu")
    assert (told.amx, told.bfloat16) == (measured.amx, measured.bfloat16)
    assert (told.no_half is None) == (measured.no_half is None)


async def test_a_model_closed_over_those_who_wait_answers_once_it_is_started_again(tiny: Path) -> None:
    async with running(tiny, batching=False) as backend:
        asked = [asyncio.create_task(collect(backend.stream(ask("word " * 500, 5000)))) for _ in range(2)]
        await asyncio.sleep(0.3)  # one writes, the other waits
        await backend.aclose()
        for ended in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(ended, Unavailable)
        async with asyncio.timeout(60):
            assert (await collect(backend.stream(ask("Hello", max_tokens=2)))).usage


@pytest.mark.parametrize(("template", "source"), [(None, "model"), ("{{ messages[0]['content'] }}", "file")])
async def test_a_reply_tells_where_its_chat_template_is_from(
    tiny: Path, template: str | None, source: str
) -> None:
    async with running(tiny, chat_template=template) as backend:
        completion = await collect(backend.stream(ask("Hello", max_tokens=2)))
    assert completion.finished.details["chat_template"] == source
