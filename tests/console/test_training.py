"""The tab of trainings and the export of judgements: what operators see, begin, end and download."""

from __future__ import annotations

import asyncio
import sys
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from filelock import FileLock

from tests.api.conftest import MakeSite
from tests.console.test_handlers import caller
from tests.feedback.test_finetuning import checkpoint
from webchat.console.exporting import Exporting, wanted_of
from webchat.console.training import TrainingTab
from webchat.feedback.finetuning import Plan, is_running, kept, store_plan
from webchat.feedback.jobs import Commands, JudgementExports, Trainings, Wanted
from webchat.settings import Settings
from webchat.slots import Crowded
from webchat.store.errors import NotFound

Program = Callable[[list[str]], str]
"""The code of a program that stands for a `webchat` command."""


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What notices said."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", lambda text, **_: said.append(text))
    return said


class Scripted(Commands):
    """Runs other programs in place of the commands, and remembers what was asked for."""

    def __init__(self, settings: Settings, program: Program) -> None:
        super().__init__(settings)
        self.asked: list[list[str]] = []
        self._program = program

    def command(self, arguments: Sequence[str]) -> list[str]:
        self.asked.append(list(arguments))
        return [sys.executable, "-c", self._program(list(arguments))]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    (tmp_path / "model/model.safetensors").write_bytes(b"0" * 100)
    return Settings(data_dir=tmp_path / "data", model=str(tmp_path / "model"))


def plan_of(settings: Settings, name: str) -> Plan:
    folder = settings.finetune_dir / name
    return Plan("sft", Path(str(settings.model)), folder / "dataset", folder, 2e-4, use_cpu=True)


async def refused(doing: Any) -> str:
    with pytest.raises(gr.Error) as error:
        await doing
    return str(error.value)


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110  another process ends it
        await asyncio.sleep(0.02)


async def test_trainings_are_listed_with_their_curves(make_site: MakeSite, settings: Settings) -> None:
    async with make_site() as site:
        who, tab = caller(site), TrainingTab(Trainings(Commands(settings), settings))
        table, note = await tab.show(who)
        assert (table.visible, note.visible) == (False, True)
        over = plan_of(settings, "over")
        checkpoint(over, 13, best=13, losses=[0.5, 0.4])
        kept(over, "over", settings.adapters_dir, rows=50, held_out_rows=10)
        stopped = plan_of(settings, "stopped")
        store_plan(stopped)
        (stopped.folder / "log.txt").write_text("{'loss': 3, 'epoch': 1.5}\n{'eval_loss': 2, 'epoch': 1.5}\n")
        table, note = await tab.show(who)
        rows = table.value["data"]
        assert [row[:6] for row in rows] == [
            ["stopped", "sft", "model", "Stopped", "50 %", "2.000"],
            ["over", "sft", "model", "Done", "", "0.400"],
        ]
        assert await tab.chosen(who, rows[0]) == "stopped"
        card, about, drawn, cancel, resume, remove = await tab.read(who, "stopped")
        assert card.visible
        assert "2.000" in about
        assert drawn.startswith("![Loss of stopped during training](data:image/svg+xml;base64,")
        assert (cancel.visible, resume.visible, remove.visible) == (False, True, True)
        for wrong in ("nothing", None, 5, "../up"):
            with pytest.raises(NotFound):
                await tab.chosen(who, [wrong])
        assert not (await tab.read(who, "nothing"))[0].visible
        about, question, warning = await tab.ask_delete(who, "over")
        assert (question.visible, about, "**over**" in warning.value) == (True, "over", True)
        with FileLock(stopped.folder / "lock"):
            assert "Cancel it first" in await refused(tab.delete(who, "stopped"))
        for name in ("over", "stopped"):
            assert await tab.delete(who, name) == ""
        assert not list(settings.adapters_dir.iterdir())
        assert not stopped.folder.exists()
        assert (await tab.show(who))[1].visible


