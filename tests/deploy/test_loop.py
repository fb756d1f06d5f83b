"""The page that walks the loop: its commands run, and the model has learned what was judged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.conftest import MODELS
from tests.pages import follow

pytest.importorskip("trl")

PAGE = ROOT / "deploy/loop.md"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_loop_closes_as_the_page_says(
    demo_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBCHAT_CACHE_DIR", str(MODELS.parent))
    follow(PAGE, tmp_path)
    card = json.loads((tmp_path / "data/adapters/chapters/webchat.json").read_text())
    held_out = [loss for _, loss, kept_out in card["losses"] if kept_out]
    assert card["held_out"] < held_out[0]
    assert "Chapter:" in (tmp_path / "changes.html").read_text(encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "data/webchat.db")) as opened:
        replies = [text for (text,) in opened.execute("SELECT text FROM messages WHERE role = 'assistant'")]
    learned = [text for text in replies if text.startswith("Chapter:")]
    assert len(replies) >= 104, "those of the page, and those of the replay"
    assert len(learned) > 40
