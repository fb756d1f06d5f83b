"""What `make run` and `make test` install by hash is what is tested, and names no place to fetch it from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clean_environment import CONSTRAINTS, ROOT

LOCKED = ROOT / "deploy" / "locked"
RUN, TEST = LOCKED / "run.txt", LOCKED / "test.txt"


def pins(file: Path) -> dict[str, str]:
    """Name to version; names as an index writes them."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize("file", [RUN, TEST], ids=lambda file: file.stem)
def test_every_package_has_the_version_that_is_tested_and_its_hashes(file: Path) -> None:
    tested, locked = pins(CONSTRAINTS), pins(file)
    assert len(locked) > 50
    assert {name: version for name, version in locked.items() if tested.get(name, version) != version} == {}
    text = file.read_text(encoding="utf-8")
    for requirement in text.replace("\\\n", " ").splitlines():
        assert re.fullmatch(r"\S+==\S+( ; [^-]+?)?\s+(--hash=sha256:[0-9a-f]{64}\s*)+", requirement), (
            requirement
        )
    assert "://" not in text


def test_both_hold_what_they_are_for() -> None:
    run, test = pins(RUN), pins(TEST)
    assert {"gradio", "xllamacpp", "hatchling", "pip"} <= run.keys()
    assert "torch" not in run
    assert run.items() <= test.items()
    assert not [name for name in test if name.startswith("nvidia")], "gigabytes that only a GPU needs"
    only_for_the_index = {"torch", "sympy", "networkx", "mpmath", "setuptools"}
    assert pins(CONSTRAINTS).keys() - test.keys() <= only_for_the_index
