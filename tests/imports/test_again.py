"""The same file twice adds nothing, a later one only what is new, and what its owner did here stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.imports.into import Into, importer
from tests.imports.samples import chatgpt, written
from tests.store.talk import Talk, exported, later
from webchat.store import NotFound


def test_the_same_file_twice_adds_nothing(into: Into) -> None:
    path = written(into.folder / "x.json", [chatgpt("a"), chatgpt("b"), chatgpt("a")])
    first = into.bring(path)
    before = into.all()
    again = into.bring(path)
    assert (first.counts["new"], first.counts["unchanged"]) == (2, 1)
    assert (again.counts["unchanged"], again.counts["added"]) == (3, 0)
    assert into.all() == before
    assert again.first_id == first.first_id == before[0].conversation.id


def test_a_later_export_adds_only_what_is_new_and_shows_it(into: Into) -> None:
    into.bring(written(into.folder / "x.json", [chatgpt()]))
    before = {message.id for message in into.one().messages}
    found = into.bring(
        written(into.folder / "y.json", [chatgpt(more=2, title="Renamed there"), chatgpt("b")])
    )
    assert (found.counts["extended"], found.counts["new"], found.counts["added"]) == (1, 1, 4 + 5)
    first = into.all()[0]
    assert before < {message.id for message in first.messages}
    assert first.conversation.title == "Lighthouses"
    shown = into.store.thread(into.owner, first.conversation.id).items
    assert [message.text for message in shown][-4:] == ["More 0?", "More.", "More 1?", "More."]


def test_what_its_owner_did_here_stays(into: Into) -> None:
    path = written(into.folder / "x.json", [chatgpt("a"), chatgpt("b"), chatgpt("c")])
    into.bring(path)
    one, other, third = (whole.conversation.id for whole in into.all())
    into.store.update_conversation(into.owner, one, title="Mine")
    last = into.store.thread(into.owner, one).items[-1]
    talk = Talk(into.store, into.owner)
    went_on = talk.begin("And here?", conversation=one, parent=last.id)
    talk.finish(went_on.reply.id, "Here too.")
    into.store.delete_conversation(into.owner, other)
    into.store.delete_conversation(into.owner, third)
    into.store.purge(later())
    answer = into.store.thread(into.owner, one).items[1]
    into.store.delete_messages(into.owner, answer.id)
    found = into.bring(written(into.folder / "y.json", [chatgpt(id, more=1) for id in "abc"]))
    assert (found.counts["deleted"], found.counts["new"], found.counts["added"]) == (2, 0, 0)
    (left,) = into.all()
    assert left.conversation.title == "Mine"
    assert "By the **sea**." not in {message.text for message in left.messages}


def test_going_on_here_keeps_its_branch_when_the_file_went_on_too(into: Into) -> None:
    into.bring(written(into.folder / "x.json", [chatgpt()]))
    id = into.one().conversation.id
    talk = Talk(into.store, into.owner)
    begun = talk.begin("And here?", conversation=id, parent=into.shown()[-1].id)
    talk.finish(begun.reply.id, "Here too.")
    into.bring(written(into.folder / "y.json", [chatgpt(more=1)]))
    assert talk.shown(id)[-1] == "Here too."
    assert "More 0?" in {message.text for message in into.one().messages}


def test_what_was_cut_off_goes_on(into: Into, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webchat.store.imports.writing.SLICE_MESSAGES", 1)
    path = written(into.folder / "x.json", [chatgpt(more=3)])
    write, left = into.store._add_imported, [4]

    def torn(*args: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        write(*args)

    with monkeypatch.context() as patch:
        patch.setattr(into.store, "_add_imported", torn)
        with pytest.raises(KeyboardInterrupt):
            into.bring(path)
    assert 0 < len(into.one().messages) < 11
    assert into.bring(path).counts["extended"] == 1
    assert len(into.one().messages) == 11
    assert into.shown()[-1].text == "More."


def test_two_imports_of_one_file_at_once_are_one(into: Into) -> None:
    path = written(into.folder / "x.json", [chatgpt(str(n), more=3) for n in range(8)])

    async def both() -> None:
        await asyncio.gather(*(importer(into.store).bring(path, into.owner) for _ in range(3)))

    asyncio.run(both())
    assert [len(whole.messages) for whole in into.all()] == [11] * 8


def test_no_other_conversation_is_touched(into: Into) -> None:
    stranger = Talk(into.store, into.store.create_owner("visitor", "Eve").id)
    mine = Talk(into.store, into.owner).say("a question", "an answer")
    theirs = stranger.say("secret", "hush")
    path = written(into.folder / "x.json", [chatgpt(theirs.conversation.id), chatgpt(mine.conversation.id)])
    before = exported(into.store, stranger.owner)
    into.bring(path)
    assert exported(into.store, stranger.owner) == before
    assert into.store.export_conversation(into.owner, mine.conversation.id).conversation.title == "a question"
    assert len(into.all()) == 3
    theirs_too = Into(into.store, stranger.owner, into.folder)
    assert theirs_too.bring(path).counts["new"] == 2
    with pytest.raises(NotFound):
        into.store.origin(stranger.owner, into.all()[-1].conversation.id)


def test_what_moves_to_another_owner_is_known_there(into: Into) -> None:
    local = Into(into.store, into.store.local_owner().id, into.folder)
    operator = Into(into.store, into.store.create_owner("operator", "Olga").id, into.folder)
    path = written(into.folder / "x.json", [chatgpt("a"), chatgpt("b")])
    local.bring(path)
    operator.bring(written(into.folder / "y.json", [chatgpt("b")]))
    into.store.move_chats(operator.owner, local.owner)
    assert operator.bring(path).counts["unchanged"] == 2
    assert local.bring(path).counts["new"] == 2


def test_a_dry_run_counts_and_stores_nothing(into: Into) -> None:
    path = written(into.folder / "x.json", [chatgpt("a"), chatgpt("b"), {}])
    found = into.check(path)
    assert (found.counts["new"], found.counts["bad"], found.counts["messages"]) == (2, 1, 10)
    assert into.all() == []
    into.bring(path)
    assert into.check(path).counts["unchanged"] == 2
