"""Training a model on plain text: what is held out, what is refused, and what comes of it."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.test_finetuning import checkpoint
from webchat.cli import run as webchat
from webchat.feedback.finetuning import (
    CannotTrain,
    Plan,
    Point,
    Words,
    card_of,
    check,
    curves,
    is_running,
    kept,
    run,
    runs,
    store_plan,
    stored_plan,
    texts_of,
    write_texts,
)
from webchat.settings import Settings, model_specs

GPT = {"model_type": "gpt2", "vocab_size": 400, "n_positions": 32, "n_layer": 2, "n_head": 2, "n_embd": 16}


def text(lines: int) -> str:
    """Lines that are all different."""
    return "".join(f"Line {at}: the square of {at} is {at * at}, sagt Zoë 你好.\n" for at in range(lines))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A training on text from a model without a chat template."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text('{"n_embd": 64, "n_layer": 2, "n_positions": 64}')
    (tmp_path / "model/model.safetensors").write_bytes(b"0" * 1000)
    (tmp_path / "book.txt").write_text(text(1000), encoding="utf-8")
    write_texts(tmp_path / "book.txt", tmp_path / "dataset")
    folder = tmp_path / "data/finetune/tiny"
    return Plan("lm", tmp_path / "model", tmp_path / "dataset", folder, 1e-3, max_length=64, use_cpu=True)


def test_the_end_of_each_file_is_held_out_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "texts/more").mkdir(parents=True)
    written = {"a.txt": text(4000), "more/b.md": text(50).replace("Line", "Satz"), "data.bin": "not text\n"}
    for name, words in written.items():
        (tmp_path / "texts" / name).write_text(words, encoding="utf-8")
    write_texts(tmp_path / "texts", tmp_path / "dataset")
    train, test = (list(texts_of(tmp_path / "dataset", split)) for split in ("train", "test"))
    for name in ("a.txt", "more/b.md"):
        lines = written[name].splitlines()
        first = lines[0].split()[0]
        learned, held_out = (
            [line for row in rows for line in row.splitlines() if line.startswith(first)]
            for rows in (train, test)
        )
        assert [*learned, *held_out] == lines
        assert 0.07 < len(held_out) / len(lines) < 0.13
    assert max(map(len, train)) < 110_000, "a row for a whole file would not fit into a trainer's memory"
    assert len(train) > 2
    assert not any("not text" in row for row in train)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty").mkdir()
    for name, says in (("picture.txt", "not text in UTF-8"), ("empty", "has no text")):
        with pytest.raises(CannotTrain, match=says):
            write_texts(tmp_path / name, tmp_path / "dataset")


def test_a_text_too_short_and_a_window_too_long_are_refused(plan: Plan, tmp_path: Path) -> None:
    assert check(plan).rows == sum(len(row) for row in texts_of(plan.dataset, "train"))
    with pytest.raises(CannotTrain, match="64 tokens this model reads"):
        check(replace(plan, max_length=65))
    (tmp_path / "note.txt").write_text(text(100), encoding="utf-8")
    write_texts(tmp_path / "note.txt", tmp_path / "short")
    with pytest.raises(CannotTrain, match="too few to learn a language"):
        check(replace(plan, dataset=tmp_path / "short"))
    (tmp_path / "line.txt").write_text("word " * 20_000, encoding="utf-8")
    write_texts(tmp_path / "line.txt", tmp_path / "one")
    with pytest.raises(CannotTrain, match="break it into lines"):
        check(replace(plan, dataset=tmp_path / "one"))


def trained(plan: Plan, losses: list[float]) -> None:
    """As the trainer leaves a model: with what it needs to go on, too."""
    checkpoint(plan, 13, best=13, losses=losses)
    folder = plan.checkpoints / "checkpoint-13"
    (folder / "adapter_config.json").unlink()
    (folder / "adapter_model.safetensors").unlink()
    shutil.copy(plan.model / "config.json", folder)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    (folder / "optimizer.pt").write_text("twice the weights")


def test_a_trained_model_is_kept_with_a_chat_template_and_is_in_the_picker(
    plan: Plan, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    trained(plan, [3.0, 2.0])
    folder = kept(plan, "tiny", settings.trained_dir, rows=50_000, held_out_rows=5_000)
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "chat_template.jinja",
        "webchat.json",
        "losses.svg",
    }
    assert "{{ eos_token }}" in (folder / "chat_template.jinja").read_text()
    assert card_of(folder)["perplexity"] == round(math.exp(2.0), 2)
    names = [spec.name for spec in model_specs(settings, has=lambda package: True)]
    assert names[-1] == "tiny"
    given = settings.model_copy(update={"model": str(folder)})
    assert [spec.name for spec in model_specs(given, has=lambda package: True)] == ["tiny"]


def test_an_adapter_of_a_trained_model_stands_beside_it(plan: Plan, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    trained(plan, [3.0])
    base = kept(plan, "tiny", settings.trained_dir, rows=1, held_out_rows=1)
    chatty = replace(plan, method="sft", model=base, folder=tmp_path / "other")
    checkpoint(chatty, 13, best=13, losses=[1.0])
    kept(chatty, "chatty", settings.adapters_dir, rows=1, held_out_rows=1)
    names = [spec.name for spec in model_specs(settings, has=lambda package: True)]
    assert names[-2:] == ["tiny", "tiny + chatty"]


def test_all_weights_can_be_trained_on_chats(plan: Plan) -> None:
    whole = replace(plan, method="sft", all_weights=True)
    assert whole.flags[0] == "sft"
    assert "--use_peft" not in whole.flags
    assert "--packing" not in whole.flags
    assert "--use_peft" in replace(plan, method="sft").flags
    assert plan.flags[0] == "sft"
    assert plan.flags[plan.flags.index("--packing_strategy") + 1] == "wrapped"


def test_a_plan_is_read_as_it_was_stored(plan: Plan) -> None:
    odd = replace(plan, more=("--warmup_steps", "7"), weight_decay=0.1)
    store_plan(odd)
    assert stored_plan(plan.folder) == odd
    (plan.folder / "plan.json").write_text('{"method": "lm"}')
    assert stored_plan(plan.folder) is None


def test_trainings_that_run_and_that_stopped_are_listed(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "print({'loss': 4, 'epoch': 1.5}); print({'eval_loss': 3, 'epoch': 1.5})"
    code = f"{told}; import time; time.sleep(600)"
    monkeypatch.setattr(Plan, "command", lambda self, **how: [sys.executable, "-c", code])
    store_plan(plan)
    going = run(plan)
    next(going), next(going)
    (listed,) = runs(plan.folder.parent)
    assert (listed.name, listed.state, listed.done) == ("tiny", "running", 0.5)
    assert listed.points == (Point(1.5, 4.0), Point(1.5, 3.0, True))
    going.close()  # type: ignore[attr-defined]
    assert not is_running(plan.folder)
    assert [one.state for one in runs(plan.folder.parent)] == ["stopped"]
    assert runs(plan.folder / "nowhere") == []


def test_the_picture_of_losses_has_both_curves() -> None:
    points = [Point(at / 100, 5 - at / 100) for at in range(400)] + [Point(float("nan"), 1.0)]
    held_out = [Point(epoch, 3.0 + epoch, held_out=True) for epoch in (1.0, 2.0)]
    drawn = curves([*points, *held_out], Words(training="<b>"))
    assert drawn.count("<circle") == 2
    assert drawn.count("L") >= 200
    assert drawn.count("L") < 310, "a point for each of a thousand steps would be a large file"
    assert "&lt;b&gt;" in drawn
    assert "nan" not in drawn
    assert curves([]).endswith("</svg>")


def lm(tmp_path: Path, *more: str, config: Any = GPT) -> int:
    (tmp_path / "gpt.json").write_text(json.dumps(config))
    (tmp_path / "book.txt").write_text(text(1000), encoding="utf-8")
    given = ["--config", str(tmp_path / "gpt.json"), "--from", str(tmp_path / "book.txt"), "--name", "tiny"]
    return webchat(["finetune", "--method", "lm", *given, *more])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_fresh_weights_and_a_tokenizer_are_made_of_a_configuration_and_the_text(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    transformers = pytest.importorskip("transformers")
    assert lm(tmp_path, "--dry-run") == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "characters to train on" in said
    assert "--max_length 32 " in said, "it cannot read more"
    made = data / "finetune/tiny/model"
    model = transformers.AutoModelForCausalLM.from_pretrained(made)
    tokenizer = transformers.AutoTokenizer.from_pretrained(made)
    assert model.config.n_layer == 2
    assert model.config.vocab_size == len(tokenizer) <= 400
    assert model.config.eos_token_id == tokenizer.eos_token_id
    seen = "Zoë 你好. Line\n🌧️ nie gesehen"
    assert tokenizer.decode(tokenizer(seen).input_ids) == seen
    assert len(tokenizer("the square of").input_ids) < 8, "learned from the text"
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == "User: Hi\nAssistant: Ho<|endoftext|>\n"
    first = (made / "model.safetensors").read_bytes()
    assert lm(tmp_path, "--dry-run") == 0
    assert (made / "model.safetensors").read_bytes() == first, "the same seed, the same weights"


def test_a_wrong_configuration_is_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    for config, says in (
        ({"n_layer": 2}, 'names no "model_type"'),
        ({"model_type": "nothing"}, "transformers makes no model"),
        ({**GPT, "n_embd": 17}, "transformers makes no model"),
        ({**GPT, "vocab_size": 10}, "is no vocabulary"),
    ):
        assert lm(tmp_path, "--dry-run", config=config) == 2
        assert says in capsys.readouterr().err
    assert webchat(["finetune", "--method", "lm"]) == 2
    assert "needs --from" in capsys.readouterr().err
    assert webchat(["finetune", "--config", "x.json"]) == 2
    assert "for --method lm" in capsys.readouterr().err


def test_a_picture_shows_where_each_head_looks(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("matplotlib")
    from backends.local.loading.attending import attention_of

    assert lm(tmp_path, "--dry-run") == 0
    model, picture = data / "finetune/tiny/model", tmp_path / "attention.svg"
    assert webchat(["attention", str(picture), "--model", str(model), "--text", "the square of $7"]) == 0
    assert "in 2 layers of 2 heads" in capsys.readouterr().out
    assert picture.read_text(encoding="utf-8").count("<image") == 4
    assert webchat(["attention", str(picture), "--model", str(tmp_path), "--text", "x"]) == 2
    assert "no model in" in capsys.readouterr().err
    assert webchat(["attention", "x.gif", "--model", str(model), "--text", "x"]) == 2
    found = attention_of(model, text(3), most=9)
    assert found.weights.shape == (2, 2, 9, 9)
    assert "".join(found.tokens) == text(3)[: len("".join(found.tokens))]
    for row in found.weights.reshape(-1, 9, 9).transpose(1, 0, 2).tolist()[4]:
        assert sum(row[:5]) == pytest.approx(1.0, abs=1e-4), "a token looks at itself and those before it"
        assert sum(row[5:]) == 0.0


NANOCHAT = {
    "model_type": "nanochat",
    "vocab_size": 400,
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


@pytest.mark.parametrize("config", [GPT, NANOCHAT], ids=["gpt2", "nanochat"])
async def test_a_checkpoint_opens_with_the_optimiser_s_state_beside_it(
    config: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from backends.base import collect
    from backends.local import LocalBackend
    from backends.local.loading.chat_format import PLAIN_CHAT
    from backends.local.loading.fresh import write_fresh
    from backends.options import LocalOptions
    from backends.types import Message, Request, Sampling

    folder = tmp_path / "output/checkpoint-500"
    write_fresh(config, iter([text(300)]), folder, chat_template=PLAIN_CHAT)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        (folder / name).write_bytes(b"a pickle")
    (folder / "trainer_state.json").write_text("{}")
    backend = LocalBackend(LocalOptions(source=str(folder)))
    asked = Request(messages=(Message("user", "Hi"),), sampling=Sampling(max_tokens=4, temperature=0.0))
    try:
        reply = await collect(backend.stream(asked))
    finally:
        await backend.aclose()
    assert reply.usage is not None
    assert 0 < reply.usage.completion_tokens <= 4
