"""The demo model is made once, whole or not at all, and says what to do when it cannot be made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backends.base import LoadProgress
from backends.errors import ModelUnsupported, Unavailable
from backends.llamacpp import demo
from backends.llamacpp.demo import demo_model


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_the_model_that_is_there_is_taken_as_it_is(demo_gguf: Path) -> None:
    before = demo_gguf.stat().st_mtime_ns
    seen: list[LoadProgress] = []
    assert demo_model(demo_gguf.parent, seen.append) == demo_gguf
    assert demo_gguf.stat().st_mtime_ns == before
    assert seen == []


def test_the_copy_is_in_half_precision_and_keeps_tokenizer_and_template(demo_gguf: Path) -> None:
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(demo_gguf)
    assert reader.fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_F16
    assert "<|im_start|>" in reader.fields["tokenizer.chat_template"].contents()
    assert len(reader.fields["tokenizer.ggml.tokens"].contents()) == 49152
    kinds = {(len(tensor.shape), tensor.tensor_type.name) for tensor in reader.tensors}
    assert kinds == {(1, "F32"), (2, "F16")}


@pytest.mark.slow
def test_two_processes_at_once_make_one_whole_file_and_leave_nothing_else(
    demo_gguf: Path, tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib; from backends.llamacpp.demo import demo_model;"
        " demo_model(pathlib.Path(sys.argv[1]))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2])
        for _ in range(2)
    ]
    assert [process.wait(100) for process in both] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == [demo.FILE_NAME]
    assert (tmp_path / demo.FILE_NAME).read_bytes() == demo_gguf.read_bytes()


def test_leftovers_are_removed_once_their_owner_is_gone(demo_gguf: Path) -> None:
    old, new = (demo_gguf.parent / f".making-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(exist_ok=True)
        (folder / "part").write_bytes(b"x")
    long_ago = time.time() - 100_000
    for path in (old / "part", old):
        os.utime(path, (long_ago, long_ago))
    try:
        demo_model(demo_gguf.parent)
        assert not old.exists()
        assert new.exists()
    finally:
        shutil.rmtree(new)


@pytest.mark.usefixtures("offline")
def test_without_a_network_the_error_names_the_cure_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="could not be downloaded") as caught:
        demo_model(tmp_path)
    assert "network" in caught.value.cure
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_numbers_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(Unavailable, match="5 MB are free") as caught:
        demo_model(tmp_path)
    assert "Free some space" in caught.value.cure


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"not it")
    with pytest.raises(Unavailable, match="wrong checksum"):
        demo._check_hash(wheel)


@pytest.mark.slow
def test_without_pip_a_temporary_environment_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    python = demo._python_with_pip(tmp_path)
    assert python != sys.executable
    subprocess.run([python, "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL)


def test_without_any_pip_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "ensurepip")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("venv.create", refuse)
    with pytest.raises(ModelUnsupported) as caught:
        demo._python_with_pip(tmp_path)
    assert "ensurepip" in caught.value.cure


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="could not be stored"):
        demo_model(tmp_path / "file" / "models")
