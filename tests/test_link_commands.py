"""`webchat link`: terms from options and from a file, and what is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from webchat.cli import run
from webchat.store import Store
from webchat.store.link_records import Link, LinkTerms, Question


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))


def links(tmp_path: Path) -> list[Link]:
    store = Store.open(f"sqlite:///{tmp_path / 'data' / 'webchat.db'}", serve=False)
    try:
        return store.list_links()
    finally:
        store.close()


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run(["link", *argv]) == 0
    return str(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run(["link", *argv]) == 2
    return str(capsys.readouterr().err)


def test_a_link_has_the_terms_of_options_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("terms.toml").write_text(
        'instructions = "*Be kind.*"\npeople = 3\nmessages = 9\n'
        '[[questions]]\ntext = "How was it?"\nkind = "scale"\nchoices = ["bad", "good"]\n',
        encoding="utf-8",
    )
    out = told(
        capsys, "new", "study", "--terms", "terms.toml", "--people", "10", "--models", "a, b", "--blind",
        "--messages", "none", "--consent", "I agree.", "--hide-inspect", "--qr",
    )  # fmt: skip
    assert re.match(r"http://\S+/t#wt1_[\w-]{43}\n", out)
    assert "▀" in out
    (link,) = links(tmp_path)
    assert link.terms == LinkTerms(
        models=("a", "b"),
        blind=True,
        instructions="*Be kind.*",
        people=10,
        consent="I agree.",
        consent_version=1,
        inspect=False,
        questions=(Question("q1", "How was it?", "scale", ("bad", "good")),),
    )


def test_a_link_names_a_moderation_profile_of_the_rules_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "the rules file has none" in refused(capsys, "new", "s", "--moderation-profile", "study")
    Path("rules.toml").write_text('[[profiles.study]]\nkind = "secrets"\n', encoding="utf-8")
    rules = ("--moderation", "rules.toml")
    wrong = refused(capsys, "new", "s", "--moderation-profile", "other", *rules)
    assert 'there is no profile "other"; there are study' in wrong
    told(capsys, "new", "s", "--moderation-profile", "study", *rules)
    assert links(tmp_path)[0].terms.moderation_profile == "study"
    told(capsys, "change", "s", "--messages", "5")
    told(capsys, "change", "s", "--moderation-profile", "none")
    assert links(tmp_path)[0].terms.moderation_profile == ""


def test_a_link_is_paused_resumed_changed_duplicated_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "new", "study", "--people", "10", "--expires", "never")
    told(capsys, "pause", "study")
    assert re.search(r"study  paused \S+ \S+  0/10 people, 0 chats", told(capsys, "list"))
    told(capsys, "resume", "study")
    told(capsys, "change", "study", "--people", "none", "--tokens", "500", "--name", "other")
    assert "works until revoked  0 people, 0 chats, 0 messages, 0/500 tokens" in told(capsys, "list")
    told(capsys, "duplicate", "other")
    assert "several links" in refused(capsys, "pause", "other")
    told(capsys, "revoke", "other")
    assert [link.terms.tokens for link in links(tmp_path)] == [500, 500]
    assert all(link.revoked_at for link in links(tmp_path))


def test_a_name_no_model_has_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBCHAT_FUNCTION", "module:ours")
    for argv in (("new", "study", "--models", "nosuch"), ("change", "study", "--models", "ours,nosuch")):
        assert run(["link", *argv]) == 0
        assert 'the settings have no model "nosuch", only "ours".' in capsys.readouterr().err
    assert links(tmp_path)[0].terms.models == ("ours", "nosuch")


def test_what_cannot_be_is_told_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("terms.json").write_text(json.dumps({"peple": 3}), encoding="utf-8")
    Path("broken.toml").write_text("people = ", encoding="utf-8")
    for argv, words in (
        (("new", "x", "--people", "many"), "--people: 'many' is neither a number nor none."),
        (("new", "x", "--people", "0"), "people: "),
        (("new", "x", "--blind"), "blind: name the models"),
        (("new", "x", "--template", "nosuch"), "template: there is no shared template with this id."),
        (("new", "x", "--terms", "terms.json"), "peple: there is no such term; there are models,"),
        (("new", "x", "--terms", "broken.toml"), "--terms: broken.toml is not valid"),
        (("new", "x", "--terms", "nosuch.toml"), "--terms: nosuch.toml cannot be read"),
        (("new", "x", "--expires", "soon"), "--expires: 'soon' is not a duration"),
        (("pause", "nosuch"), 'there is no link "nosuch"'),
    ):
        said = refused(capsys, *argv)
        assert words in said
        assert said.count("\n") == 1
