"""`webchat export`, beside a running server, and the commands of its page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.pages import blocks
from tests.store.talk import Talk
from webchat.cli import run
from webchat.store import Store
from webchat.store.judgement_records import JudgementChange, Vote
from webchat.store.link_records import LinkTerms
from webchat.store.records import ConversationSettings, NewSide, NewTurn


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A served database, as a running server has it open."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    opened = Store.open(f"sqlite:///{tmp_path / 'data' / 'webchat.db'}")
    yield opened
    opened.close()


@pytest.fixture
def talk(store: Store) -> Talk:
    return Talk(store, store.local_owner().id)


def judge(talk: Talk, asked: str, reply: str, change: JudgementChange, *, accept: bool = True) -> None:
    said = talk.say(asked, reply)
    made = talk.store.judge(talk.owner, said.reply.id, change)
    assert made is not None
    if accept:
        talk.store.review_judgements(talk.store.local_owner().id, {made.id: made.changed_at}, "accepted")


def rows(folder: str, config: str) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for path in sorted(Path(folder, config).glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def test_what_was_accepted_is_exported(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    judge(talk, "What is a fjord?", "A kind of horse", JudgementChange(-1, better="A long inlet"))
    judge(talk, "What is a delta?", "A river's mouth", JudgementChange(1, reasons=("accurate",)))
    judge(talk, "What is a dune?", "A hill of sand", JudgementChange(1), accept=False)
    assert run(["export", "set", "--licence", "mit"]) == 0
    told = capsys.readouterr()
    assert "from 2 judgements and comparisons of 1 person" in told.out
    assert "sft: 2 train" in told.out
    assert "--by conversation" in told.err
    assert [row["completion"] for row in rows("set", "sft")] == [
        [{"role": "assistant", "content": "A long inlet"}],
        [{"role": "assistant", "content": "A river's mouth"}],
    ]
    assert len(rows("set", "dpo")) == 1
    assert "license: mit" in Path("set/README.md").read_text(encoding="utf-8")
    assert run(["export", "set", "--by", "conversation", "--rating", "good", "--reason", "accurate"]) == 0
    assert len(rows("set", "grpo")) == 1
    assert "licence is unknown" in capsys.readouterr().err


def test_withdrawn_and_deleted_judgements_are_absent_from_later_exports(store: Store, talk: Talk) -> None:
    link = store.create_link(
        "testers", "Testers", None, LinkTerms(consent="May train models.", training=True)
    )
    guest = Talk(store, store.create_owner("guest", "Tess", link.id).id)
    store.consent(guest.owner, 1)
    judge(guest, "Guess who wrote this", "Tess", JudgementChange(1))
    judge(talk, "Name an instrument", "Lute", JudgementChange(1))
    assert run(["export", "set", "--format", "trl,csv"]) == 0
    assert "Tess" in Path("set/judgements.csv").read_text(encoding="utf-8")
    assert len(rows("set", "sft")) == 2
    store.delete_conversations(guest.owner, for_good=True)
    assert run(["export", "set", "--format", "trl,csv"]) == 0
    assert len(rows("set", "sft")) == 1
    assert not [path for path in Path("set").rglob("*.*") if b"Tess" in path.read_bytes()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "xml"], '--format: "xml" is none of trl, messages,'),
        (["--folds", "1"], "--folds: '1' is not a number from 2 to 100."),
        (["--since", "yesterday"], "--since: 'yesterday' is not a date such as 2027-01-31."),
    ],
)
def test_what_is_wrong_is_told(
    store: Store, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "set", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not Path("set").exists()


def test_a_folder_of_something_else_is_left_alone(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    Path("set").mkdir()
    Path("set/thesis.txt").write_text("years of work", encoding="utf-8")
    assert run(["export", "set"]) == 2
    assert "is no export of webchat" in capsys.readouterr().err


def test_nothing_to_export_is_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "set"]) == 0
    assert "No row could be made" in capsys.readouterr().err


def test_the_page_s_commands_run(talk: Talk) -> None:
    judge(talk, "What is a fjord?", "A kind of horse", JudgementChange(-1, better="A long inlet"))
    judge(talk, "What is a delta?", "A river's mouth", JudgementChange(1))
    commands = [
        shlex.split(command)
        for block in blocks(ROOT / "deploy/judgement.md")
        for command in block.commands
        if command.startswith("webchat export")
    ]
    assert len(commands) > 5
    for command in commands:
        assert run(command[1:]) == 0, command


def test_votes_become_pairs(talk: Talk) -> None:
    sides = [NewSide(name, name, ConversationSettings(model=name)) for name in ("tall", "small")]
    begun = talk.store.begin_comparison(talk.owner, NewTurn(None, None, "Which bird?", "key", ""), *sides)
    assert begun.sides is not None
    for side, reply in zip(begun.sides, ("A heron", "A wren"), strict=True):
        talk.finish(side.reply.id, reply)
    compared = begun.sides[0].reply.compared
    assert compared is not None
    talk.store.vote_on(talk.owner, compared.id, Vote("right"))
    assert run(["export", "set", "--of-model", "tall"]) == 0
    (row,) = rows("set", "dpo")
    assert (row["chosen"], row["rejected"]) == (
        [{"role": "assistant", "content": "A wren"}],
        [{"role": "assistant", "content": "A heron"}],
    )
    assert isinstance(row["webchat"], dict)
    assert (row["webchat"]["model"], row["webchat"]["other_model"]) == ("tall", "small")
