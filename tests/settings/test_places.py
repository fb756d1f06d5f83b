"""A model that is not where it is said to be is told so, before its engine is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from webchat.settings import BadSettings, ModelSettings, check_models


def refusal(spec: ModelSettings) -> str:
    with pytest.raises(BadSettings) as caught:
        check_models([spec], has=lambda _: False)
    return str(caught.value)


@pytest.mark.parametrize("model", ["/nope", "./nope", "../nope", "~/nope", "nope", "a/b/c", "/dev/null/nope"])
def test_a_missing_folder_is_told_before_a_missing_package(model: str) -> None:
    said = refusal(ModelSettings(model=model))
    assert f"there is no folder {model}" in said
    assert "torch" not in said


def test_what_may_be_on_the_hub_is_asked_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = refusal(ModelSettings(model="owner/name"))
    assert "taken as a hub id, since there is no folder owner/name" in said
    assert "torch and transformers" in said
    check_models([ModelSettings(model="owner/name")], has=lambda _: True)


def test_a_file_is_no_transformers_model(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").touch()
    assert "is a file. Give the folder" in refusal(ModelSettings(model=str(tmp_path / "weights.bin")))


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    spec = ModelSettings(model=str(tmp_path))
    assert "it has no config.json or adapter_config.json" in refusal(spec)
    for name in ("config.json", "adapter_config.json", "mine.gguf"):
        (tmp_path / name).touch()
        check_models([spec], has=lambda _: True)
        (tmp_path / name).unlink()


def test_an_adapter_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    spec = ModelSettings(model=str(tmp_path), adapters=("/nope",))
    assert "there is no folder /nope" in refusal(spec)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no file"), (b"", "is not a GGUF file"), (b"PK\3\4zip", "is not a GGUF file")],
)
def test_a_gguf_is_one(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    if content is not None:
        path.write_bytes(content)
    assert said in refusal(ModelSettings(model=str(path)))


def test_a_folder_is_no_gguf_and_a_whole_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").mkdir()
    assert "is a folder. Give the .gguf file" in refusal(ModelSettings(model=str(tmp_path / "a.gguf")))
    (tmp_path / "b.gguf").write_bytes(b"GGUF and more")
    check_models([ModelSettings(model=str(tmp_path / "b.gguf"))], has=lambda _: True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["a.gguf", "folder"])
def test_what_cannot_be_read_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.write_bytes(b"GGUF")
    path.chmod(0)
    try:
        assert "cannot be read: Permission denied" in refusal(ModelSettings(model=str(path)))
    finally:
        path.chmod(0o700)
