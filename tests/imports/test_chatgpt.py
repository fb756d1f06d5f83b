from __future__ import annotations

from pathlib import Path

from tests.imports.into import Into
from tests.imports.samples import chatgpt, node, written, zipped

FOLDED = """**Looking**

At the map.

**python**

```python
print('map')
```

````
```map```
````"""


def test_a_conversation_arrives_with_its_branches_times_models_and_reasoning(into: Into) -> None:
    found = into.bring(written(into.folder / "x.json", [chatgpt()]))
    assert (found.counts["new"], found.counts["bad"], found.counts["branches"]) == (1, 0, 1)
    whole = into.one()
    assert (whole.conversation.title, whole.conversation.title_by) == ("Lighthouses", "user")
    assert whole.conversation.created_at.isoformat() == "2026-01-01T00:00:00.250000+00:00"
    assert whole.conversation.updated_at.isoformat() == "2026-01-01T00:00:08.250000+00:00"
    asked, answer, again, drawn = into.shown()
    assert asked.text == "Where is the lighthouse?\n\n📎 file_abc"
    assert (answer.text, answer.reasoning, answer.model) == ("By the **sea**.", FOLDED, "gpt-5-thinking")
    assert (answer.reasoning_seconds, answer.finish_reason) == (3, "stop")
    assert again.text == "Draw it."
    assert drawn.text == "**tower**\n\n```svg\n<svg/>\n```\n\nDone."
    assert (drawn.model, drawn.state) == ("gpt-5", "stopped")
    other = next(message for message in whole.messages if message.id not in {one.id for one in into.shown()})
    assert (other.text, other.parent_id) == ("On the cliff.", asked.id)
    assert into.store.origin(into.owner, whole.conversation.id).details == {
        "folder": "g-p-harbour",
        "gizmo_id": "g-p-harbour",
        "user_profile": "A sailor.",
    }
    into.store.index_owed()
    assert [hit.title for hit in into.store.search(into.owner, "cliff").items] == ["Lighthouses"]


def test_the_shards_of_a_zip_are_one_export_and_name_their_attachments(into: Into, tmp_path: Path) -> None:
    shards = {f"conversations-{n:03}.json": [chatgpt(f"c{n}-{m}") for m in range(2)] for n in range(3)}
    path = zipped(
        tmp_path / "export.zip",
        {
            **shards,
            "export_manifest.json": {"files": [*shards]},
            "conversation_asset_file_names.json": {"file_abc.dat": "harbour.png"},
            "user.json": {"id": "user-1", "email": "ada@example.com"},
            "file_abc.dat": b"\x89PNG",
        },
    )
    found = into.bring(path)
    assert (found.counts["new"], found.problems) == (6, [])
    assert {one.messages[0].text for one in into.all()} == {"Where is the lighthouse?\n\n📎 harbour.png"}


def test_a_bad_entry_is_named_by_its_place_and_loses_no_other(into: Into) -> None:
    entries = [chatgpt("a"), {"title": "no mapping", "id": "b"}, {"mapping": {}, "id": "c"}, 7, chatgpt("d")]
    path = zipped(into.folder / "x.zip", {"conversations-003.json": entries})
    found = into.bring(path)
    assert found.counts["new"] == 2
    assert [(one.place, one.message) for one in found.problems] == [
        ("conversations-003.json, entry 2", "It is not a conversation of a known product."),
        ("conversations-003.json, entry 3", "It has no messages."),
        ("conversations-003.json, entry 4", "It is not a conversation of a known product."),
    ]


def test_circles_twins_and_lost_parents_become_a_tree(into: Into) -> None:
    nodes = [
        node("a", "b", "user", "first"),
        node("b", "a", "assistant", "second"),
        node("c", "nowhere", "user", "third"),
        {"id": "d", "parent": "d", "message": None},
    ]
    into.bring(written(into.folder / "x.json", [{"id": "x", "mapping": {one["id"]: one for one in nodes}}]))
    texts = {message.text: message.parent_id for message in into.one().messages}
    assert set(texts) == {"first", "second", "third"}
    assert texts["third"] is None


def test_children_tell_the_parents_that_nodes_do_not_name(into: Into) -> None:
    one = node("q", None, "user", "Question")
    one["children"] = ["a"]
    other = {**node("a", None, "assistant", "Answer"), "parent": None}
    into.bring(written(into.folder / "x.json", [{"id": "x", "mapping": {"a": other, "q": one}}]))
    assert [message.text for message in into.shown()] == ["Question", "Answer"]
