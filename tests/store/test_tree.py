"""Conversations are trees; nothing in them is overwritten, what is deleted comes back until it is purged."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event

from tests.store.talk import Talk, exported, later
from webchat.store import NotFound, Store
from webchat.store.errors import TooManyVersions
from webchat.store.judgement_records import JudgementChange
from webchat.store.records import ListedConversation, Message
from webchat.store.verbs import messages, tree


def test_an_edit_and_a_regeneration_add_siblings(store: Store, talk: Talk) -> None:
    first = talk.say("question", "answer")
    place = first.conversation.id
    assert first.user
    second = talk.begin(None, conversation=place, parent=first.user.id)
    talk.finish(second.reply.id, "another")
    corrected = store.edit_reply(talk.owner, first.reply.id, "corrected")
    assert corrected.author_id == talk.owner
    assert corrected.siblings == (first.reply.id, second.reply.id, corrected.id)
    assert (corrected.state, corrected.seq) == ("complete", 0)
    assert talk.shown(place) == ["question", "corrected"]
    assert store.message(talk.owner, first.reply.id).text == "answer"
    with pytest.raises(NotFound):
        store.edit_reply(talk.owner, first.user.id, "not a reply")


def test_activating_shows_the_newest_leaf_of_the_branch(store: Store, talk: Talk) -> None:
    root = talk.say("1", "a")
    place = root.conversation.id
    left = talk.say("2", "b", after=root.reply)
    right = talk.say("3", "c", after=root.reply)
    deeper = talk.say("4", "d", after=left.reply)
    assert left.user
    assert right.user
    assert store.activate(talk.owner, right.user.id).active_leaf_id == right.reply.id
    assert talk.shown(place) == ["1", "a", "3", "c"]
    assert store.activate(talk.owner, left.user.id).active_leaf_id == deeper.reply.id
    assert talk.shown(place) == ["1", "a", "2", "b", "4", "d"]


def test_a_message_has_only_so_many_versions(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_VERSIONS", 3)
    first = talk.say("question", "answer")
    place = first.conversation.id
    assert first.user
    store.edit_reply(talk.owner, first.reply.id, "corrected")
    again = talk.begin(None, conversation=place, parent=first.user.id)
    talk.finish(again.reply.id, "another")
    for more in (
        lambda: store.edit_reply(talk.owner, first.reply.id, "one more"),
        lambda: talk.begin(None, conversation=place, parent=first.user.id),
    ):
        with pytest.raises(TooManyVersions):
            more()
    assert len(store.message(talk.owner, first.reply.id).siblings) == 3
    # In another place there is room.
    assert talk.say("next", "answer", after=again.reply).created
    whole = store.export_conversation(talk.owner, place).messages
    assert len({id(message.siblings) for message in whole if message.text != "next"}) < len(whole)


def test_a_thread_is_read_from_its_end(store: Store, talk: Talk) -> None:
    last = talk.say("0", "0'")
    place = last.conversation.id
    for number in range(1, 5):
        last = talk.say(str(number), f"{number}'", after=last.reply)
    whole = store.thread(talk.owner, place, limit=100).items
    assert [(m.id, m.role, m.text) for m in store.path(talk.owner, last.reply.id)] == [
        (m.id, m.role, m.text) for m in whole
    ]
    assert [message.text for message in whole] == [f"{n}{tick}" for n in range(5) for tick in ("", "'")]
    pages, before = [], None
    while True:
        page = store.thread(talk.owner, place, before=before, limit=4)
        pages.append(page.items)
        if page.next is None:
            break
        before = page.next
    assert [len(items) for items in pages] == [4, 4, 2]
    assert [message for items in reversed(pages) for message in items] == list(whole)
    assert store.thread(talk.owner, place, before=whole[0].id).items == ()


def test_reading_the_end_costs_the_same_in_a_long_conversation(store: Store, talk: Talk, kind: str) -> None:
    if kind != "sqlite":
        pytest.skip("counts steps of SQLite's machine; the query is the same")
    turn = talk.say("start", "reply")
    place = turn.conversation.id

    def steps() -> int:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        with store.transaction(write=False) as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(count, 10)
        store.thread(talk.owner, place, limit=10)
        with store.transaction(write=False) as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(None, 0)
        return counted

    for _ in range(10):
        turn = talk.say("more", "reply", after=turn.reply)
    short = steps()
    for _ in range(190):
        turn = talk.say("more", "reply", after=turn.reply)
    assert 0 < steps() < 1.5 * short


def test_deleting_from_here_on_shows_what_remains_and_can_be_undone(store: Store, talk: Talk) -> None:
    root = talk.say("1", "a")
    place = root.conversation.id
    left = talk.say("2", "b", after=root.reply)
    right = talk.say("3", "c", after=root.reply)
    assert left.user
    assert right.user
    assert store.delete_messages(talk.owner, right.user.id).active_leaf_id == left.reply.id
    assert talk.shown(place) == ["1", "a", "2", "b"]
    assert store.message(talk.owner, left.user.id).siblings == (left.user.id,)
    assert store.delete_messages(talk.owner, left.user.id).active_leaf_id == root.reply.id
    for gone in (left.user, left.reply, right.reply):
        with pytest.raises(NotFound):
            store.message(talk.owner, gone.id)
    with pytest.raises(NotFound):
        talk.begin("under what is gone", conversation=place, parent=left.reply.id)
    with pytest.raises(NotFound):
        store.restore_messages(talk.owner, left.reply.id)  # its parent is gone too
    store.restore_messages(talk.owner, left.user.id)
    assert talk.shown(place) == ["1", "a", "2", "b"]
    store.restore_messages(talk.owner, right.user.id)
    assert talk.shown(place) == ["1", "a", "3", "c"]
    assert root.user
    assert store.delete_messages(talk.owner, root.user.id).active_leaf_id is None
    assert talk.shown(place) == []


def test_a_deletion_brings_back_only_what_it_took(store: Store, talk: Talk) -> None:
    root = talk.say("1", "a")
    lower = talk.say("2", "b", after=root.reply)
    assert lower.user
    assert root.user
    store.delete_messages(talk.owner, lower.user.id)
    store.delete_messages(talk.owner, root.reply.id)
    store.restore_messages(talk.owner, root.reply.id)
    assert talk.shown(root.conversation.id) == ["1", "a"]


def test_a_deleted_conversation_is_gone_until_restored(store: Store, talk: Talk) -> None:
    turn = talk.say("hello", "hi")
    place = turn.conversation.id
    store.delete_conversation(talk.owner, place)
    assert store.list_conversations(talk.owner).items == ()
    assert talk.found("hello") == []
    for ask in (
        lambda: store.conversation(talk.owner, place),
        lambda: store.message(talk.owner, turn.reply.id),
        lambda: store.delete_conversation(talk.owner, place),
        lambda: store.activate(talk.owner, turn.reply.id),
    ):
        with pytest.raises(NotFound):
            ask()
    assert store.restore_conversation(talk.owner, place).deleted_at is None
    with pytest.raises(NotFound):
        store.restore_conversation(talk.owner, place)
    assert talk.shown(place) == ["hello", "hi"]


def test_conversations_are_listed_pinned_first_then_newest_in_pages(store: Store, talk: Talk) -> None:
    ids = [talk.say(str(number), "x").conversation.id for number in range(7)]
    store.update_conversation(talk.owner, ids[2], pinned=True)
    store.update_conversation(talk.owner, ids[4], archived=True)
    wanted = [ids[n] for n in (2, 6, 5, 3, 1, 0)]
    found: list[ListedConversation] = []
    cursor = None
    while True:
        page = store.list_conversations(talk.owner, cursor=cursor, limit=2)
        found += page.items
        if (cursor := page.next) is None:
            break
    assert [conversation.id for conversation in found] == wanted
    assert [c.id for c in store.list_conversations(talk.owner, archived=True).items] == [ids[4]]


@pytest.mark.usefixtures("unused")
def test_listing_is_one_walk_along_an_index(store: Store, talk: Talk, kind: str) -> None:
    talk.say("hello", "hi")
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if kind == "sqlite" else "EXPLAIN "
    page = store.list_conversations(talk.owner, limit=1)
    for _ in range(1):
        talk.say("more", "hi")
    page = store.list_conversations(talk.owner, limit=1)

    def explained(conn, cursor, statement, parameters, context, executemany):  # type: ignore[no-untyped-def]
        if "FROM conversations" in statement and not statement.startswith("EXPLAIN"):
            cursor.execute(explain + statement, parameters)
            plans.extend(str(row) for row in cursor.fetchall())

    with store.transaction(write=False) as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", explained)
    if kind == "postgresql":
        event.listen(
            engine, "begin", lambda connection: connection.exec_driver_sql("SET enable_seqscan = off")
        )
    store.list_conversations(talk.owner, cursor=page.next, limit=1)
    plan = "\n".join(plans)
    assert "ix_conversations_listing" in plan
    assert "SCAN conversations" not in plan
    assert "TEMP B-TREE" not in plan


def test_a_page_of_long_messages_ends_early_and_goes_on_with_the_next(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = talk.say("a" * 900, "b" * 900)
    for letter in "cegi":
        turn = talk.say(letter * 900, chr(ord(letter) + 1) * 900, turn.reply)
    monkeypatch.setattr(messages, "PAGE_CHARS", 2000)
    pages: list[str] = []
    before = None
    while True:
        page = store.thread(talk.owner, turn.conversation.id, before=before, limit=200)
        pages.insert(0, "".join(message.text[0] for message in page.items))
        if (before := page.next) is None:
            break
    assert pages == ["ab", "cd", "ef", "gh", "ij"]
    monkeypatch.setattr(messages, "PAGE_CHARS", 10)
    assert len(store.thread(talk.owner, turn.conversation.id).items) == 1
    for chars, kept in ((2000, "ij"), (4499, "ghij"), (9000, "abcdefghij"), (10, "ij")):
        monkeypatch.setattr(tree, "PATH_CHARS", chars)
        path = store.path(talk.owner, turn.reply.id)
        assert "".join(message.text[0] for message in path) == kept
        assert [message.before for message in path] == [10 - len(kept)] + [0] * (len(kept) - 1)


def test_a_title_of_the_user_is_not_taken_back_by_a_model(store: Store, talk: Talk) -> None:
    place = talk.say(
        "What is the capital of France and of some other countries in the world?", "x"
    ).conversation
    assert place.title == "What is the capital of France and of some other countries…"
    assert place.title_by == "auto"
    named = store.update_conversation(talk.owner, place.id, title="Capitals", title_by="model")
    assert (named.title, named.title_by) == ("Capitals", "model")
    assert named.updated_at == place.updated_at
    store.update_conversation(talk.owner, place.id, title="Mine", title_by="user")
    assert store.update_conversation(talk.owner, place.id, title="No", title_by="model").title == "Mine"


def test_an_export_holds_every_branch(store: Store, talk: Talk) -> None:
    turn = talk.say("1", "a")
    store.edit_reply(talk.owner, turn.reply.id, "b")
    deleted = talk.say("2", "c", after=turn.reply)
    assert deleted.user
    store.delete_messages(talk.owner, deleted.user.id)
    other = talk.say("3", "d")
    first, second = exported(store, talk.owner)
    assert [message.text for message in first.messages] == ["1", "a", "b"]
    assert first.provenance.keys() == {turn.reply.id}
    assert second == store.export_conversation(talk.owner, other.conversation.id)


def test_a_purge_ends_what_was_deleted_before_and_nothing_else(store: Store, talk: Talk) -> None:
    kept, gone = talk.say("kept", "x"), talk.say("gone", "x")
    cut = talk.say("cut", "x", after=kept.reply)
    store.judge(talk.owner, cut.reply.id, JudgementChange(rating=1))
    last = cut
    for _ in range(30):
        last = talk.say("deep", "x", after=last.reply)
    running = talk.begin("running", conversation=kept.conversation.id, parent=last.reply.id)
    assert cut.user
    store.delete_messages(talk.owner, cut.user.id)
    store.delete_conversation(talk.owner, gone.conversation.id)
    assert store.purge(store.conversation(talk.owner, kept.conversation.id).created_at) == 0
    assert store.purge(later()) == 1 + 2 + 2 + 60 + 2
    assert talk.shown(kept.conversation.id) == ["kept", "x"]
    with pytest.raises(NotFound):
        store.restore_conversation(talk.owner, gone.conversation.id)
    with pytest.raises(NotFound):
        store.restore_messages(talk.owner, cut.user.id)
    # The turn that still ran there ends without an error.
    assert store.write_batch([], []) == []
    assert running.reply.id not in [one.message_id for one in store.interrupt_orphans()]


class TreeMachine(RuleBasedStateMachine):
    """The store against a model of it: messages by id with parent and text, and what is deleted."""

    nodes = Bundle("nodes")
    store: Store
    owner: str

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk(self.store, self.store.create_owner("visitor", "").id)
        self.parent: dict[str, str | None] = {}
        self.text: dict[str, str] = {}
        self.deleted: dict[str, int] = {}
        self.clock = 0

    @initialize(target=nodes)
    def start(self) -> str:
        turn = self.talk.say("root", "reply")
        self.place = turn.conversation.id
        return self._note(turn.user, turn.reply)

    def _note(self, *messages: Message | None) -> str:
        for message in messages:
            assert message
            self.parent[message.id] = message.parent_id
            self.text[message.id] = message.text or "reply"
        self.leaf: str | None = messages[-1].id if messages[-1] else None
        return self.leaf or ""

    def _below(self, node: str) -> set[str]:
        below = {node}
        for id, parent in self.parent.items():  # in order of creation: parents first
            if parent in below:
                below.add(id)
        return below

    def _newest_leaf(self, node: str) -> str:
        alive = [id for id in self.parent if id in self._below(node) and id not in self.deleted]
        return alive[-1]

    @rule(target=nodes, node=nodes, text=st.text(min_size=1, max_size=5, alphabet="ab你"))
    def send(self, node: str, text: str) -> str:
        if node in self.deleted:
            with pytest.raises(NotFound):
                self.talk.begin(text, conversation=self.place, parent=node)
            return node
        turn = self.talk.begin(text, conversation=self.place, parent=node)
        self.talk.finish(turn.reply.id, "reply")
        return self._note(turn.user, turn.reply)

    @rule(node=nodes)
    def activate(self, node: str) -> None:
        if node not in self.deleted:
            self.leaf = self.store.activate(self.talk.owner, node).active_leaf_id
            assert self.leaf == self._newest_leaf(node)

    @rule(node=nodes)
    def delete(self, node: str) -> None:
        if node in self.deleted:
            return
        self.clock += 1
        self.deleted.update((id, self.clock) for id in self._below(node) if id not in self.deleted)
        self.leaf = self.store.delete_messages(self.talk.owner, node).active_leaf_id

    @rule(node=nodes)
    def restore(self, node: str) -> None:
        if node not in self.deleted or self.parent[node] in self.deleted:
            with pytest.raises(NotFound):
                self.store.restore_messages(self.talk.owner, node)
            return
        moment = self.deleted[node]
        for id in self._below(node):
            if self.deleted.get(id) == moment:
                del self.deleted[id]
        self.leaf = self.store.restore_messages(self.talk.owner, node).active_leaf_id

    @invariant()
    def same_tree(self) -> None:
        if not self.parent:
            return
        exported = self.store.export_conversation(self.talk.owner, self.place)
        alive = {id: parent for id, parent in self.parent.items() if id not in self.deleted}
        assert {message.id: message.parent_id for message in exported.messages} == alive
        assert {message.id: message.text for message in exported.messages} == {
            id: self.text[id] for id in alive
        }

    @invariant()
    def same_thread(self) -> None:
        if not self.parent:
            return
        path: list[str] = []
        node = self.leaf
        assert node is None or node not in self.deleted
        while node is not None:
            path.insert(0, node)
            node = self.parent[node]
        shown = self.store.thread(self.talk.owner, self.place, limit=1000).items
        assert [message.id for message in shown] == path
        alive = [id for id in self.parent if id not in self.deleted]
        assert (self.leaf is None) == (not alive)
        for message in shown:
            same = [id for id in alive if self.parent[id] == message.parent_id]
            assert sorted(message.siblings) == sorted(id for id in same if message.id in message.siblings)


def test_the_tree_is_what_a_simple_model_says(store: Store) -> None:
    run_state_machine_as_test(
        type("Machine", (TreeMachine,), {"store": store}),
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