async def test_what_cannot_be_trained_is_refused(make_site: MakeSite, settings: Settings) -> None:
    async with make_site() as site:
        who, trainings = caller(site), Trainings(Commands(settings), settings)
        tab = TrainingTab(trainings)
        assert trainings.models() == {"model": settings.model}
        (settings.adapters_dir / "taken").mkdir(parents=True)
        for given, says in (
            (("../up", "sft", "model", 3), "Use only letters"),
            (("taken", "sft", "model", 3), "already"),
            (("new", "lm", "model", 3), "Choose a method"),
            (("new", "sft", "/etc", 3), "can't be trained"),
            (("new", "sft", "model", 99), "1 to 10 epochs"),
            (("new", "sft", "model", "3"), "1 to 10 epochs"),
        ):
            assert says in await refused(tab.begin(who, *given))
        assert "isn't running" in await refused(tab.cancel(who, "new"))
        assert "nothing to resume" in await refused(tab.resume(who, "../up"))
        large = Path(str(settings.model)) / "more.safetensors"
        with large.open("wb") as file:
            file.truncate(1_300_000_000)
        assert trainings.models() == {}


def training_program(settings: Settings, rows: int) -> Program:
    """Exports so many rows when it is to check, and trains until it is cancelled."""
    folder = settings.finetune_dir / "new"

    def program(arguments: list[str]) -> str:
        if "--dry-run" in arguments:
            return (
                f"import pathlib; p = pathlib.Path({str(folder / 'dataset/sft')!r}); p.mkdir(parents=True);"
                f"(p / 'train.jsonl').write_text('{{}}\\n' * {rows})"
            )
        return (
            "import time, pathlib; from filelock import FileLock;"
            f"p = pathlib.Path({str(folder)!r}); lock = FileLock(p / 'lock'); lock.acquire()\n"
            "while not (p / 'cancel').exists(): time.sleep(0.01)\n"
            "raise SystemExit('webchat: The training was cancelled.')"
        )

    return program


async def test_a_training_begins_and_is_cancelled_and_resumed(
    make_site: MakeSite, settings: Settings, told: list[str]
) -> None:
    async with make_site() as site:
        who, commands = caller(site), Scripted(settings, training_program(settings, 50))
        trainings = Trainings(commands, settings)
        tab = TrainingTab(trainings)
        assert await tab.begin(who, "new", "sft", "model", 3) == "new"
        assert (await tab.show(who))[0].value["data"][0][3] == "Preparing"
        assert "already" in await refused(tab.begin(who, "other", "sft", "model", 3))
        await until(lambda: is_running(settings.finetune_dir / "new"))
        checked, begun = commands.asked
        assert checked[-1] == "--dry-run"
        assert begun == [*checked[:-1], "--resume"]
        assert begun[1:] == [
            "--name=new", "--method=sft", "--num-train-epochs=3", f"--model={settings.model}", "--resume"
        ]  # fmt: skip
        store_plan(plan_of(settings, "new"))
        assert (await tab.show(who))[0].value["data"][0][3] == "Running"
        await tab.cancel(who, "new")
        await until(lambda: not is_running(settings.finetune_dir / "new"))
        (settings.finetune_dir / "new/cancel").unlink()
        await until(lambda: trainings.listed()[0].state == "stopped")
        await until(lambda: not trainings._tasks)
        assert not [*(settings.finetune_dir / "new").rglob("*.jsonl")], "it is a copy of what people wrote"
        await tab.resume(who, "new")
        await until(lambda: is_running(settings.finetune_dir / "new"))
        assert commands.asked[-1] == ["finetune", "--name=new", "--method=sft", "--resume"]
        await trainings.aclose()
        assert not is_running(settings.finetune_dir / "new"), "what the server began ends with it"
        assert [one.state for one in Trainings(commands, settings).listed()] == ["stopped"]
        assert len(told) == 3


@pytest.mark.parametrize(
    ("rows", "says"), [(2_001, "2,001 rows are more than the 2,000"), (0, "3 rows are too few")]
)
async def test_a_training_that_is_not_small_does_not_begin(
    make_site: MakeSite, settings: Settings, rows: int, says: str
) -> None:
    program = training_program(settings, rows)
    if not rows:
        program = lambda _: "raise SystemExit('webchat: 3 rows are too few.')"  # noqa: E731
    async with make_site() as site:
        who, trainings = caller(site), Trainings(Scripted(settings, program), settings)
        tab = TrainingTab(trainings)
        await tab.begin(who, "new", "sft", "model", 3)
        await until(lambda: trainings.listed()[0].state == "failed" and not trainings._tasks)
        assert not (settings.finetune_dir / "new").exists(), "it has a copy of what people wrote"
        _, about, *_ = await tab.read(who, "new")
        assert says in about.replace("\\", "")


