"""What people see of the settings: never a secret."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import unquote

import pytest
from sqlalchemy import make_url

from webchat.cli import run
from webchat.database_url import escaped, passwords_in, without_password
from webchat.settings import load_settings, model_specs
from webchat.settings.table import effective, field_order
from webchat.store.database.urls import dialect_for

ROOT = Path(__file__).parents[2]
CANARY = "canary-77ab-and-long-enough-for-a-cookie-secret"
SECRETS = {
    "WEBCHAT_COOKIE_SECRET": CANARY,
    "OPENAI_API_KEY": CANARY,
    "HF_TOKEN": CANARY,
    "DATABASE_URL": f"postgresql://me:{CANARY}@db.example.com:5432/chat?password={CANARY}",
    "SOME_KEY": CANARY,
}
TOML = f"""
[[models]]
endpoint = "http://one/v1"
api_key = "{CANARY}"
[[models]]
endpoint = "http://two/v1"
api_key_env = "SOME_KEY"
"""


def test_no_way_of_looking_at_the_settings_shows_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "webchat.toml").write_text(TOML)
    loaded = load_settings(environ=SECRETS | {"OPENAI_BASE_URL": "http://three"}, cwd=tmp_path)
    specs = model_specs(loaded.settings)
    assert all(spec.api_key and spec.api_key.get_secret_value() == CANARY for spec in specs)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").info("%s %r", loaded.settings, specs)
    lines = list(effective(loaded))
    assert any(line.startswith("database_url = postgresql://db.example.com:5432/chat") for line in lines)
    seen = [
        repr(loaded), str(loaded.settings), repr(specs), caplog.text, "\n".join(lines),
        loaded.settings.model_dump_json(), f"{loaded.settings!r}",
    ]  # fmt: skip
    assert not [text for text in seen if CANARY in text]


def test_the_command_shows_every_setting_with_its_origin_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert run(["settings", "--port", "8123"]) == 0
    out = capsys.readouterr().out
    assert [line.partition(" = ")[0] for line in out.splitlines()] == field_order()
    assert "port = 8123" in out
    assert "# --port" in out
    assert "# DATABASE_URL" in out
    assert CANARY not in out


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--prot", "3"], "Did you mean --port?"),
        (["--port", "x"], "a whole number from 0 to 65535"),
        (["--port"], "expected one argument"),
        (["bogus"], "There is no command bogus."),
        (["link"], "command"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(
    argv: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("webchat: ")
    assert captured.err.count("\n") == 1
    assert part in captured.err


def test_flags_may_stand_before_and_behind_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["--port", "1", "settings", "--no-titles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["port", "=", "1", "#", "--port"] for line in lines)
    assert any(line.split()[:3] == ["titles", "=", "false"] for line in lines)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////data/webchat.db", "sqlite:////data/webchat.db"),
        ("postgresql+psycopg://u:p@h/n?sslmode=require", "postgresql+psycopg://h/n"),
        ("postgresql://u:p@[::1/n", "postgresql://…"),
    ],
)
def test_a_database_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "password", ["p@ss", "a/b", "a#b", "a?b@c/d", "@@@", "p%40ss", "100%", "a:b@c:5", "ü 漢", "//x@y"]
)
def test_a_password_may_hold_any_character(password: str) -> None:
    url = f"postgresql://me:{password}@db.example.com:5432/chat?sslmode=require"
    assert without_password(url) == "postgresql://db.example.com:5432/chat"
    assert password in passwords_in(url)
    parsed = make_url(escaped(url))
    place = (parsed.host, parsed.port, parsed.database)
    assert (parsed.username, parsed.password) == ("me", unquote(password))
    assert place == ("db.example.com", 5432, "chat")
    assert dialect_for(url).place == "db.example.com"  # type: ignore[union-attr]


def test_a_database_without_a_password_stays_as_it_is() -> None:
    for url in (
        "sqlite:///a@b.db",
        "postgresql://db/chat",
        "postgresql:///chat?host=/run",
        "postgresql://me@db/c",
    ):
        assert escaped(url) == url
        assert passwords_in(url) == ()
