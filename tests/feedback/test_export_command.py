"""`webchat export`, beside a running server, and the commands of its page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.clean_environment import ROOT
from tests.pages import blocks
from tests.store.talk import Talk
from webchat.cli import run
from webchat.store import Store
from webchat.store.judgement_records import JudgementChange, Vote
from webchat.store.link_records import LinkTerms
from webchat.store.records import ConversationSettings, NewSide, NewTurn

NAMES = ("Ada", "Bao", "Cleo", "Dora", "Emil", "Fatima")


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


def rows(folder: str, config: str) -> list[dict[str, Any]]:
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


def test_removing_a_person_changes_exactly_their_rows(store: Store) -> None:
    people = [Talk(store, store.add_person("password", name, name).owner_id) for name in NAMES]
    for at, person in enumerate(people):
        store.set_trains(person.owner, True)
        judge(person, f"{NAMES[at]} asks for a river", "It flows", JudgementChange(1))
        judge(
            person, f"{NAMES[at]} asks for a stone", "It rolls", JudgementChange(-1, better="It lies there")
        )
        store.vote_on(person.owner, compared(person, f"{NAMES[at]} asks for a bird"), Vote("left"))
    configs = ("sft", "dpo", "kto", "reward", "grpo")

    def exported() -> dict[str, list[str]]:
        """Each person's rows, by their names. A group of near-duplicates that only somebody who is gone held
        together falls apart, and stays in its split."""
        assert run(["export", "set"]) == 0
        given = [(config, row) for config in configs for row in rows("set", config)]
        for _, row in given:
            row["webchat"].pop("group")
        found = [f"{config} {json.dumps(row)}" for config, row in given]
        theirs = {name: sorted(row for row in found if name in row) for name in NAMES}
        assert len(found) == sum(map(len, theirs.values()))
        return theirs

    before = exported()
    assert all(len(theirs) > len(configs) for theirs in before.values())
    store.remove_person(people[2].owner)
    assert exported() == {**before, NAMES[2]: []}
    assert not [path for path in Path("set").rglob("*.*") if NAMES[2].encode() in path.read_bytes()]


def test_fifty_people_vote_while_an_export_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    link = store.create_link("testers", "Testers", None, LinkTerms(consent="It trains.", training=True))
    people = [Talk(store, store.create_owner("guest", "", link.id).id) for _ in range(50)]
    for person in people:
        store.consent(person.owner, 1)
    ids = [compared(person, f"Which bird is number {at}?") for at, person in enumerate(people)]
    store.vote_on(people[0].owner, ids[0], Vote("left"))
    read = Store.usable_comparisons
    votes: list[Future[Any]] = []

    def while_all_vote(self: Store, *arguments: Any, **more: Any) -> Iterator[Any]:
        found = read(self, *arguments, **more)
        yield next(found)
        if not votes:
            votes.extend(
                pool.submit(store.vote_on, person.owner, id, Vote("right"))
                for person, id in zip(people[1:], ids[1:], strict=True)
            )
        yield from found

    def pairs() -> list[str]:
        """The votes in the file; each row is whole."""
        assert run(["export", "set"]) == 0
        found = rows("set", "dpo")
        assert all({"prompt", "chosen", "rejected"} <= row.keys() for row in found)
        return [row["webchat"]["judgement"] for row in found]

    with ThreadPoolExecutor(8) as pool:
        monkeypatch.setattr(Store, "usable_comparisons", while_all_vote)
        during = pairs()
        assert [vote.result().preferred for vote in votes] == ["right"] * 49
    assert ids[0] in during
    assert len(during) == len(set(during)) <= 50
    assert sorted(pairs()) == sorted(ids)


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


def compared(talk: Talk, asked: str = "Which bird?") -> str:
    """The id of a comparison to vote on."""
    sides = [NewSide(name, name, ConversationSettings(model=name)) for name in ("tall", "small")]
    begun = talk.store.begin_comparison(talk.owner, NewTurn(None, None, asked, "key", ""), *sides)
    assert begun.sides is not None
    for side, reply in zip(begun.sides, ("A heron", "A wren"), strict=True):
        talk.finish(side.reply.id, reply)
    assert begun.reply.compared is not None
    return begun.reply.compared.id


def test_votes_become_pairs(talk: Talk) -> None:
    talk.store.vote_on(talk.owner, compared(talk), Vote("right"))
    assert run(["export", "set", "--of-model", "tall"]) == 0
    (row,) = rows("set", "dpo")
    assert (row["chosen"], row["rejected"]) == (
        [{"role": "assistant", "content": "A wren"}],
        [{"role": "assistant", "content": "A heron"}],
    )
    assert isinstance(row["webchat"], dict)
    assert (row["webchat"]["model"], row["webchat"]["other_model"]) == ("tall", "small")
