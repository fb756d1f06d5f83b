"""Somebody who does what a walkthrough says, word for word, gets what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clean_environment import ROOT
from tests.pages import blocks, copy_of_the_project, follow

WALKTHROUGHS = sorted((ROOT / "deploy/walkthroughs").glob("*.md"))


@pytest.mark.parametrize("page", WALKTHROUGHS, ids=lambda page: page.stem)
def test_a_walkthrough_works(page: Path, tmp_path: Path) -> None:
    assert any("pytest" in block.text for block in blocks(page)), "it ends in a check"
    follow(page, copy_of_the_project(tmp_path))
