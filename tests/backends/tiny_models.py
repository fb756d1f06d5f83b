"""Small models for what needs no wisdom: whole folders and files that load in no time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

_LAYERS = 2
_SMALL = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "layer_types": None,
    "dtype": "float32",
}
_IMAGE = 32
"""Pixels of a side, as the tiny vision-language model sees an image: four tokens."""
_VISION_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL_AND_BYTES = 17 + 256
"""The demo's vocabulary begins with these; then each merge makes one token, in order."""
_MERGES = 1000


def make_folder(demo_folder: Path, folder: Path, **changes: Any) -> None:
    """A model of transformers in `folder`, with the demo's first tokens and random weights.

    changes: to its configuration.
    """
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    for file in demo_folder.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, folder / file.name)
    tokens = _cut_tokenizer(folder / "tokenizer.json")
    config = json.loads((folder / "config.json").read_text())
    config |= _SMALL | {"vocab_size": tokens} | changes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config))
    made.save_pretrained(folder)


def _cut_tokenizer(file: Path) -> int:
    """Leave only the first tokens, of which tiny models load in a tenth of the time; returns how many."""
    told = json.loads(file.read_text("utf-8"))
    model, tokens = told["model"], _SPECIAL_AND_BYTES + _MERGES
    model["vocab"] = {token: number for token, number in model["vocab"].items() if number < tokens}
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]]
    file.write_text(json.dumps(told), "utf-8")
    return tokens


def make_adapter(base: Path, folder: Path, *, seed: int = 0, strength: float = 5.0, **options: Any) -> None:
    """A LoRA for the model in `base` with random weights that change what it says."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    asked = {"task_type": "CAUSAL_LM", "target_modules": "all-linear", "r": 2, "lora_alpha": 3} | options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tuner = peft.LoraModel(model, peft.LoraConfig(**asked, base_model_name_or_path=str(base)), "default")
        for name, weight in tuner.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=strength)
    folder.mkdir(parents=True, exist_ok=True)
    tuner.peft_config["default"].save_pretrained(str(folder))
    tensors = {
        f"base_model.{name.replace('.default', '')}": weight.detach().contiguous()
        for name, weight in tuner.named_parameters()
        if "lora_" in name
    }
    pytest.importorskip("safetensors.torch").save_file(tensors, folder / "adapter_model.safetensors")


def make_vision(demo_folder: Path, folder: Path) -> None:
    """A vision-language model with its processor, the demo's tokenizer and random weights."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    pytest.importorskip("PIL")
    images = pytest.importorskip("transformers.models.idefics3.image_processing_pil_idefics3")
    processor = transformers.Idefics3Processor(
        images.Idefics3ImageProcessorPil(
            do_image_splitting=False, size={"longest_edge": _IMAGE}, max_image_size={"longest_edge": _IMAGE}
        ),
        transformers.AutoTokenizer.from_pretrained(demo_folder),
        image_seq_len=4,
        chat_template=_VISION_TEMPLATE,
    )
    text = json.loads((demo_folder / "config.json").read_text())
    text |= {**_SMALL, "vocab_size": len(processor.tokenizer)}
    seen = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.Idefics3Config(
        text_config={key: value for key, value in text.items() if key != "architectures"},
        vision_config={**seen, "image_size": _IMAGE, "patch_size": 8},
        scale_factor=2,
        image_token_id=processor.image_token_id,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.Idefics3ForConditionalGeneration(config)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def make_gguf_adapter(path: Path, *, std: float, seed: int = 0, architecture: str = "llama") -> None:
    """A LoRA for the demo model's GGUF with random weights."""
    gguf = pytest.importorskip("gguf")
    numpy = pytest.importorskip("numpy")
    random, rank, width, layers = numpy.random.default_rng(seed), 4, 576, 30
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    for layer in range(layers):
        for name, shape in (("lora_a", (rank, width)), ("lora_b", (width, rank))):
            values = random.normal(0, std, shape).astype(numpy.float32)
            writer.add_tensor(f"blk.{layer}.attn_q.weight.{name}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_gguf(demo_gguf: Path, path: Path) -> None:
    """The demo model cut down to its first layers and tokens: a real GGUF that talks nonsense."""
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(demo_gguf)
    tokens = _SPECIAL_AND_BYTES + _MERGES
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    cut: dict[str, Any] = {
        "llama.block_count": _LAYERS,
        "llama.vocab_size": tokens,
        "tokenizer.ggml.tokens": slice(tokens),
        "tokenizer.ggml.token_type": slice(tokens),
        "tokenizer.ggml.merges": slice(_MERGES),
    }
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        value, how = field.contents(), cut.get(name)
        kind = field.types[0]
        item = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, value[how] if isinstance(how, slice) else how or value, kind, item)
    for tensor in reader.tensors:
        layer = tensor.name.split(".")[1] if tensor.name.startswith("blk.") else "0"
        if int(layer) < _LAYERS:
            rows = tokens if tensor.name == "token_embd.weight" else None
            writer.add_tensor(tensor.name, tensor.data[:rows])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
