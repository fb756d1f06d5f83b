"""A quantized GGUF as a folder with full weights, which can be trained."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def write_dense(gguf: Path, folder: Path) -> None:
    """Write the model of a GGUF into `folder` as transformers keeps models; it appears whole or not at all.

    Needs torch and transformers. Blocks: seconds to minutes, and four bytes a weight in memory and on disk.
    Raises what transformers raises for architectures it does not know, and `OSError`.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    dense = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, quantization_config=dense)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    write_whole(model, tokenizer, folder)


def write_whole(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write both into `folder`, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
