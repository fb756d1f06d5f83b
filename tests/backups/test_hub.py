"""Snapshots in a dataset repository, by the library for the real Hub, against one on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.backups.dataset_hub import Hub, running_hub
from tests.backups.test_backup import settings_in, texts_in
from tests.backups.test_snapshots import begin, say
from tests.hub import TOKEN
from webchat.backups import BackupError
from webchat.backups.places import snapshots_among
from webchat.settings import Settings

# The library's own, about how it uploads.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants

    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        # Its own protocol for large files has no published server; without it the library uploads by LFS.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield running


def server(folder: Path, token: str = TOKEN) -> Settings:
    where = {"snapshots": "hf://datasets/me/kept", "snapshots_name": "me/space", "snapshots_keep": 2}
    return settings_in(folder, hf_token=SecretStr(token), **where)


def test_a_repository_keeps_the_newest_and_the_next_server_begins_with_it(hub: Hub, tmp_path: Path) -> None:
    first = server(tmp_path / "first")
    snapshots = begin(first)
    for text in ("one", "two", "three"):
        say(first, text)
        assert snapshots.save()
    assert hub.files is not None
    names = [path.removeprefix("me--space/") for path in hub.files]
    assert [one.generation for one in snapshots_among(names)] == [2, 3]
    assert hub.commits[-1] == "Remove 1 old snapshots"
    second = server(tmp_path / "second")
    begin(second)
    assert texts_in(second) == ["one", "two", "three"]


def test_half_an_upload_is_no_snapshot(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = server(tmp_path / "first")
    snapshots = begin(first)
    say(first, "one")
    snapshots._attempt()
    hub.cuts = True
    say(first, "two")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    snapshots._attempt()
    assert hub.files is not None
    assert len(hub.files) == (1 if snapshots.state.failure else 2)
    assert not snapshots.state.failure or "Hub" in snapshots.state.failure
    snapshots._attempt()
    assert snapshots.state.failure == ""
    second = server(tmp_path / "second")
    begin(second)
    assert texts_in(second) == ["one", "two"]


def test_a_public_repository_and_a_wrong_token_are_refused_in_words(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.files, hub.private = {}, False
    with pytest.raises(BackupError, match="is public"):
        begin(server(tmp_path / "one"))
    hub.private = True
    with pytest.raises(BackupError, match=r"status 401.*HF_TOKEN"):
        begin(server(tmp_path / "two", token="hf_wrong"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BackupError, match="cannot be reached"):
        begin(server(tmp_path / "three"))


def test_a_token_that_cannot_see_the_repository_begins_nothing_anew(hub: Hub, tmp_path: Path) -> None:
    hub.files, hub.hidden = {"me--space/x": b""}, True
    with pytest.raises(BackupError, match="HF_TOKEN"):
        begin(server(tmp_path / "first"))
    assert not (tmp_path / "first" / "webchat.db").exists()
