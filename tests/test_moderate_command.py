"""Stored texts on the command line: told without their content, changed beside a server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.store.talk import Talk
from webchat.cli import run
from webchat.store import Store

RULES = """
[[moderators]]
kind = "phrases"
name = "maps"
action = "mask"
phrases = ["harbour"]
"""


def test_rules_are_applied_to_what_a_running_server_has_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path))
    Path("rules.toml").write_text(RULES, encoding="utf-8")
    moderate = ["moderate", "--stored", "--moderation", "rules.toml"]
    with closing(Store.open(f"sqlite:///{tmp_path / 'webchat.db'}")) as serving:
        talk = Talk(serving, serving.local_owner().id)
        turn = talk.say("to the harbour", "no")
        assert turn.user is not None
        assert run(moderate) == 0
        out = capsys.readouterr().out
        assert "maps  mask  2" in out
        assert f"{turn.user.id}  message text\n" in out
        assert "harbour" not in out
        assert run([*moderate, "--content"]) == 0
        assert "to the harbour" in capsys.readouterr().out
        assert run([*moderate, "--apply", "--person", talk.owner, "--rule", "maps"]) == 0
        assert "changed: 2." in capsys.readouterr().out
        assert "harbour" not in "".join(talk.shown(turn.conversation.id))
        assert run(moderate) == 0
        assert "to change: 0." in capsys.readouterr().out
        for wrong in (["--after", "here"], ["--rule", "none"], ["--link", "none"], ["--person", "none"]):
            assert run([*moderate, *wrong]) == 2
        assert run(["moderate", "--stored"]) == 2
