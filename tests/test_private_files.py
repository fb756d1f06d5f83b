"""Nobody else on the machine reads what is stored, also where the files were there before."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from webchat.data_folder import SECRET, make_data_folder, remember_address
from webchat.private_files import kept_private
from webchat.settings import Settings
from webchat.store import Store
from webchat.store.database.migrate import back_up

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")


@pytest.fixture(autouse=True)
def open_handed() -> object:
    """A person whose new files everybody may read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened(folder: Path) -> Settings:
    """What a start does with a data folder."""
    settings = Settings(data_dir=folder)
    make_data_folder(settings)
    with closing(Store.open(settings.store_url)) as store:
        store.local_owner()
        for path in folder.glob("webchat.db*"):
            assert path.name.endswith(".lock") or mode(path) == 0o600, path
        back_up(folder / "webchat.db", folder / "backups", store._engines[True])
    (folder / SECRET).touch()
    (folder / "masking-secret").touch()
    remember_address(settings, "http://127.0.0.1:7860")
    make_data_folder(settings)
    return settings


def open_to_others(folder: Path) -> list[str]:
    return [
        path.name for path in (folder, *folder.rglob("*")) if mode(path) & 0o077 and path.suffix != ".lock"
    ]


def test_what_is_made_is_this_users_alone(tmp_path: Path) -> None:
    opened(tmp_path / "new" / "data")
    assert open_to_others(tmp_path / "new" / "data") == []


def test_what_was_there_and_open_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(tmp_path)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    opened(tmp_path)
    assert open_to_others(tmp_path) == []
    assert caplog.messages == []


def test_a_folder_with_other_things_in_it_stays_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "theirs.txt").touch()
    opened(tmp_path)
    assert open_to_others(tmp_path) == [tmp_path.name, "theirs.txt"]


def test_a_folder_of_a_group_is_left_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o2770)
    (tmp_path / SECRET).touch(mode=0o640)
    make_data_folder(Settings(data_dir=tmp_path))
    assert mode(tmp_path / SECRET) == 0o640
    assert any(SECRET in message and "group" in message for message in caplog.messages)


def test_what_belongs_to_somebody_else_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch(mode=0o644)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert [warning for warning in kept_private([tmp_path / "file"]) if "belongs to another user" in warning]
    assert mode(tmp_path / "file") == 0o644


def test_a_file_system_without_modes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch(mode=0o644)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    assert [warning for warning in kept_private([tmp_path / "file"]) if "file system" in warning]
