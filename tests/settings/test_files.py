"""Files and variables are read as people's editors, shells and panels write them."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest

from backends._text_file import NotText, decoded, read_text
from webchat.models import configured
from webchat.moderation.rules import BadRules, load_rules
from webchat.settings import BadSettings, Settings, load_settings, variable
from webchat.settings.model import ModelSettings

TOML = '[[models]]\nname = "m 你好"\nendpoint = "http://127.0.0.1:8101/v1"\nmodel = "m"\n'
RULES = '[[moderators]]\nkind = "phrases"\naction = "block"\nphrases = ["秘密"]\n'
ENCODINGS = {
    "plain": lambda text: text.encode(),
    "mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "mark and carriage returns": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 of the other end": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
}
NO_TEXT = {
    "utf-16 without a mark": TOML.encode("utf-16-le"),
    "of an old code page": TOML.replace("你好", "ä").encode("latin-1"),
    "no text": b"\x00\x01\x02",
    "half of utf-16": TOML.encode("utf-16")[:-1],
}

encoded = pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)


@encoded
def test_a_text_is_the_same_in_every_encoding_with_its_mark(
    encode: Callable[[str], bytes], tmp_path: Path
) -> None:
    file = tmp_path / "text"
    file.write_bytes(encode(TOML))
    assert read_text(file) == TOML


@encoded
def test_the_settings_file_is_read(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "webchat.toml").write_bytes(encode(TOML))
    loaded = load_settings(environ={}, cwd=tmp_path)
    assert loaded.settings.models[0].name == "m 你好"


@encoded
def test_the_file_of_variables_is_read(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(encode('OPENAI_BASE_URL="http://127.0.0.1:1/v1"\nWEBCHAT_PORT= 8123\n'))
    settings = load_settings(environ={}, cwd=tmp_path).settings
    assert (settings.endpoint, settings.port) == ("http://127.0.0.1:1/v1", 8123)


@encoded
def test_the_file_of_rules_is_read(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_bytes(encode(RULES))
    assert "phrases" in [moderator.name for moderator in load_rules(file)]


@encoded
def test_a_chat_template_is_read(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    file = tmp_path / "chat.jinja"
    file.write_bytes(encode("{{ messages[0].content }}\n你好"))
    model = ModelSettings(name="m", model="x/y", kind="local", chat_template_file=file)
    spec = configured(Settings(models=(model,)))[0]
    assert "{{ messages[0].content }}\n你好" in repr(spec.options).replace("\\n", "\n")


@pytest.mark.parametrize("raw", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_is_told_in_a_sentence(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(NotText):
        decoded(raw)
    for name in ("webchat.toml", ".env"):
        file = tmp_path / name
        file.write_bytes(raw)
        with pytest.raises(BadSettings, match=r"is not UTF-8 text; save it in that encoding\."):
            load_settings(environ={}, cwd=tmp_path)
        file.unlink()
    rules = tmp_path / "rules.toml"
    rules.write_bytes(raw)
    with pytest.raises(BadRules, match=r"rules\.toml is not UTF-8 text"):
        load_rules(rules)
    model = ModelSettings(name="m", model="x/y", kind="local", chat_template_file=rules)
    with pytest.raises(BadSettings, match=r"rules\.toml is not UTF-8 text"):
        configured(Settings(models=(model,)))


@pytest.mark.parametrize(
    "written",
    ['"{}"', "'{}'", ' "{}" ', "{}\r", "\t{} ", '"{}"\r\n', "' {} '"],
    ids=lambda written: repr(written),
)
def test_quotes_and_blanks_around_a_variable_are_no_part_of_it(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {
        "OPENAI_BASE_URL": written.format("http://127.0.0.1:1/v1"),
        "OPENAI_API_KEY": written.format("sk-x"),
        "WEBCHAT_PORT": written.format("8123"),
        "WEBCHAT_DATA_DIR": written.format(str(tmp_path)),
        "WEBCHAT_MODELS": "",
    }
    settings = load_settings(environ=environ, cwd=tmp_path).settings
    assert settings.endpoint == "http://127.0.0.1:1/v1"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-x"
    assert (settings.port, settings.data_dir) == (8123, tmp_path)
    monkeypatch.setenv("MY_KEY", written.format("sk-y"))
    assert variable("MY_KEY") == "sk-y"


def test_a_variable_of_quotes_alone_counts_as_not_set(tmp_path: Path) -> None:
    assert (
        load_settings(environ={"OPENAI_BASE_URL": '""', "WEBCHAT_PORT": "''"}, cwd=tmp_path).settings.port
        == 7860
    )
