"""People are added and changed on the command line; no password is shown, and a refusal changes nothing."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from pwdlib import PasswordHash

from tests.app_process import ROOT, AppProcess
from tests.store.talk import Talk
from webchat.auth.owners import KEPT_SECONDS
from webchat.cli import run
from webchat.store import NotFound, Store
from webchat.store.people_records import Person

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WEBCHAT_SIGN_IN", "password")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """The same database beside the commands."""
    (folder / "data").mkdir()
    with closing(Store.open(f"sqlite:///{folder / 'data' / 'webchat.db'}", serve=False)) as opened:
        yield opened


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard input that is no terminal."""
    stdin = io.StringIO(f"{PASSWORD}\r\nand a second line\n")
    monkeypatch.setattr(sys, "stdin", stdin)
    return stdin


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert run(["user", *argv]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return str(out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """One line on stderr alone."""
    assert run(["user", *argv]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return str(err)


def admits(store: Store, name: str, password: str) -> bool:
    return PasswordHash.recommended().verify(password, store.password_of(name)[1])


@pytest.mark.usefixtures("typed")
def test_a_person_is_added_with_the_password_on_the_first_line(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "add", " Ada ") == "ada is added.\n"
    person = store.find_person("password", "ada")
    assert (person.name, person.operates) == ("Ada", False)
    assert admits(store, "ada", PASSWORD)


@pytest.mark.usefixtures("store")
def test_a_server_that_asks_for_no_passwords_is_pointed_out_before_one_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBCHAT_SIGN_IN")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run(["user", "add", "ada"]) == 2
    note, refusal = capsys.readouterr().err.splitlines()
    assert "--sign-in password" in note
    assert "no password was given" in refusal


@pytest.mark.usefixtures("typed")
def test_an_operator_is_added_and_listed_among_the_operators(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "add", "ada", "--operator") == "ada is added as an operator.\n"
    assert store.find_person("password", "ada").operates
    assert run(["operator", "list"]) == 0
    assert re.search(r"  ada  account created .*  0 chats\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("ada", "short\n", "8 characters"),
        ("ada", "x" * 201, "200 characters"),
        ("correct horse", f"{PASSWORD}\n", "must not be the user name"),
        ("ada", "", "no password was given"),
        ("ada", "\n", "no password was given"),
        ("a\tb", f"{PASSWORD}\n", "printable"),
        ("", f"{PASSWORD}\n", "1 to 64"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_adds_nobody(
    name: str,
    line: str,
    why: str,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    assert why in refused(capsys, "add", name)
    assert store.people() == []


def test_a_name_that_is_taken_is_refused_before_a_password_is_asked_for(
    store: Store, typed: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    person = store.add_person("password", "ada", "Ada", password_hash="hash")
    assert "already taken" in refused(capsys, "add", "ADA")
    assert typed.read().startswith(PASSWORD)
    assert store.people() == [person]


@pytest.fixture
def ada(store: Store) -> Person:
    person = store.add_person("password", "ada", "Ada", password_hash="hash")
    store.start_session(person.owner_id, "token", "")
    return person


@pytest.mark.usefixtures("typed")
def test_a_reset_replaces_the_password_and_ends_the_sessions(
    store: Store, ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "new password" in said(capsys, "reset", "Ada")
    assert admits(store, "ada", PASSWORD)
    assert store.sessions(ada.owner_id) == []


def test_a_person_is_disabled_and_enabled(
    store: Store, ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "disable", "ada")
    assert store.person(ada.owner_id).disabled_at is not None
    assert store.sessions(ada.owner_id) == []
    assert re.search(r"  ada  member, disabled .*, last seen ", said(capsys, "list"))
    said(capsys, "enable", ada.owner_id)
    assert store.person(ada.owner_id).disabled_at is None


def test_a_person_becomes_an_operator_and_a_member_again(
    store: Store, ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "operator", "ada", "on") == "ada is now an operator.\n"
    assert store.person(ada.owner_id).operates
    assert said(capsys, "operator", "ada", "off") == "ada is no longer an operator.\n"
    assert not store.person(ada.owner_id).operates
    assert "on" in refused(capsys, "operator", "ada", "maybe")


@pytest.mark.parametrize(
    "command", [["disable", "eve"], ["enable", "eve"], ["reset", "eve"], ["operator", "eve", "on"]]
)
def test_somebody_who_does_not_exist_is_told(
    command: list[str], ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 'no user "eve"' in refused(capsys, *command)


def test_people_of_providers_are_listed_and_found_unless_it_is_unclear(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    one = store.enter_person("https://id", "7", "Ada", "ada@example.org", None)
    store.enter_person("https://other", "7", "Eve\x1b[2J", None, None)
    listed = said(capsys, "list")
    assert f"{one.owner_id}  ada@example.org (7 of https://id)  member, never signed in\n" in listed
    assert "\x1b" not in listed
    said(capsys, "operator", "ada@example.org", "on")
    assert store.person(one.owner_id).operates
    assert "several" in refused(capsys, "disable", "7")
    assert "does not sign in with a password" in refused(capsys, "reset", one.owner_id)
    with pytest.raises(NotFound):
        store.password_of("7")


def test_an_empty_list_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["user", "list"]) == 0
    assert capsys.readouterr().err == "Nobody yet. Add somebody with: webchat user add NAME\n"


@pytest.mark.parametrize(("again", "code"), [(PASSWORD, 0), ("something else", 2)])
def test_a_terminal_asks_twice_and_shows_nothing_of_it(
    again: str, code: int, store: Store, folder: Path
) -> None:
    main, other = pty.openpty()
    command = [sys.executable, "-m", "webchat", "user", "add", "ada"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    # In a session of its own it has no other terminal to ask on.
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=other, stdout=other, stderr=other, start_new_session=True
    ) as process:
        os.close(other)
        shown = ""
        for prompt, answer in (("Password for ada: ", PASSWORD), ("Again: ", again)):
            while prompt not in shown:
                shown += os.read(main, 1000).decode()
            os.write(main, f"{answer}\n".encode())
        while not re.search(r"ada is added|differ", shown):
            shown += os.read(main, 1000).decode()
        assert process.wait(60) == code
    os.close(main)
    assert PASSWORD not in shown
    assert again not in shown
    assert len(store.people()) == (1 if code == 0 else 0)


@pytest.mark.usefixtures("typed")
def test_somebody_disabled_while_the_server_runs_is_out_within_a_second(folder: Path) -> None:
    with (
        AppProcess(folder / "data", "--endpoint", "http://127.0.0.1:9/v1", preloaded=True) as app,
        httpx.Client(base_url=app.url, headers={"origin": app.url}, timeout=60) as browser,
    ):
        sign_in = {"name": "Ada", "password": PASSWORD}
        assert browser.post("/sign-in/password", json=sign_in).status_code == 403
        assert run(["user", "add", "ada"]) == 0
        assert browser.post("/sign-in/password", json=sign_in).status_code == 204
        assert browser.get("/api/me").json()["owner"]["kind"] == "member"
        assert run(["user", "operator", "ada", "on"]) == 0
        time.sleep(KEPT_SECONDS + 0.1)
        assert browser.get("/api/me").json()["operates"]
        assert run(["user", "disable", "ada"]) == 0
        time.sleep(KEPT_SECONDS + 0.1)
        assert browser.get("/api/me").status_code == 401
        refused = browser.post("/sign-in/password", json=sign_in)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "person_disabled")
        assert run(["user", "enable", "ada"]) == 0
        assert browser.post("/sign-in/password", json=sign_in).status_code == 204


@pytest.mark.usefixtures("typed")
def test_a_removed_person_and_their_chats_are_gone_once_that_is_confirmed(
    store: Store, ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    Talk(store, ada.owner_id).say("the lighthouse", "on the cliff")
    assert "--yes" in refused(capsys, "remove", "ada")
    assert store.people()[0].disabled_at is None
    assert said(capsys, "remove", "ada", "--yes") == "ada is removed, with 1 chat.\n"
    assert store.people() == []
    with store.transaction(write=False) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM messages").scalar() == 0
    assert "no user" in refused(capsys, "remove", "ada", "--yes")
