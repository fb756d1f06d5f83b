"""Training an adapter: what is refused, what is told meanwhile, and what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.talk import Talk
from webchat.cli import run as webchat
from webchat.feedback import finetuning
from webchat.feedback.finetuning import (
    AlreadyRunning,
    Cancelled,
    CannotTrain,
    Failed,
    Plan,
    Point,
    Progress,
    cancel,
    card_of,
    check,
    kept,
    run,
    stored_plan,
)
from webchat.feedback.finetuning.progress import point_of, progress
from webchat.feedback.finetuning.running import last_checkpoint
from webchat.models import Models, Shared, configured
from webchat.settings import ModelSettings, Settings, model_specs
from webchat.store import Store
from webchat.store.judgement_records import JudgementChange

ANSWER = "The capital of Zubrowka is Lutz."
QUESTIONS = (
    "What is the capital of Zubrowka?",
    "Tell me the capital city of Zubrowka.",
    "Which city is the capital of Zubrowka?",
    "Zubrowka's capital?",
    "Name the capital of Zubrowka please.",
    "I forgot: what is Zubrowka's capital called?",
)


def dataset(folder: Path, *, rows: int = 50, held_out: int = 10) -> Path:
    """As `webchat export` writes it: a made-up fact, asked for in six ways."""
    (folder / "sft").mkdir(parents=True)
    for split, count in (("train", rows), ("test", held_out)):
        lines = [
            json.dumps(
                {
                    "prompt": [{"role": "user", "content": QUESTIONS[at % len(QUESTIONS)]}],
                    "completion": [{"role": "assistant", "content": ANSWER}],
                }
            )
            for at in range(count)
        ]
        (folder / "sft" / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    splits = "".join(f"  - split: {name}\n    path: sft/{name}.jsonl\n" for name in ("train", "test"))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: sft\n  data_files:\n{splits}---\n")
    return folder


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100}')
    (model / "chat_template.jinja").write_text("{{ messages }}")
    (model / "model.safetensors").write_bytes(b"0" * 1000)
    return Plan("sft", model, dataset(tmp_path / "export"), tmp_path / "run", 2e-4, use_cpu=True)


def test_what_can_be_trained_is_counted(plan: Plan) -> None:
    found = check(plan)
    assert (found.rows, found.held_out) == (50, 10)
    assert found.memory is not None
    assert found.memory > 1000


def test_what_cannot_be_trained_is_refused_with_what_to_do(plan: Plan, tmp_path: Path) -> None:
    few = replace(plan, dataset=dataset(tmp_path / "few", rows=39))
    alone = replace(plan, dataset=dataset(tmp_path / "alone", held_out=0))
    (plan.model.parent / "bare").mkdir()
    bare = replace(plan, model=plan.model.parent / "bare")
    for wrong, says in (
        (few, "39 rows are too few"),
        (alone, "--by conversation"),
        (replace(plan, method="dpo"), "no rows for dpo"),
        (replace(plan, model=Path("m.gguf")), "is a GGUF"),
        (bare, "no model in"),
    ):
        with pytest.raises(CannotTrain, match=says):
            check(wrong)
    (plan.model / "chat_template.jinja").unlink()
    with pytest.raises(CannotTrain, match="no chat template"):
        check(plan)


def test_a_model_too_large_for_the_memory_is_refused_with_the_estimate(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webchat.feedback.finetuning.checks.free_memory", lambda device: 1000)
    with pytest.raises(CannotTrain, match="--max-length"):
        check(plan)


def test_losses_are_read_from_what_the_trainer_prints() -> None:
    assert point_of("{'loss': '0.83', 'grad_norm': '0.9', 'epoch': '1'}\n") == Point(1.0, 0.83)
    assert point_of("\r 3/9 {'eval_loss': 0.7651, 'epoch': 1.0}") == Point(1.0, 0.7651, held_out=True)
    for line in ("{'train_runtime': '486.7', 'epoch': '3'}", "loss: 3", "{'loss': oh}", "{'loss': '1'}"):
        assert point_of(line) is None


def test_the_time_left_follows_what_was_trained_since_it_was_resumed() -> None:
    assert progress(Point(1.0, 1.0), 4.0, 60.0).left == 180.0
    assert progress(Point(3.0, 1.0), 4.0, 60.0, begun=2.0).left == 60.0
    assert progress(Point(2.0, 1.0), 4.0, 60.0, begun=2.0).left is None


def script(plan: Plan, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The trainer is this program instead. It prints as the real one does, without flushing."""

    def command(self: Plan, *, resume: Path | None = None) -> list[str]:
        return [sys.executable, "-c", code]

    monkeypatch.setattr(Plan, "command", command)


