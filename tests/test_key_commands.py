"""API keys on the command line: printed once, listed without their secret, revoked at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from webchat.cli import run
from webchat.console.times import last_day
from webchat.sharing.links import hash_of
from webchat.store import NotFound, Store
from webchat.store.errors import KeyEnded
from webchat.store.key_records import SCOPES, KeyTerms


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The same database beside the commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path))
    with closing(Store.open(f"sqlite:///{tmp_path / 'webchat.db'}", serve=False)) as opened:
        opened.add_person("password", "ada", "Ada", password_hash="x")
        yield opened


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, str]:
    assert run(["key", *argv]) == 0
    out, err = capsys.readouterr()
    return out, err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """One line on stderr alone."""
    assert run(["key", *argv]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return str(err)


def test_a_key_is_printed_alone_and_never_listed(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "new", "nightly", "--user", "ada")
    token = out.removesuffix("\n")
    assert "shown only once" in err
    key, owner = store.key_holder(token[:15], hash_of(token))
    assert (key.name, owner.name, key.terms) == ("nightly", "Ada", KeyTerms(frozenset(SCOPES)))
    listed, _ = said(capsys, "list")
    assert token[:15] in listed
    assert "never used" in listed
    assert token not in listed


def test_a_key_has_what_its_flags_say(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--scopes", "chat, read", "--models", "a,b", "--expires", "7d", "--no-stored", "--at-once", "2",
             "--requests-per-minute", "60", "--tokens-per-day", "1000")  # fmt: skip
    said(capsys, "new", "ci", *flags)
    (key,) = store.own_keys(store.local_owner().id)
    assert key.terms == KeyTerms(frozenset({"chat", "read"}), ("a", "b"), False, 60, 1000, 2)
    assert key.expires_at is not None
    listed, _ = said(capsys, "list")
    assert "chat read, models a, b, not stored, works until" in listed


def test_a_name_no_model_has_is_pointed_out(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "WEBCHAT_MODELS", '[{"model": "ours", "endpoint": "http://a/v1"}, {"function": "m:f"}]'
    )
    out, err = said(capsys, "new", "ci", "--models", "ours,nosuch,other")
    assert out.startswith("wk_")
    assert 'the settings have no model "nosuch" or "other", only "ours" and "f".' in err
    assert store.own_keys(store.local_owner().id)[0].terms.models == ("ours", "nosuch", "other")
    assert "Warning" not in said(capsys, "new", "ci", "--models", "ours")[1]
    assert "Warning" not in said(capsys, "new", "ci", "--models", "nosuch", "--endpoint", "http://b/v1")[1]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai"])
def test_the_last_day_of_a_key_is_told_as_it_was_given(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert "It works until 2999-01-31. " in said(capsys, "new", "ci", "--expires", "2999-01-31")[1]
        assert "works until 2999-01-31, never used" in said(capsys, "list")[0]
        (key,) = store.own_keys(store.local_owner().id)
        assert key.expires_at is not None
        assert last_day(key.expires_at) == "2999-01-31"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("by", ["id", "prefix", "token"])
def test_a_key_is_revoked_by_what_one_has_of_it(
    store: Store, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    token = said(capsys, "new", "ci")[0].strip()
    (key,) = store.own_keys(store.local_owner().id)
    wanted = {"id": key.id, "prefix": key.prefix, "token": token}[by]
    assert said(capsys, "revoke", wanted)[0] == f"The key ci ({key.prefix}) is revoked.\n"
    with pytest.raises(KeyEnded):
        store.key_holder(key.prefix, hash_of(token))
    assert token not in refused(capsys, "revoke", wanted)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--scopes", "all"), "--scopes"),
        (("--scopes", ""), "--scopes"),
        (("--expires", "soon"), "--expires"),
        (("--at-once", "0"), "--at-once"),
        (("--tokens-per-day", "many"), "--tokens-per-day"),
        (("--user", "bob"), "bob"),
    ],
)
def test_a_refusal_names_the_flag_and_makes_no_key(
    store: Store, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], told: str
) -> None:
    assert told in refused(capsys, "new", "ci", *flags)
    assert store.listed_keys().items == ()
    assert "name" in refused(capsys, "new", " ")


def test_the_list_pages_through_all(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert "webchat key new" in said(capsys, "list")[1]
    with pytest.raises(NotFound):
        store.revoke_key(None, "nothing")
    said(capsys, "new", "mine")
    said(capsys, "new", "hers", "--user", "ada")
    lines = said(capsys, "list")[0].splitlines()
    assert [line.split()[2] for line in lines] == ["hers", "mine"]
    assert [line.split()[2] for line in said(capsys, "list", "--user", "ada")[0].splitlines()] == ["hers"]
