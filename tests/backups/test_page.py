"""The commands of "Backups", one after another."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.backups.test_backup import filled, settings_in, texts_in
from tests.clean_environment import ROOT
from tests.pages import blocks
from webchat.cli import run


def test_what_the_page_says_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "data", "hello")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    commands = [
        line
        for block in blocks(ROOT / "deploy/backup.md")
        if block.language == "sh"
        for line in block.commands
    ]
    for command in commands:
        name, *words = shlex.split(command)
        if name == "export":
            monkeypatch.setenv(*words[0].split("=", 1))
        else:
            assert name == "webchat"
            assert run(words) == 0, command
    assert len(commands) > 5
    assert texts_in(settings_in(tmp_path / "data")) == ["hello"]
