"""A kind of another package takes the settings of every kind without knowing of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from webchat.moderation.rules import BadRules, load_rules

MODULE = """
from collections import namedtuple


class Mine:
    name, stages, fail, seconds, open = "mine", frozenset({"input"}), "closed", 1.0, None

    def __init__(self, most=0):
        self.most = most


def make(options):
    return Mine(**options)


def fixed(options):
    return namedtuple("Fixed", "name stages fail seconds open")("fixed", {"input"}, "open", 1.0, None)
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "moderating-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moderating\nVersion: 1.0\n")
    points = "mine = moderating_module:make\nfixed = moderating_module:fixed\n"
    (info / "entry_points.txt").write_text(f"[webchat.moderators]\n{points}")
    (tmp_path / "moderating_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "moderating_module", raising=False)


def rules(folder: Path, *tables: str) -> Path:
    path = folder / "rules.toml"
    path.write_text("\n".join(f"[[moderators]]\n{table}" for table in tables), encoding="utf-8")
    return path


def test_what_every_kind_has_is_set_and_the_rest_is_its_own(tmp_path: Path) -> None:
    given = 'kind = "mine"\nname = "second"\nstages = ["output", "stored"]\nfail = "open"\nmost = 3'
    _, own, other = load_rules(rules(tmp_path, 'kind = "mine"', given))
    assert (own.name, own.stages, own.fail) == ("mine", frozenset({"input"}), "closed")
    assert (other.name, other.stages, other.fail) == ("second", frozenset({"output", "stored"}), "open")
    assert getattr(other, "most") == 3  # noqa: B009


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('kind = "mine"\nstages = ["never"]', r"moderators\.0\.stages\.0: Input should be 'input'"),
        ('kind = "mine"\nstages = []', r"moderators\.0\.stages: "),
        ('kind = "mine"\nfail = "perhaps"', r"moderators\.0\.fail: Input should be 'open' or 'closed'"),
        ('kind = "mine"\nname = 1', r"moderators\.0\.name: "),
        ('kind = "mine"\nleast = 1', r"moderators\.0: .*least"),
        ('kind = "fixed"\nfail = "closed"', r"moderators\.0: moderating .* whose fail cannot be set"),
    ],
)
def test_what_cannot_be_set_is_refused_with_its_place(tmp_path: Path, table: str, said: str) -> None:
    with pytest.raises(BadRules, match=said):
        load_rules(rules(tmp_path, table))
