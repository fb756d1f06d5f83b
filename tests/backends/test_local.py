"""The transformer engine on real folders: the demo model, tiny ones made here, and what is not whole."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from backends.base import LoadProgress, collect
from backends.errors import (
    BackendError,
    BadRequest,
    ModelNotFound,
    ModelUnsupported,
    OutOfMemory,
    Unavailable,
)
from backends.local import LocalBackend, devices
from backends.types import Message, Request, Sampling

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(demo_folder: Path) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(source=str(demo_folder), threads=1)
    await backend.start()
    yield backend
    await backend.aclose()


@pytest.fixture(scope="module")
def tiny(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model with the demo's tokenizer and random weights: loads in no time."""
    folder = tmp_path_factory.mktemp("tiny")
    for file in demo_folder.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, folder / file.name)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "layer_types": None,
        "dtype": "float32",
    }
    made = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
    made.save_pretrained(folder)
    return folder


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def ask(text: str, max_tokens: int = 32) -> Request:
    return Request((Message("user", text),), Sampling(temperature=0, max_tokens=max_tokens))


async def refused(expected: type[BackendError], source: Path, **options: object) -> BackendError:
    backend = LocalBackend(source=str(source), **options)  # type: ignore[arg-type]
    try:
        with pytest.raises(expected) as caught:
            await backend.start()
    finally:
        await backend.aclose()
    assert caught.value.message
    assert caught.value.cure
    return caught.value


async def test_it_knows_the_capital_of_france(engine: LocalBackend) -> None:
    completion = await collect(engine.stream(ask("What is the capital of France?")))
    assert "Paris" in completion.text
    assert completion.finished.reason == "stop"
    assert completion.finished.details["device"]


async def test_a_gguf_is_a_model_too(demo_gguf: Path) -> None:
    backend = LocalBackend(source=str(demo_gguf))
    try:
        assert "Paris" in (await collect(backend.stream(ask("What is the capital of France?")))).text
    finally:
        await backend.aclose()


@pytest.mark.parametrize("prompt", ["Write a long story.", "word " * 2000], ids=["decode", "prefill"])
async def test_it_stops_at_once_and_the_slot_is_free(engine: LocalBackend, prompt: str) -> None:
    task = asyncio.create_task(collect(engine.stream(ask(prompt, max_tokens=1000))))
    await asyncio.sleep(0.3)
    assert engine.live == 1
    asked = time.monotonic()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    # On a quiet machine under 0.1 s; the bound only tells stopping from running on to the end.
    assert time.monotonic() - asked < 5
    assert engine.live == 0


async def test_loading_tells_how_far_it_is(tiny: Path) -> None:
    seen: list[LoadProgress] = []
    backend = LocalBackend(source=str(tiny))
    await backend.start(seen.append)
    await backend.aclose()
    assert seen[-1].done == seen[-1].total == (tiny / "model.safetensors").stat().st_size


# peft still asks transformers by a name of before.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
async def test_an_adapter_is_laid_over_its_model(tiny: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    torch = pytest.importorskip("torch")
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    model = peft.get_peft_model(
        base, peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", r=2)
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=5.0)
    model.save_pretrained(tmp_path / "adapter")
    said = []
    for source in (tiny, tmp_path / "adapter"):
        backend = LocalBackend(source=str(source), dtype="float32")
        said.append((await collect(backend.stream(ask("Hello", max_tokens=24)))).text)
        await backend.aclose()
    assert said[0] != said[1]


async def test_missing_weights_are_named(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    assert "model.safetensors" in (await refused(ModelNotFound, folder)).message
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert "pickle" in (await refused(ModelUnsupported, folder)).message


async def test_missing_shards_are_named(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    error = await refused(ModelNotFound, folder)
    assert "model-2.safetensors" in error.message
    assert "model-1.safetensors" not in error.message


async def test_damaged_weights_and_settings_are_told(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    await refused(ModelUnsupported, folder)
    (folder / "config.json").write_text("{")
    assert "config.json" in (await refused(ModelUnsupported, folder)).message


async def test_a_base_model_without_a_template_is_refused_and_takes_one(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "model")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert "no chat template" in (await refused(ModelUnsupported, folder)).message
    backend = LocalBackend(source=str(folder), chat_template="{{ messages[0]['content'] }}")
    assert (await collect(backend.stream(ask("Hello", max_tokens=3)))).finished.reason == "length"
    await backend.aclose()


async def test_a_template_that_refuses_the_conversation_is_a_bad_request(tiny: Path) -> None:
    backend = LocalBackend(source=str(tiny), chat_template="{{ raise_exception('no such role') }}")
    with pytest.raises(BadRequest, match="no such role"):
        await collect(backend.stream(ask("Hello")))
    await backend.aclose()


async def test_what_writes_no_replies_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertForMaskedLM"]}))
    assert "BertForMaskedLM" in (await refused(ModelUnsupported, folder)).message


async def test_code_of_a_model_runs_only_when_allowed(tiny: Path, tmp_path: Path) -> None:
    folder = copied(tiny, tmp_path / "model")
    ran = tmp_path / "ran"
    (folder / "modeling_own.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Own: pass\n")
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "modeling_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
    config |= {"auto_map": own, "model_type": "own"}
    (folder / "config.json").write_text(json.dumps(config))
    assert "trust" in (await refused(ModelUnsupported, folder)).cure
    assert not ran.exists()
    await refused(ModelUnsupported, folder, trust_remote_code=True)  # it is no model; but it was run
    assert ran.exists()


async def test_what_does_not_fit_is_refused_with_numbers_before_it_is_tried(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "available_memory", lambda: 1000)
    error = await refused(OutOfMemory, tiny)
    assert {"needed_gb", "free_gb", "device"} <= error.params.keys()


@pytest.mark.parametrize(
    "options",
    [
        {"device": "cuda:7"},
        {"dtype": "int3"},
        {"load_in_4bit": True, "device": "cpu"},
        {"load_in_8bit": True},
    ],
    ids=str,
)
async def test_what_this_machine_cannot_do_is_told(options: dict[str, object], tiny: Path) -> None:
    if "load_in_8bit" in options and devices.choose(None, None).family == "cuda":
        pytest.skip("this machine can")
    await refused(ModelUnsupported, tiny, **options)


async def test_places_without_a_model_are_told(tmp_path: Path) -> None:
    assert "config.json" in (await refused(ModelNotFound, tmp_path)).message
    await refused(ModelNotFound, tmp_path / "nothing")
    (tmp_path / "weights.bin").write_bytes(b"")
    await refused(ModelUnsupported, tmp_path / "weights.bin")
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"")
    assert "2 GGUF files" in (await refused(ModelUnsupported, tmp_path)).message


async def test_a_hub_that_cannot_be_reached_is_told() -> None:
    backend = LocalBackend(source="nobody/nothing")
    with pytest.raises(Unavailable, match="hub cannot be reached"):
        await backend.start()
