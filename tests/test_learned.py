"""What endpoints do not take is remembered over restarts, for a while, and costs nothing when it is lost."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.openai_compat import Learned
from webchat.models.learned import FILE, KEPT_DAYS, LearnedFile

TOP_K = Learned(frozenset({"top_k"}))
BOTH = Learned(clashes=frozenset({("top_p", "temperature")}))


def test_each_model_of_each_endpoint_has_its_own(tmp_path: Path) -> None:
    file = LearnedFile(tmp_path / FILE)
    assert file.recall("a:1/v1", "m") is None
    file.keep("a:1/v1", "m", TOP_K)
    file.keep("a:1/v1", "n", BOTH)
    file.keep("b:1/v1", "m", Learned(frozenset({"seed"})))
    again = LearnedFile(tmp_path / FILE)
    assert again.recall("a:1/v1", "m") == TOP_K
    assert again.recall("a:1/v1", "n") == BOTH
    again.keep("a:1/v1", "m", BOTH)
    assert again.recall("a:1/v1", "m") == BOTH
    again.keep("a:1/v1", "m", Learned())
    assert again.recall("a:1/v1", "m") is None
    assert len(list(again.all())) == 2
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_is_old_is_found_out_anew(tmp_path: Path) -> None:
    file = LearnedFile(tmp_path / FILE)
    file.keep("a", "m", TOP_K)
    (row,) = json.loads((tmp_path / FILE).read_text())
    today = datetime.now(UTC).date()
    for days, kept in ((KEPT_DAYS - 1, True), (KEPT_DAYS + 1, False)):
        row["on"] = (today - timedelta(days=days)).isoformat()
        (tmp_path / FILE).write_text(json.dumps([row]))
        assert (file.recall("a", "m") is not None) == kept


@pytest.mark.parametrize(
    "broken", ["", "{", "[", "[" * 100_000, "null", "[1]", '[{"endpoint": "a", "model": "m", "on": "x"}]']
)
def test_a_file_that_cannot_be_read_costs_only_what_was_learned(tmp_path: Path, broken: str) -> None:
    (tmp_path / FILE).write_text(broken)
    file = LearnedFile(tmp_path / FILE)
    assert file.recall("a", "m") is None
    file.keep("a", "m", TOP_K)
    assert file.recall("a", "m") == TOP_K


def test_a_file_that_cannot_be_written_is_told_and_nothing_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    LearnedFile(tmp_path / "missing" / FILE).keep("a", "m", TOP_K)
    assert "cannot be written" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_nobody_else_reads_it(tmp_path: Path) -> None:
    LearnedFile(tmp_path / FILE).keep("a", "m", TOP_K)
    assert not (tmp_path / FILE).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
