"""The example of a moderator of another package installs without a network, is found, and keeps the laws."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.examples import install, own_tests
from webchat.moderation import Blocked, Context, Moderation
from webchat.moderation.plugins import kinds
from webchat.moderation.rules import BadRules, load_rules


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("moderator", tmp_path_factory.mktemp("moderator"))


@pytest.fixture
def links(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(installed)
    return installed


def rules(folder: Path, options: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(f'[[moderators]]\nkind = "links"\n{options}', encoding="utf-8")
    return path


async def test_it_is_found_and_does_what_its_table_says(links: Path, tmp_path: Path) -> None:
    assert "links" in kinds()
    moderation = Moderation(
        load_rules(rules(tmp_path, 'allow = ["example.com"]\nstages = ["input", "stored"]'))
    )
    text = "see https://example.com and https://elsewhere.test"
    assert await moderation.review(Context("input"), text) == "see https://example.com and [link]"
    assert await moderation.review(Context("stored"), text) == "see https://example.com and [link]"
    assert await moderation.review(Context("output"), text) == text
    table = 'name = "outside"\naction = "block"\nsentence = "No links."'
    blocking = Moderation(load_rules(rules(tmp_path, table)))
    with pytest.raises(Blocked, match="No links") as blocked:
        await blocking.review(Context("input"), text)
    assert blocked.value.rule == "outside"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('allows = ["a"]', "moderators.0: allows: there is no such option"),
        ('action = "shout"', "moderators.0: action"),
        ('stages = ["never"]', "moderators.0.stages.0: Input should be 'input'"),
    ],
)
def test_what_is_wrong_in_its_table_is_told_with_its_place(
    links: Path, tmp_path: Path, options: str, said: str
) -> None:
    with pytest.raises(BadRules) as refused:
        load_rules(rules(tmp_path, options))
    assert said in str(refused.value)


def test_without_the_package_the_kind_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match=r"moderators\.0\.kind: there is no kind 'links'"):
        load_rules(rules(tmp_path, ""))


def test_its_own_tests_pass_where_it_is_installed(installed: Path) -> None:
    assert "13 passed" in own_tests("moderator", installed)
