"""The commands of deploy/history.md, as they are written."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.imports.samples import chatgpt, zipped
from tests.pages import blocks
from webchat.cli import run
from webchat.store import Store
from webchat.store.people_records import PASSWORD_ISSUER

COMMANDS = [
    command
    for block in blocks(ROOT / "deploy" / "history.md")
    for command in block.commands
    if command.startswith("webchat ")
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "Downloads").mkdir()
    zipped(tmp_path / "Downloads" / "export.zip", {"conversations-000.json": [chatgpt("a"), chatgpt("b")]})


def opened(tmp_path: Path) -> Store:
    (tmp_path / "data").mkdir(exist_ok=True)
    return Store.open(f"sqlite:///{tmp_path / 'data' / 'webchat.db'}", serve=False)


def test_every_command_of_the_page_does_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(tmp_path)
    ada = store.add_person(PASSWORD_ISSUER, "ada", "Ada", operates=False, password_hash="x").owner_id
    local = store.local_owner().id
    store.close()
    told = []
    for command in COMMANDS:
        assert run(shlex.split(command)[1:]) == 0, command
        told.append(capsys.readouterr().out)
    assert "To import: 2 new." in told[0]
    assert "Imported: 2 new" in told[1]
    assert "0 new, 0 extended, 2 unchanged" in told[2]
    assert "Imported: 2 new" in told[3]
    store = opened(tmp_path)
    assert [len(store.conversation_ids(owner)) for owner in (local, ada)] == [2, 2]
    assert store.search(local, "lighthouse").items
    store.close()


def test_a_file_with_a_bad_entry_can_be_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = zipped(tmp_path / "x.zip", {"conversations.json": [chatgpt("a"), 7]})
    assert run(["import", str(path), "--bad", "refuse"]) == 2
    assert "conversations.json, entry 2: It is not a conversation" in capsys.readouterr().err
    assert run(["import", str(tmp_path / "missing.zip")]) == 2
    assert "No such file" in capsys.readouterr().err
