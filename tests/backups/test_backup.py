"""A backup is made while the server writes, holds no bare secret, and comes back whole or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pydantic import SecretStr

from tests.clean_environment import ROOT
from tests.store.talk import Talk
from webchat.auth import load_or_make_secret
from webchat.backups import BackupError, finish_restoring, make_backup, restore, verify
from webchat.backups.archive import read_archive
from webchat.backups.errors import Damaged, KeyMissing, WrongKey
from webchat.backups.history import read_history
from webchat.backups.snapshots import prepare_database
from webchat.backups.unfinished import remove_leftovers, unfinished
from webchat.cli import run
from webchat.doctor import storage
from webchat.monitoring.monitor import look_at
from webchat.settings import Settings
from webchat.store import DatabaseBusy, Store
from webchat.store.copying.files import Stopped, copy_file

KEY = "sixteen characters and more"


def settings_in(folder: Path, **values: Any) -> Settings:
    return Settings(data_dir=folder, **values)


def filled(folder: Path, *texts: str) -> Settings:
    """A data folder with secrets and a conversation for each text."""
    folder.mkdir(exist_ok=True)
    settings = settings_in(folder)
    for name in ("cookie-secret", "masking-secret"):
        load_or_make_secret(folder / name)
    with closing(Store.open(settings.store_url)) as store:
        owner = store.local_owner().id
        for text in texts:
            begun = Talk(store, owner).say(text, f"{text}, too")
        store.keep_placeholders(owner, begun.conversation.id, {"<NAME_1>": b"sealed"}, False)
    return settings


def killed_after(step: str, work: Callable[[], object]) -> None:
    """Do some work in a process of its own that is killed once a function has returned."""
    name, _, function = step.rpartition(".")
    module = sys.modules[name]
    whole = getattr(module, function)

    def killed(*given: Any, **named: Any) -> None:
        whole(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        try:
            setattr(module, function, killed)
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def texts_in(settings: Settings) -> list[str]:
    with closing(sqlite3.connect(settings.data_dir / "webchat.db")) as connection:
        query = "SELECT text FROM messages WHERE role = 'user' ORDER BY id"
        return [text for (text,) in connection.execute(query)]


def sealed(settings: Settings) -> Settings:
    return settings.model_copy(update={"backup_key": SecretStr(KEY)})


def test_a_copy_made_while_the_server_writes_is_of_one_moment(tmp_path: Path) -> None:
    """Every reply in it is whole, and the writer does not wait for it."""
    path, copy = tmp_path / "webchat.db", tmp_path / "copy.db"
    done = threading.Event()
    with closing(Store.open(f"sqlite:///{path}")) as store:
        talk = Talk(store, store.local_owner().id)
        with store.transaction(write=True) as connection:
            connection.exec_driver_sql("CREATE TABLE bulk (data)")
            connection.exec_driver_sql(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                " INSERT INTO bulk SELECT randomblob(1000) FROM n"
            )
        begun, step = threading.Event(), threading.Event()

        def between_steps() -> bool:
            begun.set()
            return not step.wait(250)

        def copy_it() -> None:
            copy_file(path, copy, between_steps)
            done.set()

        copying = threading.Thread(target=copy_it)
        copying.start()
        assert begun.wait(250)
        for number in range(5):
            talk.say(f"message {number}", "reply")
        step.set()
        copying.join()
    assert done.is_set()
    with closing(sqlite3.connect(copy)) as copied:
        assert copied.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copied.execute("SELECT count(*) FROM bulk").fetchone() == (20000,)
        assert copied.execute("SELECT count(*) FROM messages").fetchone() == (0,)


def test_a_copy_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    settings = filled(tmp_path, "hello")
    with pytest.raises(Stopped):
        make_backup(settings, tmp_path / "b.tar.gz", stop=lambda: True)
    assert not list(tmp_path.glob("b.tar.gz*"))


def test_an_unsealed_backup_is_a_plain_archive_without_secrets(tmp_path: Path) -> None:
    settings, target = filled(tmp_path / "data", "hello"), tmp_path / "backup.tar.gz"
    made = make_backup(settings, target)
    with tarfile.open(target) as tar:
        assert tar.getnames() == ["manifest.json", "webchat.db"]
    assert target.stat().st_mode & 0o077 == 0
    for name in ("cookie-secret", "masking-secret"):
        secret = (settings.data_dir / name).read_bytes()
        with tarfile.open(target) as tar:
            assert all(secret not in tar.extractfile(member).read() for member in tar)  # type: ignore[union-attr]
    assert (made.messages, made.conversations, made.placeholders) == (2, 1, 1)
    assert verify(settings, target) == made


def test_a_sealed_backup_brings_the_secrets_and_opens_only_with_its_key(tmp_path: Path) -> None:
    settings, target = sealed(filled(tmp_path / "data", "hello")), tmp_path / "backup.sealed"
    make_backup(settings, target)
    assert b"hello" not in target.read_bytes()
    with pytest.raises(KeyMissing):
        verify(settings.model_copy(update={"backup_key": None}), target)
    with pytest.raises(WrongKey):
        verify(settings.model_copy(update={"backup_key": SecretStr("quite another key")}), target)
    elsewhere = sealed(settings_in(tmp_path / "new"))
    assert restore(elsewhere, target).lost == ()
    for name in ("cookie-secret", "masking-secret"):
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "data" / name).read_bytes()
        assert (tmp_path / "new" / name).stat().st_mode & 0o077 == 0
    assert texts_in(elsewhere) == ["hello"]


def test_a_restore_without_the_secrets_says_what_is_lost(tmp_path: Path) -> None:
    settings, target = filled(tmp_path / "data", "hello"), tmp_path / "backup.tar.gz"
    make_backup(settings, target)
    cookies, masked = restore(settings_in(tmp_path / "new"), target).lost
    assert "sign in" in cookies
    assert "1 conversation can't" in masked
    # Not where they come from the settings, as on a Space.
    given = {
        name: SecretStr((settings.data_dir / file).read_text().strip())
        for name, file in (("cookie_secret", "cookie-secret"), ("masking_secret", "masking-secret"))
    }
    assert restore(settings_in(tmp_path / "space", **given), target).lost == ()


@pytest.mark.parametrize("key", [None, KEY])
def test_a_torn_or_changed_backup_is_refused_and_nothing_is_touched(tmp_path: Path, key: str | None) -> None:
    settings, target = filled(tmp_path / "data", "hello"), tmp_path / "backup"
    settings = sealed(settings) if key else settings
    make_backup(settings, target)
    data = target.read_bytes()
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "new"})
    for share in (0, 0.01, 0.3, 0.7, 0.999):
        target.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(Damaged):
            restore(elsewhere, target)
    for at in range(80, len(data), len(data) // 5):
        target.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with pytest.raises(Damaged):
            read_archive(target, key)
    assert not (tmp_path / "new" / "webchat.db").exists()


def test_a_restore_needs_to_be_alone_and_to_be_told_to_replace(tmp_path: Path) -> None:
    settings, target = filled(tmp_path / "data", "hello"), tmp_path / "backup.tar.gz"
    make_backup(settings, target)
    with closing(Store.open(settings.store_url)) as store:
        Talk(store, store.local_owner().id).say("later", "words")
        with pytest.raises(DatabaseBusy):
            restore(settings, target, replace=True)
    with pytest.raises(BackupError, match="--replace"):
        restore(settings, target)
    aside = restore(settings, target, replace=True).aside
    assert texts_in(settings) == ["hello"]
    assert aside is not None
    with closing(Store.open(f"sqlite:///{aside / 'webchat.db'}")) as store:
        assert store.count_chats("local") == {store.local_owner().id: 2}


STEPS = (
    "webchat.backups.restoring._unpacked",
    "webchat.backups.restoring._write",
    "webchat.backups.restoring._replace_secret",
    "webchat.store.copying.files.close_log",
    "webchat.store.copying.files._put_aside",
    "webchat.store.copying.files._folder_on_disk",
    "webchat.backups.restoring.put_in_place",
    "webchat.backups.restoring.save_history",
)


def test_a_restore_killed_at_any_step_leaves_the_old_database_or_the_new_one(tmp_path: Path) -> None:
    settings, target = sealed(filled(tmp_path / "old", "hello")), tmp_path / "backup"
    make_backup(settings, target, generation=7, branch="theirs")
    before = filled(tmp_path / "before", "something", "else").data_dir
    for step in STEPS:
        shutil.copytree(before, tmp_path / step)
        other = sealed(settings_in(tmp_path / step))
        killed_after(step, lambda: restore(other, target, replace=True))  # noqa: B023  used at once
        finished = finish_restoring(other)
        assert finished == (step != STEPS[0]), step
        assert texts_in(other) == (["hello"] if finished else ["something", "else"]), step
        Store.open(other.store_url).close()
        assert not list(other.data_dir.glob("*restoring*")), step
        if finished:
            history = read_history(other)
            assert (history.before, history.generation) == (("theirs",), 7), step
            kept = next((other.data_dir / "backups").glob("before-restore-*/webchat.db"))
            with closing(Store.open(f"sqlite:///{kept}", serve=False)) as store:
                assert store.count_chats("local") == {store.local_owner().id: 2}, step
            secret = (other.data_dir / "cookie-secret").read_bytes()
            assert secret == (settings.data_dir / "cookie-secret").read_bytes(), step


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "data", "hello")
    code = """
        import resource, sys
        from webchat.cli import run
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        sys.exit(run(["backup", sys.argv[1]]))
    """
    env = {**os.environ, "WEBCHAT_DATA_DIR": str(tmp_path / "data")}
    target = tmp_path / "backup.tar.gz"
    done = subprocess.run(
        [sys.executable, "-c", dedent(code), target], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("backup.tar.gz*"))


def test_the_commands_say_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = filled(tmp_path / "data", "hello", "again")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(settings.data_dir))
    with closing(Store.open(settings.store_url)):  # a server runs
        assert run(["backup", "."]) == 0
    out, err = capsys.readouterr()
    (file,) = tmp_path.glob("webchat-*.tar.gz")
    assert str(file) in out
    assert "2 conversations with 4 messages" in out
    assert "WEBCHAT_BACKUP_KEY" in err
    shutil.copyfile(file, "torn.tar.gz")
    os.truncate("torn.tar.gz", file.stat().st_size // 2)
    assert run(["verify", file.name, "torn.tar.gz", "missing"]) == 2
    out, err = capsys.readouterr()
    assert f"{file.name}: whole. 2 conversations" in out
    assert "torn.tar.gz: The file is damaged" in err
    assert "2 of 3 can't be used" in err
    assert run(["restore", file.name]) == 2
    assert "--replace" in capsys.readouterr().err
    assert run(["restore", file.name, "--replace"]) == 0
    assert "What was there before is in" in capsys.readouterr().out
    monkeypatch.setenv("WEBCHAT_DATA_DIR", str(tmp_path / "new"))
    assert run(["restore", file.name]) == 0
    assert "sign in" in capsys.readouterr().err
    assert texts_in(settings_in(tmp_path / "new")) == ["hello", "again"]


@pytest.mark.parametrize("name", ["webchat", "notes"])
def test_a_backup_touches_no_other_file(name: str, tmp_path: Path) -> None:
    """Not even the database, which the name with an ending would be."""
    settings = filled(tmp_path / "data", "one")
    others = [settings.data_dir / f"notes.{kind}" for kind in ("db", "part")]
    for other in others:
        other.write_text("mine")
    make_backup(settings, settings.data_dir / name)
    assert texts_in(settings) == ["one"]
    assert [other.read_text() for other in others] == ["mine", "mine"]


def test_a_stopped_backup_leaves_nothing_and_nothing_bare_where_it_is_kept(tmp_path: Path) -> None:
    settings = filled(tmp_path / "data", "one")
    kept = tmp_path / "kept"
    seen: list[str] = []

    def stop() -> bool:
        seen.extend(path.name for path in kept.rglob("*.db"))
        return True

    with pytest.raises(Stopped):
        make_backup(sealed(settings), kept / "backup", stop=stop)
    code = (
        "import os, signal; from webchat.commands.backup import _told\n"
        "try:\n with _told(): os.kill(os.getpid(), signal.SIGTERM); signal.pause()\n"
        "finally: print('cleaned')"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == "cleaned\n", ended.stderr
    assert not seen
    assert not list(kept.iterdir())
    assert not list(settings.data_dir.glob(".webchat-backup-*"))


def test_what_a_killed_backup_left_goes_with_the_next_and_what_is_in_use_stays(tmp_path: Path) -> None:
    settings = filled(tmp_path / "data", "one")
    kept = tmp_path / "kept"
    killed_after("webchat.backups.making.copy_out", lambda: make_backup(sealed(settings), kept / "first"))
    bare, beside = (next(folder.glob(".webchat-backup-*[!k]")) for folder in (settings.data_dir, kept))
    assert (bare / "webchat.db").exists()
    with unfinished(kept) as used:
        prepare_database(settings)
        assert not list(settings.data_dir.glob(".webchat-backup-*"))
        (young := kept / ".webchat-backup-young.lock").touch()
        make_backup(settings, kept / "second")
        assert not beside.exists()
        assert used.exists()
        assert young.exists(), "its process may be about to lock it"
        os.utime(young, (0, 0))
        remove_leftovers(kept)
        assert used.exists()
    assert [path.name for path in kept.iterdir()] == ["second"]


@pytest.mark.parametrize("url", [None, "postgresql://localhost/never-reached"])
def test_what_a_killed_check_or_restore_unpacked_goes_with_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    """For PostgreSQL, too, it is unpacked where only its owner reads, and not where others' files are."""
    made, target = sealed(filled(tmp_path / "made", "one")), tmp_path / "backup"
    make_backup(made, target)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    (tmp_path / "data").mkdir()
    settings = sealed(settings_in(tmp_path / "data", database_url=url))
    for work in (lambda: verify(settings, target), lambda: restore(settings, target)):
        for following in (lambda: verify(settings, target), lambda: prepare_database(settings)):
            killed_after("webchat.backups.restoring.read_archive", work)
            (bare,) = (path.parent for path in tmp_path.rglob("webchat.db") if path.parent != made.data_dir)
            assert bare.parent == settings.data_dir
            assert (bare / "secrets").exists()
            assert not bare.stat().st_mode & 0o077
            following()
            if bare.name.endswith(".restoring"):  # what the next restore or the server finishes, or removes
                prepare_database(settings)
            assert not bare.exists()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every disk has locks")
