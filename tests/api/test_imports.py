"""Importing a file over the API: in pieces, cut off, resumed, cancelled, refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Site
from tests.imports.samples import chatgpt, zipped
from webchat.imports import background
from webchat.imports.background import Imports
from webchat.store.imports.jobs import MOST_UNFINISHED

BYTES = {"content-type": "application/octet-stream"}


async def send(client: httpx.AsyncClient, content: bytes, piece: int = 1000) -> dict[str, Any]:
    begun = (await client.post("/api/imports", json={"name": "export.zip", "size": len(content)})).json()
    for at in range(0, len(content), piece):
        url = f"/api/imports/{begun['id']}/data"
        answer = await client.put(url, params={"at": at}, content=content[at : at + piece], headers=BYTES)
        assert answer.status_code == 200, answer.text
        assert answer.json()["received"] == min(at + piece, len(content))
    return dict(answer.json())


async def until(client: httpx.AsyncClient, id: str, *states: str) -> dict[str, Any]:
    url = f"/api/imports/{id}"
    while (job := (await client.get(url)).json())["state"] not in states:  # noqa: ASYNC110  as a page asks
        await asyncio.sleep(0.02)
    return dict(job)


@pytest.fixture
def export(tmp_path: Path) -> bytes:
    entries = [chatgpt("a"), {"id": "odd"}, chatgpt("b", title="Second")]
    return zipped(tmp_path / "x.zip", {"conversations-000.json": entries}).read_bytes()


async def test_a_file_in_pieces_is_checked_then_imported_then_found(
    site: Site, export: bytes, tmp_path: Path
) -> None:
    owner = site.visitor()
    client = site.client(owner)
    job = await send(client, export)
    checked = await until(client, job["id"], "checked", "failed")
    assert checked["counts"]["new"] == 2
    assert [(one["place"], one["code"]) for one in checked["problems"]] == [
        ("conversations-000.json, entry 2", "unknown")
    ]
    assert (await client.get("/api/conversations")).json()["items"] == []
    await client.post(f"/api/imports/{job['id']}/start", json={"on_bad": "skip"})
    done = await until(client, job["id"], "done", "failed")
    assert (done["counts"]["new"], done["counts"]["added"]) == (2, 10)
    listed = (await client.get("/api/conversations")).json()["items"]
    assert {one["title"] for one in listed} == {"Lighthouses", "Second"}
    assert done["first_id"] in {one["id"] for one in listed}
    origin = (await client.get(f"/api/conversations/{done['first_id']}/origin")).json()
    assert (origin["name"], origin["details"]["folder"]) == ("ChatGPT", "g-p-harbour")
    assert not any(tmp_path.glob("imports/*"))  # noqa: ASYNC240


async def test_a_lost_connection_goes_on_where_it_was(site: Site, export: bytes) -> None:
    client = site.client(site.visitor())
    begun = (await client.post("/api/imports", json={"name": "x", "size": len(export)})).json()
    url = f"/api/imports/{begun['id']}/data"
    await client.put(url, params={"at": 0}, content=export[:300], headers=BYTES)
    for at, piece in ((0, export[:300]), (500, export[500:])):  # repeated, and too far on
        answer = await client.put(url, params={"at": at}, content=piece, headers=BYTES)
        assert answer.json()["received"] == 300
    too_long = await client.put(url, params={"at": 300}, content=export, headers=BYTES)
    assert too_long.json()["error"]["code"] == "import_longer"
    await client.put(url, params={"at": 300}, content=export[300:], headers=BYTES)
    assert (await until(client, begun["id"], "checked"))["counts"]["new"] == 2


async def test_refusing_imports_nothing_and_cancelling_keeps_what_came(site: Site, export: bytes) -> None:
    client = site.client(site.visitor())
    job = await send(client, export)
    await until(client, job["id"], "checked")
    refused = await client.post(f"/api/imports/{job['id']}/start", json={"on_bad": "refuse"})
    assert refused.json()["state"] == "cancelled"
    assert (await client.get("/api/conversations")).json()["items"] == []
    other = await send(client, export)
    await client.delete(f"/api/imports/{other['id']}")
    assert (await client.get(f"/api/imports/{other['id']}")).status_code == 404
    assert [one["state"] for one in (await client.get("/api/imports")).json()["items"]] == ["cancelled"]


async def test_a_restart_goes_on_with_the_next_entry(site: Site, tmp_path: Path) -> None:
    owner = site.visitor()
    client = site.client(owner)
    path = zipped(tmp_path / "x.zip", {"conversations.json": [chatgpt(str(n)) for n in range(5)]})
    job = await send(client, path.read_bytes(), 10_000)
    await until(client, job["id"], "checked")
    imports = site.services.imports
    assert imports is not None
    half = {"state": "importing", "done": 2, "counts": {"entries": 2, "new": 2}, "problems": []}
    site.store.change_file_import(owner.id, job["id"], half)
    again = Imports(site.store, imports._importer, imports._folder, lambda _: None)
    await again.open()
    done = await until(client, job["id"], "done", "failed")
    await again.aclose()
    assert (done["counts"]["entries"], done["counts"]["new"]) == (5, 5)
    assert len((await client.get("/api/conversations")).json()["items"]) == 3  # two came before the restart


async def test_a_file_that_the_server_died_of_twice_is_not_read_again(site: Site, tmp_path: Path) -> None:
    owner = site.visitor()
    client = site.client(owner)
    path = zipped(tmp_path / "x.zip", {"conversations.json": [chatgpt("a")]})
    imports = site.services.imports
    assert imports is not None
    ends = {}
    for tries in (1, 2):
        job = await send(client, path.read_bytes(), 10_000)
        await until(client, job["id"], "checked")
        assert site.store.file_import(owner.id, job["id"]).tries == 0
        site.store.change_file_import(owner.id, job["id"], {"state": "checking", "tries": tries})
        again = Imports(site.store, imports._importer, imports._folder, lambda _: None)
        await again.open()
        ends[tries] = await until(client, job["id"], "checked", "failed")
        await again.aclose()
    assert (ends[1]["state"], ends[2]["state"]) == ("checked", "failed")
    assert ends[2]["failure"] == ends[2]["problems"][0]["code"] == "server_ended"


async def test_a_try_counts_only_if_the_server_dies(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = site.visitor()
    imports = site.services.imports
    assert imports is not None
    job = site.store.begin_file_import(owner.id, "x", 1)
    site.store.change_file_import(owner.id, job.id, {"state": "checking"})
    reading = asyncio.Event()

    async def endless(*_: object) -> None:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(imports._importer, "check", endless)
    again = Imports(site.store, imports._importer, imports._folder, lambda _: None)
    await again.open()
    await reading.wait()
    assert site.store.file_import(owner.id, job.id).tries == 1
    await again.aclose()
    assert not site.store.file_import(owner.id, job.id).tries


async def test_what_is_no_export_fails_in_words(site: Site) -> None:
    client = site.client(site.visitor())
    job = await send(client, b"hello, this is no export")
    failed = await until(client, job["id"], "failed", "checked")
    assert (failed["failure"], failed["problems"][0]["code"]) == ("no_export", "no_export")


async def test_limits_hold_before_anything_is_sent(site: Site) -> None:
    client = site.client(site.visitor())
    large = await client.post("/api/imports", json={"name": "x", "size": 300 << 20})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "import_too_large")
    begun = [client.post("/api/imports", json={"name": "x", "size": 9}) for _ in range(20)]
    answers = [answer.status_code for answer in await asyncio.gather(*begun)]
    assert answers.count(201) == MOST_UNFINISHED
    another = await client.post("/api/imports", json={"name": "x", "size": 9})
    assert (another.status_code, another.json()["error"]["code"]) == (409, "imports_unfinished")
    guest = site.client(site.guest()[0])
    refused = await guest.post("/api/imports", json={"name": "x", "size": 9})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "import_not_allowed")


async def test_a_piece_the_disk_has_no_room_for_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = site.client(site.visitor())
    job = (await client.post("/api/imports", json={"name": "x", "size": 9})).json()
    monkeypatch.setattr(background, "SPARE", 1 << 62)
    refused = await client.put(f"/api/imports/{job['id']}/data", content=b"piece", headers=BYTES)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "import_no_room")
    assert not any(tmp_path.glob("imports/*"))  # noqa: ASYNC240


async def test_a_file_without_an_import_is_removed_at_the_next_start(site: Site) -> None:
    client = site.client(site.visitor())
    kept, lost = [(await client.post("/api/imports", json={"name": "x", "size": 9})).json() for _ in "ab"]
    for job in (kept, lost):
        await client.put(f"/api/imports/{job['id']}/data", content=b"piece", headers=BYTES)
    imports = site.services.imports
    assert imports is not None
    path = imports._path(lost["id"])
    await client.delete(f"/api/imports/{lost['id']}")
    imports._write(lost["id"], 0, b"piece")
    again = Imports(site.store, imports._importer, imports._folder, lambda _: None)
    await again.open()
    while path.exists():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await again.aclose()
    assert imports._path(kept["id"]).exists()
