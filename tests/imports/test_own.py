"""An import of our own export equals the original, after ids and owners are normalised."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backends.echo import EchoBackend
from backends.media import name_of
from backends.types import Role, ToolCall
from tests.api.conftest import MakeSite, make_site
from tests.api.test_exports import _grown
from tests.api.test_media import PNG, SVG, WAV, address, drawn, image, names
from tests.imports.into import Into, importer
from tests.store.talk import called
from webchat.imports import Found, archives
from webchat.imports.archives import Files, opened
from webchat.imports.notes import BadEntry, Unreadable
from webchat.imports.readers import own
from webchat.imports.trees import MOST_CHARS, put_right
from webchat.store import Store
from webchat.store.import_records import ImportedConversation, ImportedMessage
from webchat.store.verbs.media import PART_BYTES

__all__ = ["make_site"]


def normalised(document: dict[str, Any]) -> Any:
    """Conversations with ids numbered in the order they are met, and one owner."""
    text = json.dumps(document["conversations"])
    names: dict[str, str] = {}
    for whole in document["conversations"]:
        names[whole["id"]] = f"id{len(names)}"
        for message in whole["messages"]:
            names[message["id"]] = f"id{len(names)}"
            if message["author_id"]:
                names[message["author_id"]] = "owner"
    for id, name in names.items():
        text = text.replace(id, name)
    return json.loads(text)


async def test_the_round_trip_is_lossless(make_site: MakeSite, tmp_path: Path) -> None:
    async with make_site(EchoBackend(reasoning="Let me see.")) as site:
        owner = site.operating()
        client = site.client(owner)
        ids = [await _grown(site, client) for _ in range(2)]
        await client.patch(f"/api/conversations/{ids[0]}", json={"title": "Renamed", "pinned": True})
        await client.patch(f"/api/conversations/{ids[1]}", json={"archived": True})
        called(site.store, owner.id)
        original = (await client.get("/api/export")).json()
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(original), encoding="utf-8")
    (tmp_path / "chat.db").unlink()
    async with make_site(EchoBackend()) as other:
        reader = other.operating()
        found = await _bring(other.store, reader.id, path)
        assert (found.counts["new"], found.problems) == (3, [])
        back = (await other.client(reader).get("/api/export")).json()
    assert normalised(back) == normalised(original)
    assert len(back["conversations"][0]["messages"]) == 7
    _, calling, result, reply = back["conversations"][2]["messages"]
    assert calling["tool_calls"] == [{"id": "a", "name": "tide", "arguments": '{"at": "sea"}'}]
    assert (result["tool_call_id"], reply["tool_calls"][0]["name"], reply["cut_calls"]) == ("a", "sail", 1)
    options = back["conversations"][2]["provenance"][reply["id"]]["options"]
    assert (options["tools"][0]["name"], options["tool_choice"]) == ("tide", "required")


def test_exports_of_the_first_form_are_read_with_their_tool_calls(into: Into) -> None:
    pieces = [("t", "tide", '{"at"'), (None, None, ': "sea"}')]
    lines = [json.dumps({"index": 0, "id": id, "name": name, "arguments": said}) for id, name, said in pieces]
    message = {
        "id": "m", "parent_id": None, "role": "assistant", "author_id": None, "text": "", "state": "complete",
        "finish_reason": "tool_calls", "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    entry = {
        "id": "c", "title": "T", "title_by": "model", "active_leaf_id": "m", "messages": [message],
        "provenance": {"m": {"details": {"n": 1, "tool_text": "\n".join(lines)}}}, "settings": {},
    }  # fmt: skip
    path = into.folder / "x.json"
    path.write_text(json.dumps({"schema": "webchat/1", "conversations": [entry]}), encoding="utf-8")
    into.bring(path)
    (found,) = into.one().messages
    assert found.tool_calls == (ToolCall("t", "tide", '{"at": "sea"}'),)
    assert into.one().provenance[found.id].details == {"n": 1}


@pytest.mark.parametrize(
    ("part", "more", "origin"),
    [
        ("tool_text", {}, {"details": {"tool_text": '{"index": 0, "id": 7, "name": "f", "arguments": ""}'}}),
        ("tool_text", {}, {"details": {"tool_text": "[" * 100_000}}),
        ("tool_calls", {"tool_calls": [{"id": "a", "name": "f", "arguments": {}}]}, {}),
        ("tools", {}, {"options": {"tools": "all"}}),
        ("tools", {}, {"options": {"tools": [None]}}),
    ],
)
def test_calls_and_tools_that_nothing_could_read_later_are_not_imported(
    part: str, more: dict[str, Any], origin: dict[str, Any]
) -> None:
    message = {"id": "m", "role": "assistant", "state": "complete", **more}
    entry = {
        "title_by": "user", "active_leaf_id": "m", "messages": [message], "provenance": {"m": origin},
    }  # fmt: skip
    with pytest.raises(BadEntry) as refused:
        own.read(entry, Files())
    assert refused.value.note.params == {"part": part}


def test_long_arguments_are_cut_like_other_texts() -> None:
    call = ToolCall("c", "f", "x" * (MOST_CHARS + 1))
    said = ImportedMessage("m", None, "assistant", "", tool_calls=(call,))
    found = put_right(ImportedConversation("x", "c", "", messages=(said,)), datetime(2026, 1, 1, tzinfo=UTC))
    assert [len(one.arguments) for one in found.messages[0].tool_calls] == [MOST_CHARS]
    assert [note.code for note in found.problems] == ["text_cut"]


async def test_importing_into_the_same_account_adds_only_what_is_gone(
    make_site: MakeSite, tmp_path: Path
) -> None:
    async with make_site(EchoBackend()) as site:
        owner = site.visitor()
        client = site.client(owner)
        for _ in range(2):
            await _grown(site, client)
        original = (await client.get("/api/export")).json()
        path = tmp_path / "ours.json"
        path.write_text(json.dumps(original), encoding="utf-8")
        found = await _bring(site.store, owner.id, path)
        assert (found.counts["unchanged"], found.counts["added"]) == (2, 0)
        stranger = site.visitor()
        found = await _bring(site.store, stranger.id, path)
        assert found.counts["new"] == 2
        assert (await client.get("/api/export")).json()["conversations"] == original["conversations"]


async def test_the_zip_brings_pictures_and_sounds_back(make_site: MakeSite, tmp_path: Path) -> None:
    path = tmp_path / "ours.zip"
    large = PNG + bytes(PART_BYTES)
    async with drawn(make_site, image("image/png", large), image("audio/wav", WAV)) as (site, client, *_):
        path.write_bytes((await client.get("/api/export", params={"format": "zip"})).content)
        original = (await client.get("/api/export")).json()
        (whole,) = original["conversations"]
        one = await client.get(f"/api/conversations/{whole['id']}/export", params={"format": "zip"})
        assert zipfile.ZipFile(io.BytesIO(one.content)).testzip() is None
        reader = site.visitor()
        found = await _bring(site.store, reader.id, path)
        assert (found.counts["new"], found.problems) == (1, [])
        other = site.client(reader)
        back = (await other.get("/api/export")).json()
        assert normalised(back) == normalised(original)
        reply = back["conversations"][0]["messages"][-1]
        kept = [(await other.get(address(reply, name))).content for name in names(reply)]
        assert kept == [large, WAV]
        assert (await _bring(site.store, reader.id, path)).counts["unchanged"] == 1
        # An export without them, or an import that was cut off, is made whole by the next.
        with sqlite3.connect(tmp_path / "chat.db") as file:
            file.execute("DELETE FROM media WHERE part = 1 AND message_id = ?", (reply["id"],))
        assert (await _bring(site.store, reader.id, path)).counts["extended"] == 1
        assert (await other.get(address(reply, names(reply)[0]))).content == large


async def test_of_a_zip_only_data_that_is_what_its_name_says_is_kept(
    make_site: MakeSite, tmp_path: Path
) -> None:
    path = tmp_path / "changed.zip"
    async with drawn(make_site, image("image/png", PNG), image("audio/wav", WAV)) as (site, client, reply, _):
        answer = await client.get("/api/export", params={"format": "zip"})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as old, zipfile.ZipFile(path, "w") as new:
            changed, *_ = (name for name in old.namelist() if name.startswith("media/"))
            for member in old.namelist():
                new.writestr(member, SVG if member == changed else old.read(member))
        reader = site.visitor()
        found = await _bring(site.store, reader.id, path)
        (problem,) = found.problems
        assert (problem.note.code, problem.note.params) == ("media_missing", {"count": 1})
        other = site.client(reader)
        (whole,) = (await other.get("/api/export")).json()["conversations"]
        assert [f"media/{one['name']}" for one in whole["media"]] == [
            f"media/{name}" for name in names(reply) if f"media/{name}" != changed
        ]


def test_no_file_says_the_same_data_more_often_than_any_export_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, name = tmp_path / "many.zip", name_of(PNG)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"media/{name}", PNG)
    entry = {
        "title_by": "user", "active_leaf_id": "m", "messages": [], "provenance": {},
        "media": [{"message_id": str(number), "name": name} for number in range(100)],
    }  # fmt: skip
    with opened(path) as source:
        read = own.read(entry, source.files)
        assert read is not None
        assert len(read.media) == 100
    monkeypatch.setattr(archives, "MOST_READ", 50 * len(PNG))
    with opened(path) as source, pytest.raises(Unreadable):
        own.read(entry, source.files)


@pytest.mark.parametrize("form", ["openai", "sharegpt"])
async def test_what_trainers_read_comes_back_with_its_texts(
    make_site: MakeSite, tmp_path: Path, form: str
) -> None:
    async with make_site(EchoBackend(reasoning="Let me see.")) as site:
        owner = site.visitor()
        client = site.client(owner)
        await _grown(site, client)
        begun = await site.send(client, '  leading spaces,\n\n\tand "quotes" \u2028 \\n.')
        await site.ended(client, begun["reply"]["id"])
        path = tmp_path / "lines.jsonl"
        path.write_bytes((await client.get("/api/export", params={"format": form})).content)
        reader = site.visitor()
        found = await _bring(site.store, reader.id, path)
        assert (found.counts["new"], found.problems) == (2, [])
        assert _shown(site.store, reader.id) == _shown(site.store, owner.id)


def _shown(store: Store, owner: str) -> list[tuple[str | None, list[tuple[Role, str]]]]:
    """The system prompt, roles and texts of each conversation's active branch."""
    found = []
    for id in store.conversation_ids(owner):
        prompt = store.conversation(owner, id).settings.system_prompt
        thread = store.thread(owner, id, limit=1000).items
        found.append((prompt, [(message.role, message.text) for message in thread]))
    return sorted(found, key=str)


async def _bring(store: Store, owner: str, path: Path) -> Found:
    return await importer(store).bring(path, owner)


def test_nothing_runs_in_a_file_and_nobody_elses_name_is_believed(into: Into) -> None:
    message = {
        "id": "m", "conversation_id": "c", "parent_id": None, "role": "assistant", "author_id": "somebody",
        "text": "Half", "state": "streaming", "created_at": "2026-01-01T00:00:00Z", "rating": 7, "seq": 2**40,
    }  # fmt: skip
    entry = {
        "id": "c", "title": "T", "title_by": "model", "active_leaf_id": "m", "provenance": {"m": {}},
        "messages": [message], "settings": {"sampling": {"temperature": 0.3}},
    }  # fmt: skip
    path = into.folder / "x.json"
    path.write_text(json.dumps({"schema": "webchat/1", "conversations": [entry]}), encoding="utf-8")
    into.bring(path)
    (found,) = into.one().messages
    assert (found.state, found.author_id, found.rating, found.seq) == ("interrupted", into.owner, 0, 0)
    assert into.one().conversation.settings.sampling.temperature == 0.3