def test_where_a_disk_has_no_locks_what_nobody_writes_goes_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with unfinished(tmp_path) as used:
        left = Path(shutil.copytree(used, tmp_path / ".webchat-backup-left"))
        remove_leftovers(tmp_path)
        assert left.exists(), "it may be in use"
        for path in (*left.iterdir(), left):
            os.utime(path, (0, 0))
        remove_leftovers(tmp_path)
        assert not left.exists()
        assert used.exists()


def test_of_a_damaged_database_no_backup_is_made(tmp_path: Path) -> None:
    """Or snapshots of it would take the place of those from before."""
    settings = filled(tmp_path / "data", *(f"text {number} " * 200 for number in range(100)))
    path = settings.data_dir / "webchat.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT max(rootpage) FROM sqlite_master WHERE tbl_name = 'messages'"
        (root,) = connection.execute(query).fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with pytest.raises(BackupError, match="damaged"):
        make_backup(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_newer_versions_backup_takes_nothings_place(tmp_path: Path) -> None:
    newer, mine = filled(tmp_path / "newer", "newer"), filled(tmp_path / "mine", "mine")
    with closing(sqlite3.connect(newer.data_dir / "webchat.db")) as connection:
        connection.execute("UPDATE webchat_schema SET version_num = '9999'")
        connection.commit()
    make_backup(newer, tmp_path / "backup")
    with pytest.raises(BackupError, match="newer version"):
        restore(mine, tmp_path / "backup", replace=True)
    assert texts_in(mine) == ["mine"]
    assert not (mine.data_dir / "webchat.db.restoring").exists()


def test_secrets_come_back_where_the_database_is_on_another_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sealed(filled(tmp_path / "source", "one"))
    make_backup(source, tmp_path / "backup")
    replace = os.replace

    def within_one(old: Path, new: Path) -> None:
        if Path(old).is_relative_to(tmp_path / "disk") != Path(new).is_relative_to(tmp_path / "disk"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(old, new)

    monkeypatch.setattr(os, "replace", within_one)
    database = SecretStr(f"sqlite:///{tmp_path / 'disk' / 'webchat.db'}")
    target = sealed(settings_in(tmp_path / "target", database_url=database))
    target.data_dir.mkdir()
    restore(target, tmp_path / "backup")
    for name in ("cookie-secret", "masking-secret"):
        assert (target.data_dir / name).read_text() == (source.data_dir / name).read_text()


def test_a_small_file_does_not_unpack_to_any_size(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 64 << 20
    with gzip.open(tmp_path / "bomb", "wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(header.size))
    tracemalloc.start()
    try:
        with pytest.raises(Damaged):
            verify(settings_in(tmp_path), tmp_path / "bomb")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_backup_in_the_data_folder_counts_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the checks and the alert that ask how old the newest is."""
    settings = filled(tmp_path / "data", "one")
    monkeypatch.chdir(tmp_path)
    assert look_at(settings.data_dir, None).backup_age is None
    assert run(["backup", "--data-dir", str(settings.data_dir)]) == 0
    assert look_at(settings.data_dir, None).backup_age is not None
    assert [one.code for one in storage._backups(settings)] == ["backup"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a disk that takes no files")
def test_where_no_file_can_be_made_a_backup_ends() -> None:
    with pytest.raises(OSError), unfinished(Path("/proc")):  # noqa: PT011
        pass
