"""A server's snapshots: the newest whole one begins the next server, and nothing destroys another's."""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import webchat.backups.snapshots
from tests.backups.test_backup import KEY, filled, killed_after, settings_in, texts_in
from tests.store.talk import Talk
from webchat.backups import BackupError, Snapshots, last_saved, prepare_database
from webchat.backups.errors import Unreachable, WrongKey
from webchat.backups.places import Folder, snapshots_among
from webchat.backups.snapshots import place_of
from webchat.settings import Settings
from webchat.store import Store


def server(folder: Path, bucket: Path, **values: Any) -> Settings:
    """The settings of a server with snapshots."""
    bucket.mkdir(exist_ok=True)
    return settings_in(folder, snapshots=str(bucket), snapshots_keep=3, **values)


def say(settings: Settings, text: str) -> None:
    settings.data_dir.mkdir(exist_ok=True)
    with closing(Store.open(settings.store_url)) as store:
        Talk(store, store.local_owner().id).say(text, "reply")


def begin(settings: Settings) -> Snapshots:
    settings.data_dir.mkdir(exist_ok=True)
    snapshots = prepare_database(settings)
    assert snapshots is not None
    return snapshots


def kept(bucket: Path) -> list[int]:
    """The numbers of the snapshots, the oldest first."""
    return [one.generation for one in snapshots_among(os.listdir(bucket / "webchat"))]