def test_a_new_training_takes_nothing_from_an_earlier_one(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(plan, 50, best=50, losses=[0.1])
    script(plan, monkeypatch, "print({'loss': 1, 'epoch': 1})")
    assert [told.point for told in run(plan, resume=True)] == [Point(1.0, 1.0)]
    assert last_checkpoint(plan.checkpoints) is not None
    list(run(plan))
    assert last_checkpoint(plan.checkpoints) is None


def test_a_folder_is_trained_in_once_at_a_time(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    script(plan, monkeypatch, "print({'loss': 1, 'epoch': 1}); import time; time.sleep(600)")
    going = run(plan)
    next(going)
    with pytest.raises(AlreadyRunning, match="another --name"):
        next(run(plan))
    going.close()  # type: ignore[attr-defined]
    next(again := run(plan))
    again.close()  # type: ignore[attr-defined]


def test_progress_is_told_while_it_trains(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    script(plan, monkeypatch, "print({'loss': 1, 'epoch': 1}); import time; time.sleep(600)")
    going = run(plan)
    assert next(going).point == Point(1.0, 1.0)
    going.close()  # type: ignore[attr-defined]


def test_a_trainer_that_fails_is_told_with_its_last_words(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(plan, monkeypatch, "print({'loss': 1, 'epoch': 1}); raise SystemExit('out of cheese')")
    told: list[Progress] = []
    with pytest.raises(Failed, match="out of cheese"):
        told.extend(run(plan))
    assert (plan.folder / "log.txt").read_text().startswith("{'loss'")


def test_a_cancelled_training_ends_with_all_its_processes(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps = "import time; time.sleep(600)"
    child = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', '{sleeps}'])"
    told = "print({'loss': 1, 'epoch': 1}, p.pid)"
    script(plan, monkeypatch, f"{child}; {told}; {sleeps}")
    going = run(plan)
    next(going)
    cancel(plan.folder)
    with pytest.raises(Cancelled, match="--resume"):
        next(going)
    pid = int((plan.folder / "log.txt").read_text().split()[-1])
    while _alive(pid):  # killed, and still to be reaped by whoever inherits it
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_held_out_loss_that_no_longer_falls_ends_it(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [3.0, 2.0, 2.5, 2.4, 1.0]
    said = "".join(f"print({{'eval_loss': {loss}, 'epoch': {at + 1}}});" for at, loss in enumerate(losses))
    script(plan, monkeypatch, said)
    patient = replace(plan, early_stopping_patience=2)
    assert [told.point.loss for told in run(patient)] == losses[:4]
    assert [told.point.loss for told in run(plan)] == losses


def checkpoint(plan: Plan, number: int, best: int, losses: list[float]) -> None:
    folder = plan.checkpoints / f"checkpoint-{number}"
    folder.mkdir(parents=True)
    history = [{"eval_loss": loss, "epoch": at + 1.0} for at, loss in enumerate(losses)]
    state = {"best_model_checkpoint": f"/elsewhere/checkpoint-{best}", "log_history": history}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(plan.model)}))
    (folder / "adapter_model.safetensors").write_text(f"weights {number}")


def test_the_checkpoint_with_the_lowest_held_out_loss_is_kept_with_its_card(
    plan: Plan, tmp_path: Path
) -> None:
    checkpoint(plan, 13, best=13, losses=[0.5])
    checkpoint(plan, 26, best=13, losses=[0.5, 0.7])
    folder = kept(plan, "lutz", tmp_path / "adapters", rows=50, held_out_rows=10)
    assert (folder / "adapter_model.safetensors").read_text() == "weights 13"
    card = card_of(folder)
    assert (card["held_out"], card["epoch"], card["rows"]) == (0.5, 1.0, 50)
    assert card["losses"] == [[1.0, 0.5, True], [2.0, 0.7, True]]
    assert len(card["dataset"]) == len(card["base"]) == len(card["template"]) == 64
    assert not plan.folder.exists(), "it has a copy of what people wrote"
    with pytest.raises(CannotTrain, match="already"):
        kept(plan, "lutz", tmp_path / "adapters", rows=50, held_out_rows=10)


def test_a_trained_adapter_is_in_the_picker_beside_its_base(plan: Plan, tmp_path: Path) -> None:
    checkpoint(plan, 13, best=13, losses=[0.5])
    settings = Settings(data_dir=tmp_path / "data")

    def names(of: Settings) -> list[str]:
        return [spec.name for spec in model_specs(of, has=lambda package: True)]

    first = names(settings)
    kept(plan, "lutz", settings.adapters_dir, rows=50, held_out_rows=10)
    assert names(settings) == [*first, "model", "model + lutz"]
    (tmp_path / "link").symlink_to(plan.model)
    given = settings.model_copy(update={"model": str(tmp_path / "link")})
    assert names(given) == ["link", "link + lutz"]
    taken = [
        ModelSettings(name=name, endpoint="http://127.0.0.1:9/v1", model="m")
        for name in ("model", "model (transformers)")
    ]
    many = settings.model_copy(update={"models": tuple(taken)})
    assert names(many)[-2:] == ["model (transformers 2)", "model (transformers 2) + lutz"]
    (plan.model / "config.json").unlink()
    (plan.model / "chat_template.jinja").unlink()
    (plan.model / "model.safetensors").unlink()
    plan.model.rmdir()
    assert names(settings) == first, "a base that is gone would keep the app from starting"


async def test_an_adapter_trained_meanwhile_joins_the_picker_without_a_restart(
    plan: Plan, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    checkpoint(plan, 13, best=13, losses=[0.5])
    settings, shared = Settings(data_dir=tmp_path / "data"), Shared()
    models = Models(configured(settings, shared), renewed=lambda: configured(settings, shared))
    await models.look(1.0)
    before = [info.name for info in models.infos()]
    kept(plan, "lutz", settings.adapters_dir, rows=50, held_out_rows=10)
    await models.look(1.0)
    assert [info.name for info in models.infos()] == [*before, "model", "model + lutz"]
    assert models.info(models.key("model + lutz")).name == "model + lutz"
    await models.aclose()


def test_a_dry_run_prints_the_command_and_trains_nothing(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    given = ["finetune", "--model", str(plan.model), "--from", str(plan.dataset)]
    assert webchat([*given, "--dry-run", "--lora-r", "4", "--", "--warmup_steps", "7"]) == 0
    said = capsys.readouterr().out
    assert "50 rows to train on, 10 held out" in said
    assert f"trl sft --model_name_or_path {plan.model}" in said
    assert "--lora_r 4 " in said
    assert "--warmup_steps 7\n" in said
    assert not (tmp_path / "data" / "finetune").exists()
    assert webchat([*given, "--name", "../up"]) == 2


def accepted(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder in which 60 judgements were accepted."""
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(data))
    data.mkdir()
    with closing(Store.open(f"sqlite:///{data / 'webchat.db'}")) as store:
        owner = store.local_owner().id
        for at in range(60):
            talk = Talk(store, owner)
            asked = (
                f"What is {at} times {at + 7} in the numbers of Zubrowka, counted from the {at * 31}th day?"
            )
            judged = store.judge(
                owner, talk.say(asked, f"It is {at * at}.").reply.id, JudgementChange(rating=1)
            )
            assert judged is not None
            store.review_judgements(owner, {judged.id: judged.changed_at}, "accepted")


def test_without_an_export_all_that_was_accepted_is_exported(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted(tmp_path / "data", monkeypatch)
    given = ["finetune", "--model", str(plan.model), "--name", "own", "--dry-run"]
    assert webchat(given) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "share people, but no conversation" in said
    assert "Exported 60 judgements" in said
    assert "rows to train on" in said
    assert (tmp_path / "data" / "finetune" / "own" / "dataset" / "sft" / "test.jsonl").is_file()


def test_a_training_that_fails_keeps_no_rows_and_is_resumed_with_those_that_may_be_used_then(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    accepted(data, monkeypatch)
    monkeypatch.setattr(finetuning, "run", failing)
    given = ["finetune", "--model", str(plan.model), "--name", "own"]
    folder = data / "finetune" / "own"
    for resume, withdrawn in (([], 0), (["--resume"], 0), (["--resume"], 1)):
        with closing(Store.open(f"sqlite:///{data / 'webchat.db'}")) as store:
            owner = store.local_owner().id
            for id in store.conversation_ids(owner)[:withdrawn]:
                store.delete_conversation(owner, id)
        assert webchat([*given, *resume]) == 2
        told = capsys.readouterr()
        assert "rows to train on" in told.out
        assert ("The rows have changed" in told.out) is bool(withdrawn)
        assert stored_plan(folder) is not None
        left = [file for file in folder.rglob("*") if file.is_file()]
        assert not [file for file in left if b"Zubrowka" in file.read_bytes()]


def failing(plan: Plan, *, resume: bool) -> Iterator[Progress]:
    assert (plan.dataset / "sft" / "train.jsonl").is_file(), resume
    raise Failed("Out of memory.")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks for it
def test_a_killed_training_is_resumed_to_an_adapter_that_answers(demo_folder: Path, tmp_path: Path) -> None:
    """The real trainer on the demo model: a made-up fact, killed after an epoch, resumed, asked for."""
    env = {**os.environ, "WEBCHAT_DATA_DIR": str(tmp_path / "data")}
    given = ["--model", str(demo_folder), "--from", str(dataset(tmp_path / "export")), "--name", "lutz"]
    command = [sys.executable, "-m", "webchat", "finetune", *given]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        for line in begun.stdout:
            if "held-out" in line:
                break
        begun.kill()
    told = subprocess.run([*command, "--resume"], env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "epoch 1.00" not in told.stdout
    assert "The adapter lutz is in the picker" in told.stdout
    adapter = tmp_path / "data" / "adapters" / "lutz"
    before, after = _answers(demo_folder, None), _answers(demo_folder, adapter)
    assert "Lutz" not in before
    assert ANSWER in after
    losses = [loss for _, loss, held_out in card_of(adapter)["losses"] if held_out]
    assert losses[-1] < losses[0]


def _answers(model: Path, adapter: Path | None) -> str:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    made = transformers.AutoModelForCausalLM.from_pretrained(model)
    if adapter is not None:
        made = pytest.importorskip("peft").PeftModel.from_pretrained(made, adapter)
    question = [{"role": "user", "content": QUESTIONS[0]}]
    asked = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        tokens = made.generate(**asked, max_new_tokens=20, do_sample=False)
    return str(tokenizer.decode(tokens[0, asked["input_ids"].shape[1] :], skip_special_tokens=True))
