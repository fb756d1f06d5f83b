"""What a run of the tests begins with, leaves out when it is quick, and does after tests that failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import is_heavy

CONFTEST = """
import pytest
from tests.conftest import pytest_runtest_makereport, pytest_runtest_teardown, pytest_terminal_summary

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=1))
"""

TESTS = """
import pytest

runs = []
browsers = []

@pytest.fixture(scope="module")
def browser():
    browsers.append(1)
    return len(browsers)

@pytest.fixture(scope="module")
def page(browser):
    return browser

def test_whose_browser_crashed(page):
    assert page == 2

def test_after_it(page):
    assert page == 2

def test_that_lost_a_race():
    runs.append(1)
    assert len(runs) == 2

def test_that_is_broken():
    raise AssertionError

def test_that_holds():
    pass
"""


def test_what_starts_a_browser_is_heavy() -> None:
    files = [*Path(__file__).parent.glob("e2e/test_*.py")]
    assert files
    assert all(is_heavy(file) for file in files)


def test_a_test_that_passed_only_when_run_again_is_named_and_had_another_browser(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_races.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "--numprocesses=1", "--rootdir", str(tmp_path), str(tmp_path)]
    root = Path(__file__).parent.parent
    run = subprocess.run([*command, "-p", "no:cacheprovider"], cwd=root, capture_output=True, text=True)
    named = [line for line in run.stdout.splitlines() if line.startswith("AGAIN ")]
    again = ["test_whose_browser_crashed", "test_that_lost_a_race"]
    assert [line.rpartition("::")[2] for line in named] == again, run.stdout + run.stderr
    assert "assert len(runs) == 2" in run.stdout
    assert run.returncode == 1  # for the broken one
