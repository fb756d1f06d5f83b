"""The page on building a small GPT: its commands run, and what comes of them chats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.pages import follow

pytest.importorskip("trl")

PAGE = ROOT / "deploy/small_gpt.md"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_small_gpt_is_built_as_the_page_says(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    follow(PAGE, tmp_path)
    models = tmp_path / "data/models"
    cards = {name: json.loads((models / name / "webchat.json").read_text()) for name in ("tiny", "tiny-chat")}
    assert cards["tiny"]["perplexity"] < 100, "of 1,024 tokens"
    for name, card in cards.items():
        held_out = [loss for _, loss, kept_out in card["losses"] if kept_out]
        assert card["held_out"] < held_out[0]
        assert "<svg" in (models / name / "losses.svg").read_text()
    assert (tmp_path / "attention.svg").stat().st_size > 10_000
    tokenizer = transformers.AutoTokenizer.from_pretrained(models / "tiny-chat")
    model = transformers.AutoModelForCausalLM.from_pretrained(models / "tiny-chat")
    chat = [{"role": "user", "content": "What does if mean?"}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    reply = model.generate(**asked, max_new_tokens=100, do_sample=False)[0, asked["input_ids"].shape[1] :]
    text = tokenizer.decode(reply)
    assert text.endswith("<|endoftext|>"), "it learned where a reply ends"
    assert "conditional execution" in text
