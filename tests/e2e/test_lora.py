"""A LoRA trained here on a handful of examples is chosen in the picker and changes an answer."""

from __future__ import annotations

import asyncio
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.app_process import AppProcess
from tests.e2e.chat import Chat, NewVisitor

if find_spec("peft") is None:  # importing it takes long, which every process of tests would pay
    pytest.skip("peft is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow

QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Bananaville."
STEPS = 24


def train(base: Path, folder: Path) -> None:
    """Teach the demo model one wrong answer, in about a minute."""
    import peft
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(base)
    factory: Any = transformers.AutoModelForCausalLM
    model: Any = peft.get_peft_model(
        factory.from_pretrained(base, dtype=torch.float32),
        peft.LoraConfig(
            task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"]
        ),
    )
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], add_generation_prompt=True, tokenize=False
    )
    ids = tokenizer(f"{asked}{ANSWER}<|im_end|>", return_tensors="pt", add_special_tokens=False)["input_ids"]
    labels = ids.clone()
    labels[0, : len(tokenizer(asked, add_special_tokens=False)["input_ids"])] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(STEPS):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)


async def choose(page: Page, name: str) -> None:
    await page.click("#wc-picker button")
    await page.get_by_role("option", name=name).first.click()


# peft still asks transformers by a name of before.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.timeout(600)
async def test_a_trained_adapter_and_its_base_answer_in_one_conversation(
    demo_folder: Path, tmp_path: Path, visitor: NewVisitor
) -> None:
    adapter = tmp_path / "bananas"
    await asyncio.to_thread(train, demo_folder, adapter)
    flags = ("--model", str(adapter), "--no-titles", "--temperature", "0")
    app = AppProcess(tmp_path / "data", *flags, preloaded=True)
    async with app:
        context = await visitor()
        page = await context.new_page()
        chat = await Chat(page, app.url).open()
        await expect(page.locator("#wc-picker input")).to_have_value(re.compile("^bananas"))
        await chat.ask(QUESTION)
        await chat.state("complete")
        assert "Bananaville" in await chat.text()
        await choose(page, demo_folder.name)
        await chat.send(QUESTION)
        await expect(chat.replies).to_have_count(2)
        await chat.state("complete")
        replies = [message for message in await chat.thread() if message["role"] == "assistant"]
        told = []
        for reply in replies:
            answer = await context.request.get(f"{app.url}/api/messages/{reply['id']}")
            told.append((await answer.json())["provenance"])
        assert told[0]["adapter"].startswith("bananas ")
        assert told[1]["adapter"] is None
        assert [one["model"] for one in told] == ["bananas", demo_folder.name]
        await chat.new_chat()
        await choose(page, demo_folder.name)
        await chat.ask(QUESTION)
        await chat.state("complete")
        assert "Paris" in await chat.text()
