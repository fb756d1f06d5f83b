"""Where a model looks while it reads a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import ModelNotFound, ModelUnsupported


@dataclass(frozen=True, slots=True)
class Attention:
    """tokens: the text as the model reads it. weights: an array (layer, head, reading token, token looked
    at) of numbers from 0 to 1; each row sums to 1."""

    tokens: tuple[str, ...]
    weights: Any


def attention_of(folder: Path, text: str, *, most: int) -> Attention:
    """The attention of a model in a folder for a text, of which at most `most` tokens are read.

    Needs torch and transformers. Blocks: seconds. Raises `ModelNotFound`, `ModelUnsupported`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise ModelNotFound(
            f"There is no model in {folder}.", cure="Give a folder with config.json and *.safetensors."
        )
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    # Other implementations never have the weights in memory.
    model: Any = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    ids = tokenizer(text, return_tensors="pt").input_ids[:, :most]
    with torch.inference_mode():
        layers = model(ids, output_attentions=True, use_cache=False).attentions
    if not layers or any(layer is None for layer in layers):
        raise ModelUnsupported(
            "This model's layers have no attention to look at.", cure="Choose a transformer, such as gpt2."
        )
    return Attention(
        tuple(tokenizer.decode(token) for token in ids[0]), torch.cat(list(layers)).float().numpy()
    )