async def test_the_end_of_the_server_leaves_no_export_of_a_training_that_was_not_begun(
    settings: Settings,
) -> None:
    folder, ready = settings.finetune_dir / "new", training_program(settings, 50)
    commands = Scripted(settings, lambda given: f"{ready(given)}; import time; time.sleep(600)")
    trainings = Trainings(commands, settings)
    for _ in range(2):  # its name is free again
        trainings.begin("new", "sft", "model", 3, trainings.models())
        await until((folder / "dataset/sft/train.jsonl").exists)
        await trainings.aclose()
        assert not folder.exists()


async def test_a_training_cancelled_from_here_that_a_command_began_fails_aloud_later(
    settings: Settings,
) -> None:
    commands = Scripted(settings, lambda _: "raise SystemExit('webchat: Out of memory.')")
    trainings, plan = Trainings(commands, settings), plan_of(settings, "elsewhere")
    store_plan(plan)
    with FileLock(plan.folder / "lock"):
        trainings.cancel("elsewhere")
    trainings.resume("elsewhere")
    await until(lambda: not trainings._tasks)
    assert [(one.state, one.failure) for one in trainings.listed()] == [("failed", "Out of memory.")]


def exporting_program(arguments: list[str]) -> str:
    return (
        f"import pathlib; p = pathlib.Path({arguments[1]!r}); p.mkdir();"
        "(p / 'README.md').write_text('all of it'); print('5,000 read'); print('Written.')"
    )


async def test_an_export_is_downloaded_once_by_who_began_it(make_site: MakeSite, settings: Settings) -> None:
    (settings.data_dir / "exports/left").mkdir(parents=True)
    exports = JudgementExports(Scripted(settings, exporting_program), settings.data_dir / "exports")
    assert not (settings.data_dir / "exports").exists(), "nobody takes what an earlier server left"
    async with make_site(judgement_exports=exports) as site:
        exporting, who = Exporting(site.services, exports), caller(site)
        assert len((await exporting.choices(who))[0].choices) == 7
        given = (["csv", "trl"], "", "", "", "person", "", False)
        id, sentence, link, timer = await exporting.begin(who, *given)
        assert timer.active
        assert "so far" in sentence.value
        with pytest.raises(Crowded):
            await exporting.begin(who, *given)
        await until(lambda: exports.look(who.owner.id, id).state != "running")
        sentence, link, timer = await exporting.look(who, id)
        assert not timer.active
        path = f"/api/judgements/exports/{id}"
        assert f"(..{path})" in link.value
        assert (await site.client(site.operating()).get(path)).status_code == 404
        mine = site.client(who.owner)
        answer = await mine.get(path)
        assert answer.headers["content-type"] == "application/zip"
        assert "webchat-judgements" in answer.headers["content-disposition"]
        with zipfile.ZipFile(BytesIO(answer.content)) as packed:
            assert packed.read("webchat-export/README.md") == b"all of it"
        assert (await mine.get(path)).status_code == 404
        assert not [*(settings.data_dir / "exports").iterdir()]
        assert not (await exporting.look(who, id))[0].visible
        await exports.aclose()


async def test_an_export_that_fails_says_why(make_site: MakeSite, settings: Settings) -> None:
    commands = Scripted(settings, lambda _: "raise SystemExit('webchat: Win rates need evalica.')")
    exports = JudgementExports(commands, settings.data_dir / "exports")
    async with make_site(judgement_exports=exports) as site:
        exporting, who = Exporting(site.services, exports), caller(site)
        id, *_ = await exporting.begin(who, ["csv"], "-m", "l", "bad", "conversation", "2027-01-31", True)
        await until(lambda: exports.look(who.owner.id, id).state == "failed")
        assert "Win rates need evalica" in (await exporting.look(who, id))[0].value
        assert commands.asked[0][2:] == [
            "--format=csv", "--by=conversation", "--of-model=-m", "--link=l", "--rating=bad",
            "--since=2027-01-31", "--mask",
        ]  # fmt: skip
        assert "at least one format" in await refused(exporting.begin(who, [], "", "", "", "", "", False))
        assert "not a date" in await refused(exporting.begin(who, ["csv"], "", "", "", "", "soon", False))
        odd = wanted_of(who, (["csv", "exe"], 5, None, "great", {}, None, "yes"))
        assert odd == Wanted(formats=("csv",))
        await exports.aclose()
