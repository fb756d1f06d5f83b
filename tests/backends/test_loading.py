"""Models into memory: whole ones as is best for the machine; what is not whole or does not fit is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from backends.base import LoadProgress
from backends.errors import BackendError, ModelNotFound, ModelUnsupported, OutOfMemory, Unavailable
from backends.local.engines import Engines, Taken
from backends.local.loading import devices
from backends.local.loading.adapters import using
from backends.local.loading.chat_format import render
from backends.local.loading.devices import Placement, choose, needed_memory, preset
from backends.local.loading.model import Loaded, load, resolve
from backends.local.loading.shards import Weights
from backends.options import LocalOptions
from backends.types import Message
from tests.app_process import free_port
from tests.backends.tiny_models import make_adapter, make_folder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

HALF = pytest.mark.skipif(devices.why_no_half() is not None, reason="no kernels for float16 weights here")


@pytest.fixture(scope="module")
def tiny(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model with the demo's tokenizer and random weights."""
    folder = tmp_path_factory.mktemp("tiny")
    make_folder(demo_folder, folder)
    return folder


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be damaged."""
    shutil.copytree(tiny, tmp_path / "model")
    return tmp_path / "model"


def loaded(
    source: Path | str, report: Callable[[LoadProgress], None] = lambda _: None, **options: Any
) -> Loaded:
    return load(LocalOptions(source=str(source), threads=1, **{"device": "cpu", **options}), report)


def taken(source: Path | str, **options: Any) -> Taken:
    """A model as a backend uses it, with its adapter."""
    asked = LocalOptions(source=str(source), threads=1, **{"device": "cpu", "batching": False, **options})
    return asyncio.run(Engines().take(asked, lambda _: None))


def refused(
    expected: type[BackendError], source: Path | str, load: Callable[..., object] = loaded, **options: Any
) -> BackendError:
    with pytest.raises(expected) as caught:
        load(source, **{"device": None, **options})
    assert caught.value.message
    assert caught.value.cure
    return caught.value


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def test_loading_tells_how_far_it_is(tiny: Path) -> None:
    whole = (tiny / "model.safetensors").stat().st_size
    for quantization in ("none", None):
        seen: list[LoadProgress] = []
        loaded(tiny, seen.append, quantization=quantization)
        done = [step.done for step in seen if step.done is not None]
        assert done[0] == 0
        assert done[-1] == whole
        assert done == sorted(done)
        assert len(set(done)) > 5
        assert {step.total for step in seen} == {whole}


def test_what_is_loaded_says_its_size(tiny: Path) -> None:
    plain, packed = loaded(tiny, dtype="float32"), loaded(tiny, quantization="fp16")
    assert plain.parameters == packed.parameters == plain.model.num_parameters()
    assert plain.weight_bytes >= 4 * plain.parameters
    # Packing pays where layers are wider than its blocks, which those of a tiny model are not.
    assert packed.weight_bytes > plain.weight_bytes


@HALF
@pytest.mark.parametrize(
    "questions",
    [
        ["What is the capital of France?"],
        pytest.param(["Write a haiku about rain.", "What is 17 plus 25?"], marks=pytest.mark.slow),
    ],
    ids=["one", "more"],
)
def test_on_a_cpu_weights_are_float16_and_say_what_float32_says(
    demo_folder: Path, questions: Sequence[str]
) -> None:
    packed, plain = loaded(demo_folder), loaded(demo_folder, dtype="float32")
    if packed.placement.quantization != "fp16":
        pytest.skip("this CPU does better with something else")
    assert "float16" in packed.placement.reason
    for question in questions:
        text = render(plain.renderer, plain.tokenizer, plain.template, [Message("user", question)])
        ids = plain.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        said = [
            model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24
            )
            for model in (packed.model, plain.model)
        ]
        assert torch.equal(said[0], said[1])
        with torch.inference_mode():
            scores = [
                model(input_ids=said[1]).logits.log_softmax(-1) for model in (packed.model, plain.model)
            ]
        assert float((scores[1].exp() * (scores[1] - scores[0])).sum(-1).mean()) < 1e-5


@HALF
def test_weights_float16_cannot_hold_stay_as_they_are() -> None:
    from backends.local.loading import weights

    layers = [torch.nn.Linear(8, 8) for _ in range(4)]
    with torch.no_grad():
        layers[0].weight[0, 0] = 70_000.0
        layers[1].weight *= 1e-6
        layers[2].weight[0, 0] = float("nan")
    model = torch.nn.Sequential(*layers)
    x = torch.randn(3, 8)
    expected = layers[3](x).detach()
    weights.pack(model)
    assert [isinstance(layer, weights.HalfLinear) for layer in model] == [False, False, False, True]
    assert torch.allclose(model[3](x), expected, atol=1e-3)
    assert torch.allclose(model[3].weight, layers[3].weight, atol=1e-3)


@HALF
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_models_stored_in_half_are_packed_alike(tiny: Path, tmp_path: Path, dtype: str) -> None:
    stored = tmp_path / "stored"
    shutil.copytree(tiny, stored)
    half = transformers.AutoModelForCausalLM.from_pretrained(tiny, dtype=getattr(torch, dtype))
    half.save_pretrained(stored)
    packed, plain = loaded(stored, quantization="fp16"), loaded(stored, dtype="float32")
    assert {weight.dtype for weight in packed.model.parameters()} == {torch.float32}
    assert packed.model.config.dtype == torch.float32
    ids = torch.tensor([[5, 900, 77, 12]])
    with torch.inference_mode():
        assert torch.allclose(packed.model(ids).logits, plain.model(ids).logits, atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((None, False, False), None),
        (("fp16", False, False), "fp16"),
        ((None, True, False), "int8"),
        (("int8", True, False), "int8"),
        ((None, False, True), "nf4"),
    ],
    ids=str,
)
def test_a_quantization_may_be_asked_for_in_several_ways(
    asked: tuple[str | None, bool, bool], found: str | None
) -> None:
    assert preset(asked[0], in_8bit=asked[1], in_4bit=asked[2]) == found


@pytest.mark.parametrize("asked", [(None, True, True), ("nf4", True, False), ("fp16", False, True)], ids=str)
def test_two_quantizations_exclude_each_other(asked: tuple[str | None, bool, bool]) -> None:
    with pytest.raises(ModelUnsupported, match="are mutually exclusive"):
        preset(asked[0], in_8bit=asked[1], in_4bit=asked[2])


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_what_ruins_replies_on_a_cpu_is_refused_and_fp16_named(quantization: str) -> None:
    with pytest.raises(ModelUnsupported, match="NVIDIA") as caught:
        choose("cpu", None, quantization)
    assert "fp16" in caught.value.cure


def test_smaller_weights_on_a_gpu_are_those_of_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelUnsupported, match="needs the package bitsandbytes") as caught:
        choose("cuda", None, "nf4")
    assert "pip install bitsandbytes" in caught.value.cure
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert choose("cuda", None, "int8").quantization == "int8"
    assert choose("cuda", None, "nf4").dtype == "bfloat16"
    assert choose("cuda", None, "fp16") == Placement("cuda", "float16", "as asked for")
    with pytest.raises(ModelUnsupported, match="conflict"):
        choose("cuda", "bfloat16", "fp16")


def test_what_bitsandbytes_is_told() -> None:
    int8, nf4, none = (
        devices.bitsandbytes(Placement("cuda", "bfloat16", "", name)) for name in ("int8", "nf4", "none")
    )
    assert int8.load_in_8bit
    assert (nf4.load_in_4bit, nf4.bnb_4bit_quant_type) == (True, "nf4")
    assert nf4.bnb_4bit_compute_dtype == torch.bfloat16
    assert none is None


@pytest.mark.parametrize(
    ("units", "found"),
    [(set(), ("float32", "fp16")), ({"_is_amx_tile_supported"}, ("bfloat16", "none"))],
    ids=["any", "amx"],
)
def test_a_cpu_gets_what_was_measured_fastest_on_it(
    monkeypatch: pytest.MonkeyPatch, units: set[str], found: tuple[str, str]
) -> None:
    monkeypatch.setattr(devices, "_torch_says", units.__contains__)
    monkeypatch.setattr(devices, "why_no_half", lambda: None)
    placement = choose("cpu", None)
    assert (placement.dtype, placement.quantization) == found
    monkeypatch.setattr(devices, "why_no_half", lambda: "because")
    other = choose("cpu", None)
    assert (other.dtype, other.quantization) == ("bfloat16" if units else "float32", "none")
    assert placement.reason != other.reason or units
    with pytest.raises(ModelUnsupported, match="because"):
        choose("cpu", None, "fp16")


def test_what_is_asked_for_is_done() -> None:
    assert choose("cpu", "float32").quantization == "none"
    assert choose("cpu", "bfloat16").dtype == "bfloat16"
    assert choose("cpu", None, "none").quantization == "none"
    assert choose("cpu", "auto") == choose("cpu", None)
    with pytest.raises(ModelUnsupported, match="conflict"):
        choose("cpu", "bfloat16", "fp16")


@pytest.mark.parametrize(
    "options",
    [
        {"device": "cuda:7"},
        {"dtype": "int3"},
        {"quantization": "q5"},
        {"load_in_4bit": True, "device": "cpu"},
        {"load_in_8bit": True},
    ],
    ids=str,
)
def test_what_this_machine_cannot_do_is_told(options: dict[str, Any], tiny: Path) -> None:
    if "load_in_8bit" in options and choose(None, None).family == "cuda":
        pytest.skip("this machine can")
    refused(ModelUnsupported, tiny, **options)


def test_a_model_that_is_quantized_already_is_not_quantized_again(copy: Path) -> None:
    changed(copy / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    assert (
        "already quantized (gptq)"
        in refused(ModelUnsupported, copy, quantization="fp16", device="cpu").message
    )


def test_a_mixture_of_experts_is_not_packed(demo_folder: Path, tmp_path: Path) -> None:
    experts = {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
    make_folder(demo_folder, tmp_path, architectures=["MixtralForCausalLM"], **experts)
    assert loaded(tmp_path).placement.quantization == "none"
    assert (
        "mixture of experts" in refused(ModelUnsupported, tmp_path, device="cpu", quantization="fp16").message
    )


def test_what_does_not_fit_is_refused_with_numbers_before_it_is_tried(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "available_memory", lambda: 1000)
    for quantization in (None, "none"):
        error = refused(OutOfMemory, tiny, device="cpu", quantization=quantization)
        assert {"needed_gb", "free_gb", "device"} <= error.params.keys()


def test_packed_weights_need_room_for_one_layer_more() -> None:
    weights = Weights(stored=2_000_000, parameters=1_000_000, largest=100_000, packed=1_200_000)
    cpu = Placement("cpu", "float32", "", "fp16")
    # Layers in two bytes, the embedding in four, and the largest once more in four while it is packed.
    assert needed_memory(cpu, weights, 100_000, tied=False) == 1_100_000 * 2 + 100_000 * 4 + 100_000 * 4
    assert needed_memory(cpu, weights, 100_000, tied=True) == 1_200_000 * 2 + 100_000 * 4 + 100_000 * 4
    assert needed_memory(Placement("cpu", "float32", ""), weights, 100_000, tied=True) == 4_000_000
    int8, nf4 = (Placement("cuda", "bfloat16", "", name) for name in ("int8", "nf4"))
    assert needed_memory(int8, weights, 100_000, tied=True) == 1_100_000
    assert needed_memory(nf4, weights, 100_000, tied=True) < 800_000


def test_missing_weights_are_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert "model.safetensors" in refused(ModelNotFound, copy).message
    (copy / "pytorch_model.bin").write_bytes(b"")
    assert "pickle" in refused(ModelUnsupported, copy).message


def sharded(folder: Path) -> list[Path]:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 1
    return shards


def test_shards_load_and_a_missing_one_is_named(copy: Path) -> None:
    shards = sharded(copy)
    assert loaded(copy).parameters
    shards[1].unlink()
    error = refused(ModelNotFound, copy)
    assert shards[1].name in error.message
    assert shards[0].name not in error.message


@pytest.mark.parametrize("left", [0, 5, 100, -1], ids=["empty", "length", "header", "data"])
def test_a_shard_that_is_cut_short_is_told_before_it_is_loaded(copy: Path, left: int) -> None:
    shard = sharded(copy)[1]
    shard.write_bytes(shard.read_bytes()[:left])
    error = refused(ModelUnsupported, copy)
    assert shard.name in error.message
    assert "is incomplete" in error.message


@pytest.mark.parametrize(
    "content",
    [b"\x00" * 100, b"\xff" * 100, (40).to_bytes(8, "little") + b"[" * 60, (2).to_bytes(8, "little") + b"{}"],
    ids=["zeros", "ones", "no-json", "empty"],
)
def test_damaged_weights_are_told(copy: Path, content: bytes) -> None:
    (copy / "model.safetensors").write_bytes(content)
    assert "model.safetensors" in refused(ModelUnsupported, copy).message


def test_damaged_settings_are_told(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    assert "config.json" in refused(ModelUnsupported, copy).message


def test_a_folder_without_a_tokenizer_says_so(copy: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (copy / name).unlink(missing_ok=True)
    refused(ModelUnsupported, copy)


def test_a_base_model_is_offered_as_one_that_writes_on(copy: Path) -> None:
    without_template(copy)
    base = loaded(copy)
    assert base.template_source.startswith("default: a base model")
    assert base.stop == ("\nUser:", "\nAssistant:")
    messages = [Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hi")]
    asked = [*messages, Message("user", "Bye")]
    assert render(base.renderer, base.tokenizer, base.template, asked) == (
        "Be brief.\n\nUser: Hello\nAssistant: Hi\nUser: Bye\nAssistant:"
    )
    assert render(base.renderer, base.tokenizer, base.template, messages, continue_final=True).endswith(
        "Assistant: Hi"
    )
    assert base.system_role
    given = taken(copy, chat_template="{{ messages[0]['content'] }}").variant
    assert (given.source, given.stop) == ("file", ())


def test_a_base_model_gets_the_beginning_it_was_trained_with(copy: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    without_template(copy)
    tokenizer = transformers.AutoTokenizer.from_pretrained(copy)
    begin = tokenizer.bos_token
    pair = f"{begin} $A {begin} $B"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", pair=pair, special_tokens=[(begin, tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(copy)
    base = loaded(copy)
    assert (
        render(base.renderer, base.tokenizer, base.template, [Message("user", "Hi")])
        == f"{begin}User: Hi\nAssistant:"
    )


def test_a_chat_model_keeps_its_template(tiny: Path) -> None:
    chat = loaded(tiny)
    assert (chat.template_source, chat.stop, chat.images) == ("model", (), False)
    assert chat.template == chat.tokenizer.chat_template


def test_what_writes_no_replies_is_refused(copy: Path) -> None:
    changed(copy / "config.json", architectures=["BertForMaskedLM"])
    assert "BertForMaskedLM" in refused(ModelUnsupported, copy).message


def test_code_of_a_model_runs_only_when_allowed(copy: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (copy / "modeling_own.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Own: pass\n")
    own = {"AutoConfig": "modeling_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
    changed(copy / "config.json", auto_map=own, model_type="own")
    assert "trust" in refused(ModelUnsupported, copy).cure
    assert not ran.exists()
    refused(ModelUnsupported, copy, trust_remote_code=True)  # it is no model; but it was run
    assert ran.exists()


def test_places_without_a_model_are_told(tmp_path: Path) -> None:
    assert "config.json" in refused(ModelNotFound, tmp_path).message
    refused(ModelNotFound, tmp_path / "nothing")
    (tmp_path / "weights.bin").write_bytes(b"")
    refused(ModelUnsupported, tmp_path / "weights.bin")
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"")
    assert "2 GGUF files" in refused(ModelUnsupported, tmp_path).message


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("time.sleep", lambda _: None)  # between its many tries
    assert "hub cannot be reached" in refused(Unavailable, "nobody/nothing").message


def test_an_adapter_loads_its_model_and_itself(tiny: Path, tmp_path: Path) -> None:
    make_adapter(tiny, tmp_path / "adapter")
    asked = LocalOptions(source=str(tmp_path / "adapter"), device="cpu")
    found = resolve(asked)
    assert (found.source, found.adapter) == (str(tiny), str(tmp_path / "adapter"))
    assert resolve(found) == found
    assert resolve(LocalOptions(source=str(tiny))) == LocalOptions(source=str(tiny))
    said = taken(tmp_path / "adapter")
    assert said.variant.adapter is not None
    assert said.variant.adapter.name == "adapter"
    model = said.shared.opened.loaded.model
    ids = torch.tensor([[5, 900, 77, 12]])
    with torch.inference_mode():
        plain = model(ids).logits
        with using(model, [("adapter", slice(None))]):
            adapted = model(ids).logits
        assert torch.equal(plain, loaded(tiny).model(ids).logits)
    assert not torch.allclose(plain, adapted, atol=0.01)


def test_an_adapters_own_template_comes_before_its_models(copy: Path, tmp_path: Path) -> None:
    make_adapter(copy, tmp_path / "adapter")
    without_template(copy)
    assert taken(tmp_path / "adapter").variant.stop
    own = "{{ messages[0]['content'] }}"
    (tmp_path / "adapter" / "chat_template.jinja").write_text(own)
    found = taken(tmp_path / "adapter").variant
    assert (found.template, found.source, found.stop) == (own, "adapter", ())


def test_adapters_that_cannot_be_loaded_are_told(tiny: Path, tmp_path: Path) -> None:
    make_adapter(tiny, tmp_path / "adapter")
    assert "adapter_config.json" in refused(ModelNotFound, tiny, taken, adapter=str(tiny)).message
    changed(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path="/nowhere")
    error = refused(ModelNotFound, tmp_path / "adapter", taken)
    assert "of this adapter" in error.message
    assert "/nowhere" in error.cure
