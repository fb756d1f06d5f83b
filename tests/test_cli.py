"""What stops a start is one sentence with what to do; a link is printed under the address people use."""

from __future__ import annotations

import errno
import os
import pty
import re
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.app_process import ROOT, AppProcess
from tests.store.talk import Talk
from webchat.app import build_app
from webchat.auth.owners import KEPT_SECONDS
from webchat.cli import run
from webchat.commands.terminal import CommandError, known_errors
from webchat.data_folder import last_address, remember_address
from webchat.server import _announcement, others_address
from webchat.settings import BadSettings, ModelSettings, Settings, check_models
from webchat.store import Store, StoreUnavailable

ENDPOINT = ["--endpoint", "http://127.0.0.1:9/v1"]
NOT_REACHED = r"no model yet: 127\.0\.0\.1:9 cannot be reached"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "data"))


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What a command that is refused says: one line, on stderr alone."""
    assert run(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("webchat: ")
    return str(err)


def test_a_port_that_is_taken_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refusal(capsys, *ENDPOINT, "--port", port)
    assert port in said
    assert "--port (0 takes a free one)" in said
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--host" in refusal(capsys, *ENDPOINT, "--host", "203.0.113.9", "--port", "0")


@pytest.mark.parametrize("command", [[*ENDPOINT, "--port", "0"], ["link", "list"]])
def test_a_data_folder_that_cannot_be_made_is_told(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    said = refusal(capsys, *command, "--data-dir", str(tmp_path / "file" / "data"))
    assert "--data-dir" in said
    assert "Not a directory" in said


@pytest.mark.parametrize("inside", ["", "data"])
@pytest.mark.parametrize("command", [[*ENDPOINT, "--port", "0"], ["link", "list"], ["doctor", "--quick"]])
def test_a_data_folder_of_somebody_else_is_told(
    command: list[str], inside: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs").mkdir(mode=0)
    if os.access(tmp_path / "theirs", os.R_OK):
        pytest.skip("this user reads everything")
    assert run([*command, "--data-dir", str(tmp_path / "theirs" / inside)]) > 0
    said = "".join(capsys.readouterr())
    assert "--data-dir" in said or f"The database {tmp_path}" in said
    (tmp_path / "theirs").chmod(0o700)


def test_a_full_disk_is_told_with_a_cure() -> None:
    with pytest.raises(CommandError, match="Free some space"), known_errors():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_database_of_a_later_version_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["link", "list"]) == 0
    with closing(sqlite3.connect(tmp_path / "data" / "webchat.db")) as database:
        database.execute("UPDATE webchat_schema SET version_num = '9999'")
        database.commit()
    capsys.readouterr()
    assert "newer version" in refusal(capsys, *ENDPOINT, "--port", "0")
    assert "Update webchat" in refusal(capsys, "link", "list")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "webchat.db"
    file.write_text("A letter, and no database at all. " * 100)
    assert "backup" in refusal(capsys, *ENDPOINT, "--port", "0")
    assert file.read_text().startswith("A letter")


def test_a_second_server_of_one_database_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with AppProcess(tmp_path / "data", *ENDPOINT, preloaded=True):
        assert "Another webchat" in refusal(capsys, *ENDPOINT, "--port", "0")


@pytest.mark.parametrize(
    ("model", "cure"),
    [
        (ModelSettings(model="someone/something"), r"torch and transformers.* install .*\[local\]"),
        (ModelSettings(demo=True, kind="llamacpp"), r"xllamacpp.* install .*\[llamacpp\]"),
    ],
)
def test_a_model_whose_packages_are_missing_stops_the_start(model: ModelSettings, cure: str) -> None:
    with pytest.raises(BadSettings, match=cure):
        check_models([model], has=lambda _: False)


def test_a_model_file_that_is_not_there_stops_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no file nosuch.gguf" in refusal(capsys, "--model", "nosuch.gguf")


def test_a_link_is_printed_under_the_address_the_server_last_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with AppProcess(tmp_path / "data", *ENDPOINT, "--public-url", "https://chat.example.org", preloaded=True):
        assert run(["link", "new", "Ada"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"https://chat\.example\.org/t#wt1_[\w-]{43}\n", out)
    assert "loopback" not in err
    assert "Only this machine" not in err
    assert run(["link", "new", "Ada", "--public-url", "https://other.example.org"]) == 0
    assert capsys.readouterr().out.startswith("https://other.example.org/t#")


def test_the_start_prints_the_operators_link_where_others_come_in(tmp_path: Path) -> None:
    own = r"The operator's own link: https://chat\.example\.org/t#wto_[\w-]{43}\n"
    with AppProcess(
        tmp_path / "a",
        *ENDPOINT,
        *("--access", "open", "--public-url", "https://chat.example.org"),
        preloaded=True,
    ) as app:
        assert printed(app, own)
    with AppProcess(tmp_path / "b", *ENDPOINT, preloaded=True) as app:
        assert printed(app, r"webchat \S+ · http\S+ · ")
        assert "wto_" not in app.log.read_text(encoding="utf-8")


def test_an_operator_is_revoked_while_the_server_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--data-dir", str(tmp_path / "a"))
    with (
        AppProcess(tmp_path / "a", *ENDPOINT, "--access", "open", preloaded=True) as app,
        httpx.Client(timeout=60) as browser,
    ):
        assert printed(app, r"wto_[\w-]{43}")
        found = re.search(r"wto_[\w-]{43}", app.log.read_text(encoding="utf-8"))
        assert found
        browser.base_url = httpx.URL(app.url)
        browser.headers["origin"] = app.url.rstrip("/")
        answer = browser.post("/t/redeem", json={"token": found[0]})
        assert answer.status_code == 204, answer.text
        me = browser.get("/api/me").json()
        assert me["operates"]
        assert run(["operator", "list", *where]) == 0
        assert me["owner"]["id"] in capsys.readouterr().out
        assert "no operator" in refusal(capsys, "operator", "revoke", "somebody", *where)
        assert run(["operator", "revoke", me["owner"]["id"], *where]) == 0
        time.sleep(KEPT_SECONDS + 0.1)
        assert not browser.get("/api/me").json()["operates"]
        assert browser.get("/api/moderation").status_code == 404


def printed(app: AppProcess, words: str) -> bool:
    """Whether the start says it, which it does soon after it answers."""
    for _ in range(600):
        if re.search(words, app.log.read_text(encoding="utf-8")):
            return True
        time.sleep(0.1)
    return False


def test_a_link_to_a_loopback_address_comes_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["link", "new", "Ada"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("http://127.0.0.1:7860/t#")
    assert "--public-url" in err


def test_an_address_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "never made")
    remember_address(settings, "http://somewhere")
    assert last_address(settings) is None


def test_only_a_server_on_every_address_has_another_one_for_others() -> None:
    for settings in (Settings(), Settings(host="0.0.0.0", public_url="https://chat.example.org")):
        assert others_address(settings, settings.base_url) == settings.base_url
    wide = Settings(host="0.0.0.0", port=8000)
    assert re.fullmatch(r"http://[\d.]+:8000", others_address(wide, wide.base_url))


def test_the_doctor_names_no_secret_and_says_what_a_missing_model_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-doctor")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:canary@127.0.0.1:9/chat")
    flags = ["--quick", "--forget", "--port", "0", "--default-model", "nobody", *ENDPOINT, "--model", "m"]
    assert run(["doctor", *flags]) == 2
    out = capsys.readouterr().out
    assert out.startswith("ok    Cleared the record of rejected features")
    assert "ERROR The models in the settings cannot be used: default_model" in out
    assert "ERROR Database postgresql://127.0.0.1:9/chat cannot be reached" in out
    assert "canary" not in out


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    """As of `webchat settings | head -1`."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        command = [sys.executable, "-m", "webchat", "settings"]
        done = subprocess.run(command, cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_is_told_at_once_that_the_server_starts(tmp_path: Path) -> None:
    """And which model answers, or where it is asked for: a first line does not wait long for that."""
    main, other = pty.openpty()
    command = [sys.executable, "-m", "webchat", *ENDPOINT, "--port", "0", "--no-open"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=other, stderr=other) as process:
        os.close(other)
        said = ""
        while "data in" not in said:
            said += os.read(main, 1000).decode()
        process.terminate()
    os.close(main)
    first, ready = [line for line in said.splitlines() if "webchat " in line][:2]
    assert re.fullmatch(r"Starting webchat \S+ \.\.\.", first.strip())
    assert re.search(
        rf"webchat \S+ · http\S+ · ({NOT_REACHED}|the models of http://127\.0\.0\.1:9/v1) · data in", ready
    )


async def test_the_first_line_says_why_there_is_no_model_yet(tmp_path: Path) -> None:
    models = (ModelSettings(endpoint="http://127.0.0.1:9/v1"),)
    app = build_app(Settings(data_dir=tmp_path / "data", models=models, open_browser=False))
    async with app.lifespan(None):
        assert " · the models of http://127.0.0.1:9/v1 · " in _announcement(app, "http://here")
        await app.models.discover()
        assert re.search(f" · {NOT_REACHED} · ", _announcement(app, "http://here"))


def test_a_database_that_goes_away_as_the_server_starts_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed then counts people and chats, and requests are answered already."""
    app = build_app(Settings(data_dir=tmp_path / "data", sign_in=("password",), open_browser=False))

    def away(*_: object) -> None:
        raise StoreUnavailable("The database is away.")

    for verb in ("people", "count_chats"):
        monkeypatch.setattr(app.store, verb, away)
    assert " · http://here/" in _announcement(app, "http://here/")
    app.store.close()


@pytest.mark.parametrize(("sign_in", "shared"), [("link", True), ("link", False), ("password", True)])
def test_links_that_open_on_one_of_several_servers_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign_in: str, shared: bool
) -> None:
    app = build_app(Settings(data_dir=tmp_path / "data", sign_in=(sign_in,), open_browser=False))
    monkeypatch.setattr(app.store.dialect, "shared", shared)
    said = _announcement(app, "http://here/")
    assert ("these links open only on this one" in said) is (sign_in == "link" and shared)
    app.store.close()


def test_chats_that_this_kind_of_start_does_not_show_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    store = Store.open(f"sqlite:///{data / 'webchat.db'}")
    local = Talk(store, store.local_owner().id)
    local.say("hello", "hi")
    local.say("again", "yes")
    operator = store.create_owner("operator", "Op")
    store.close()
    with AppProcess(data, *ENDPOINT, "--access", "link", preloaded=True) as app:
        assert printed(app, r"2 chats were made on this machine without a link")
    assert run(["operator", "list"]) == 0
    assert "2 chats made without a link" in capsys.readouterr().err
    assert "no operator" in refusal(capsys, "operator", "move-chats", "nobody")
    assert run(["operator", "move-chats", operator.id]) == 0
    assert capsys.readouterr().out == "2 chats moved.\n"
    assert run(["operator", "list"]) == 0
    assert re.search(rf"{operator.id} .* 2 chats\n", capsys.readouterr().out)
    with AppProcess(data, *ENDPOINT, preloaded=True) as app:
        assert printed(app, r"2 chats were made with an operator's link")
    assert run(["operator", "move-chats", operator.id, "--back"]) == 0
    assert capsys.readouterr().out == "2 chats moved.\n"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--config", "file.toml"], "There is no flag --config. See webchat --help."),
        (["--data-dir", "key", "--scopes", "chat"], "There is no flag --scopes."),
        (["keys"], "There is no command keys. See webchat --help."),
        (["key", "make"], "There is no command make. See webchat key --help."),
        (["key", "new", "--expires", "7d"], "required: name. See webchat key new --help."),
        (["webhook", "test", "5"], "webchat webhook list shows all."),
        (["key", "new", "a", "--at-once", "0"], "--at-once: it has to be greater than or equal to 1."),
        (["finetune", "--from", "nosuch"], "--from: there is no folder nosuch"),
        (["db", "copy", "mysql://host/name"], "Use sqlite:///"),
    ],
)
def test_a_wrong_word_is_told_with_where_to_look(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in refusal(capsys, *argv)


def test_the_help_of_a_command_shows_its_own_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["key", "new", "--help"])
    shown = capsys.readouterr().out
    assert "--scopes" in shown
    assert "--proxy-header" not in shown
    assert shown.count("\n") < 40
