"""A model of its own with weights drawn at random, and a tokenizer learned from a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backends.errors import ModelUnsupported
from backends.local.loading.dense import write_whole

USUAL_VOCABULARY = 4096
"""Tokens, where a configuration does not say. Transformers' own defaults are for texts of gigabytes."""


def write_fresh(config: Mapping[str, Any], texts: Iterator[str], folder: Path, *, chat_template: str) -> None:
    """Write an untrained model into `folder` as transformers keeps models; it appears whole or not at all.

    config: what `config.json` says, at least `model_type`. Its `vocab_size` is the most that the tokenizer
    (byte-level BPE, as GPT-2's, so that no character is unknown) learns; the model gets as many as it found.
    Needs torch and transformers. Blocks: seconds for a megabyte. Raises `ModelUnsupported`, `OSError`.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GPT2Tokenizer

    classes: Any = AutoModelForCausalLM
    untrained: Any = GPT2Tokenizer()

    most = config.get("vocab_size", USUAL_VOCABULARY)
    if type(most) is not int or most < 300:
        raise ModelUnsupported(
            f"vocab_size = {most!r} is no vocabulary: 256 tokens are single bytes.",
            cure="Choose 300 or more; a text of a few hundred kilobytes is well served by 1,000 to 4,000.",
        )
    tokenizer = untrained.train_new_from_iterator(texts, vocab_size=most)
    end = tokenizer.eos_token_id
    given = {**config, "vocab_size": len(tokenizer), "bos_token_id": end, "eos_token_id": end}
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = classes.from_config(AutoConfig.for_model(**given))
    except Exception as error:  # transformers' checks raise many kinds
        raise ModelUnsupported(
            f"transformers makes no model of this configuration: {str(error).splitlines()[0]}",
            cure='Start from {"model_type": "gpt2", "n_layer": 4, "n_embd": 128, "n_head": 4}.',
        ) from error
    tokenizer.chat_template = chat_template
    tokenizer.model_max_length = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
    write_whole(model, tokenizer, folder)