def test_the_next_server_begins_with_the_newest_and_only_some_are_kept(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    first = server(tmp_path / "first", bucket)
    (bucket / "webchat").mkdir()  # by somebody else, for all
    snapshots = begin(first)
    never = snapshots.state
    assert (never.age, never.failure) == (None, "")
    for number in range(5):
        say(first, f"text {number}")
        assert snapshots.save()
    assert snapshots.save() is None, "nothing was stored since"
    assert kept(bucket) == [3, 4, 5]
    assert all(not path.stat().st_mode & 0o077 for path in (bucket / "webchat").iterdir()), "for nobody else"
    age, saved = snapshots.state.age, last_saved(first)
    assert age is not None
    assert saved is not None
    second = server(tmp_path / "second", bucket)
    later = begin(second)
    assert texts_in(second) == [f"text {number}" for number in range(5)]
    say(second, "more")
    later.save()
    assert kept(bucket) == [4, 5, 6], "it goes on with the history of the first"
    assert not later.state.rivals


def test_a_torn_one_is_passed_over_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bucket = tmp_path / "bucket"
    first = server(tmp_path / "first", bucket)
    snapshots = begin(first)
    names = []
    for text in ("one", "two", "three"):
        say(first, text)
        names.append(snapshots.save() or "")
    os.truncate(bucket / "webchat" / names[2], 3000)
    shutil.copyfile(
        bucket / "webchat" / names[0], bucket / "webchat" / names[2].replace("00000003", "00000009")
    )
    (bucket / "webchat" / "webchat-00000007-20300101T000000Z-ab.tar.gz.part").write_bytes(b"half")
    second = server(tmp_path / "second", bucket)
    begin(second)
    assert texts_in(second) == ["one", "two"]
    passed = [record.message for record in caplog.records if "passed over" in record.message]
    assert len(passed) == 2
    for name in os.listdir(bucket / "webchat"):
        os.truncate(bucket / "webchat" / name, 100)
    with pytest.raises(BackupError, match="None of the 4 snapshots"):
        begin(server(tmp_path / "third", bucket))
    assert not (tmp_path / "third" / "webchat.db").exists()


def test_a_clock_that_jumps_back_does_not_make_the_older_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    first = server(tmp_path / "first", bucket)
    snapshots = begin(first)
    say(first, "before")
    snapshots.save()

    class Past(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=400)

    say(first, "after")
    monkeypatch.setattr(webchat.backups.snapshots, "datetime", Past)
    snapshots.save()
    monkeypatch.undo()
    ones = snapshots_among(os.listdir(bucket / "webchat"))
    assert ones[-1].made < ones[0].made
    second = server(tmp_path / "second", bucket)
    assert (begin(second).state.age or 0) >= 0
    assert texts_in(second) == ["before", "after"]


def test_two_servers_on_one_bucket_are_noticed_and_leave_each_other_s_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = tmp_path / "bucket"
    one, other = (server(tmp_path / name, bucket) for name in ("one", "other"))
    snapshots = [begin(one)]
    say(one, "shared")
    snapshots[0].save()
    snapshots.append(begin(other))  # while the first goes on
    for number in range(6):
        for settings, made in zip((one, other), snapshots, strict=True):
            say(settings, f"{settings.data_dir.name} {number}")
            made.save()
    assert [made.state.rivals for made in snapshots] == [True, True]
    assert sum("another server" in record.message for record in caplog.records) == 2
    newest: dict[str, list[str]] = {}
    for found in snapshots_among(os.listdir(bucket / "webchat")):
        newest.setdefault(found.branch, []).append(found.name)
    assert sorted(map(len, newest.values())) == [3, 3]
    # With names of their own they never meet.
    third = server(tmp_path / "third", bucket, snapshots_name="somebody/space")
    begin(third)
    assert not (tmp_path / "third" / "webchat.db").exists()
    assert any("webchat are kept in the same place" in record.message for record in caplog.records)


STEPS = (
    "webchat.backups.making.copy_out",
    "webchat.backups.making.write_archive",
    "webchat.backups.snapshots.make_backup",
    "webchat.backups.places._sum_of",
    "webchat.backups.snapshots.save_history",
)


def test_a_crash_at_any_step_of_a_snapshot_loses_no_snapshot(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    first = server(tmp_path / "first", bucket)
    begin(first)
    say(first, "one")
    begin(first).save()
    say(first, "two")
    for step in STEPS:
        killed_after(step, lambda: begin(first).save())
        begun = server(tmp_path / step, bucket)
        begin(begun)
        whole = step == STEPS[-1]
        assert texts_in(begun) == (["one", "two"] if whole else ["one"]), step
    begin(first).save()
    assert not [name for name in os.listdir(bucket / "webchat") if name.endswith(".part")]
    assert not list(first.data_dir.glob(".webchat-backup-*"))
    last = server(tmp_path / "last", bucket)
    killed_after("webchat.backups.restoring.read_archive", lambda: begin(last))
    assert list(last.data_dir.glob(".webchat-backup-*"))
    begin(last)
    assert not list(last.data_dir.glob(".webchat-backup-*"))
    assert texts_in(last) == ["one", "two"]


def test_a_place_that_is_full_or_gone_is_told_and_the_older_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    first = server(tmp_path / "first", bucket)
    snapshots = begin(first)
    say(first, "one")
    snapshots._attempt()
    assert snapshots.state.failure == ""
    say(first, "two")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        snapshots._attempt()
    assert "disk is full" in snapshots.state.failure
    assert kept(bucket) == [1]
    assert sorted(os.listdir(bucket / "webchat")) == [os.listdir(bucket / "webchat")[0]]
    bucket.rename(tmp_path / "away")
    snapshots._attempt()
    assert "does not exist" in snapshots.state.failure
    monkeypatch.setattr(time, "sleep", lambda _: None)
    second = settings_in(tmp_path / "second", snapshots=str(bucket))
    with pytest.raises(Unreachable):
        begin(second)
    (tmp_path / "away").rename(bucket)
    snapshots._attempt()
    assert (snapshots.state.failure, kept(bucket)) == ("", [1, 2])


def test_sealed_snapshots_need_their_key_and_bring_the_secrets(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    key = {"backup_key": SecretStr(KEY)}
    filled(tmp_path / "first", "hello")
    begin(server(tmp_path / "first", bucket, **key)).save()
    (stored,) = (bucket / "webchat").iterdir()
    assert stored.name.endswith(".sealed")
    with pytest.raises(WrongKey):
        begin(server(tmp_path / "wrong", bucket, backup_key=SecretStr("some other key of mine")))
    second = server(tmp_path / "second", bucket, **key)
    begin(second)
    for name in ("cookie-secret", "masking-secret"):
        assert (second.data_dir / name).read_bytes() == (tmp_path / "first" / name).read_bytes()


async def test_a_running_server_saves_and_saves_again_when_it_stops(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    settings = server(tmp_path / "data", bucket, snapshots_every=1440)
    snapshots = begin(settings)
    say(settings, "hello")
    async with snapshots.running():
        assert isinstance(place_of(settings), Folder)
    assert kept(bucket) == [1]
    assert datetime.now(UTC) - (last_saved(settings) or datetime.min.replace(tzinfo=UTC)) < timedelta(hours=1)
