"""Nobody reaches another's rows, through whatever verb."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.store.talk import Talk, exported
from webchat.store import NotFound, Store
from webchat.store.judgement_records import JudgementChange, Vote
from webchat.store.records import BegunTurn, ConversationSettings, NewSide, NewTurn
from webchat.store.share_records import NewShare, SharedMessage

Ask = Callable[[Store, str, BegunTurn], Any]


def _begin(parts: dict[str, Any]) -> Ask:
    def ask(store: Store, owner: str, turn: BegunTurn) -> Any:
        values: dict[str, Any] = {
            "conversation_id": turn.conversation.id,
            "parent_id": None,
            "user_text": "mine now",
            "client_key": "other",
            "model": "echo",
        }
        values |= {name: getattr(turn, part).id for name, part in parts.items()}
        return store.begin_turn(owner, NewTurn(**values))

    return ask


CONTENT = {"name": "secret", "user": "hush"}
SHARE = NewShare("s" * 32, "", "Shared", (SharedMessage("user", "hush", "complete", datetime.now(UTC)),))
SIDE = NewSide("echo", "echo", ConversationSettings())
KEPT = ""
"""Id of the owner's prompt template."""

COMPARED = ""
"""Id of the owner's comparison."""


@pytest.fixture(autouse=True)
def kept(store: Store, talk: Talk) -> None:
    global KEPT, COMPARED
    KEPT = store.create_template(talk.owner, CONTENT).id
    begun = store.begin_comparison(talk.owner, NewTurn(None, None, "which", "sides", "echo"), SIDE, SIDE)
    for side in begun.sides or ():
        talk.finish(side.reply.id, "hush")
    COMPARED = begun.reply.compared.id if begun.reply.compared else ""


REFUSED: dict[str, list[Ask]] = {
    "conversation": [lambda s, o, t: s.conversation(o, t.conversation.id)],
    "update_conversation": [lambda s, o, t: s.update_conversation(o, t.conversation.id, title="x")],
    "delete_conversation": [lambda s, o, t: s.delete_conversation(o, t.conversation.id)],
    "thread": [
        lambda s, o, t: s.thread(o, t.conversation.id),
        lambda s, o, t: s.thread(o, t.conversation.id, before=t.reply.id),
    ],
    "message": [lambda s, o, t: s.message(o, t.reply.id)],
    "path": [lambda s, o, t: s.path(o, t.reply.id)],
    "placeholders": [lambda s, o, t: s.placeholders(o, t.conversation.id)],
    "keep_placeholders": [
        lambda s, o, t: s.keep_placeholders(o, t.conversation.id, {"PHONE_1": b"x"}),
        lambda s, o, t: s.keep_placeholders(o, t.conversation.id, {}, True),
    ],
    "provenance": [lambda s, o, t: s.provenance(o, t.reply.id)],
    "activate": [lambda s, o, t: s.activate(o, t.reply.id)],
    "edit_reply": [lambda s, o, t: s.edit_reply(o, t.reply.id, "x")],
    "delete_messages": [lambda s, o, t: s.delete_messages(o, t.reply.id)],
    "judge": [lambda s, o, t: s.judge(o, t.reply.id, JudgementChange(rating=1))],
    "withdraw_judgement": [lambda s, o, t: s.withdraw_judgement(o, t.reply.id)],
    "own_judgement": [lambda s, o, t: s.own_judgement(o, t.reply.id)],
    "begin_turn": [_begin({}), _begin({"parent_id": "reply"}), _begin({"continues": "reply"})],
    "begin_comparison": [
        lambda s, o, t: s.begin_comparison(
            o, NewTurn(t.conversation.id, t.reply.id, "mine now", "compared", "echo"), SIDE, SIDE
        )
    ],
    "comparison": [lambda s, o, t: s.comparison(o, COMPARED)],
    "vote_on": [lambda s, o, t: s.vote_on(o, COMPARED, Vote("left"))],
    "go_on_with": [lambda s, o, t: s.go_on_with(o, COMPARED, "left")],
    "journal": [lambda s, o, t: s.journal(o, t.reply.id)],
    "inspection": [lambda s, o, t: s.inspection(o, t.reply.id)],
    "export_conversation": [lambda s, o, t: s.export_conversation(o, t.conversation.id)],
    "branch": [lambda s, o, t: s.branch(o, t.conversation.id)],
    "create_share": [lambda s, o, t: s.create_share(o, replace(SHARE, conversation_id=t.conversation.id))],
    "template": [lambda s, o, t: s.template(o, KEPT)],
    "change_template": [
        lambda s, o, t: s.change_template(o, KEPT, {**CONTENT, "name": "x"}, based_on=1),
    ],
    "delete_template": [lambda s, o, t: s.delete_template(o, KEPT)],
    "template_versions": [lambda s, o, t: s.template_versions(o, KEPT)],
    "template_version": [
        lambda s, o, t: s.template_version(o, KEPT),
        lambda s, o, t: s.template_version(o, KEPT, 1),
    ],
}
REFUSED_AFTER_DELETE: dict[str, tuple[Ask, Ask]] = {
    "restore_conversation": (
        lambda s, o, t: s.delete_conversation(o, t.conversation.id),
        lambda s, o, t: s.restore_conversation(o, t.conversation.id),
    ),
    "restore_messages": (
        lambda s, o, t: s.delete_messages(o, t.reply.id),
        lambda s, o, t: s.restore_messages(o, t.reply.id),
    ),
    "restore_template": (
        lambda s, o, t: s.delete_template(o, KEPT),
        lambda s, o, t: s.restore_template(o, KEPT),
    ),
}
EMPTY: dict[str, Ask] = {
    "list_conversations": lambda s, o, t: s.list_conversations(o).items,
    "conversation_ids": lambda s, o, t: s.conversation_ids(o),
    "turn_by_key": lambda s, o, t: s.turn_by_key(o, "known"),
    "list_templates": lambda s, o, t: s.list_templates(o),
    "search": lambda s, o, t: s.search(o, "secret").items,
}
NOT_OF_AN_OWNER = {
    # for operators who check what is stored (test_rewriting.py)
    "stored_places",
    "flagged_before",
    "rewrite_stored",
    # the votes of all, for operators and for pairing models
    "pair_votes",
    "vote_counts",
    "votes",
    "usable_comparisons",
    # of whoever has a share's id (test_shares.py)
    "share",
    "shared_messages",
    "shared_media",
    "copy_share",
    "add_views",
    # what makes something of one's own
    "create_template",
    "begin_call",
    "earlier_call",
    "continue_call",
    "open_call",
    # owners themselves, asked by the door
    "local_owner",
    "create_owner",
    "keep_owner",
    "guests_with_replies",
    # the servers of the settings, nobody's; none of it leaves the process but their ids
    "model_servers",
    "probe",
    "usage_since",
    # the operator's and the loopback start's, who gives what is asked of them (tests/store/test_moving.py)
    "movable_chats",
    "count_chats",
    "move_chats",
    "owner",
    # what the turns room does for all owners at once
    "write_batch",
    "index_owed",
    "pack_inspection",
    "keep_inspections",
    "keep_media",
    "interrupt_orphans",
    "discard_calls",
    # of the processes that serve a database, not of owners (test_replicas.py)
    "take_lease",
    "renew_lease",
    "release_lease",
    "end_lease",
    "end_lapsed_leases",
    "replicas",
    "orphans",
    "interrupt",
    "runs_elsewhere",
    "asked_to_end",
    "turns_elsewhere",
    # nothing is found, and nobody is told
    "running_turns",
    "ask_to_end",
    # of an issuer and of providers, asked by the door before there is an owner (test_people.py)
    "enter_person",
    "find_person",
    "search_people",
    "count_person_chats",
    "password_of",
    "keep_login",
    "take_login",
    "trim_sessions",
    # the operator's
    "add_person",
    "people",
    "set_disabled",
    "set_operates",
    "remove_person",
    "create_link",
    "list_links",
    "revoke_link",
    "link",
    "link_by_hash",
    "listed_links",
    "listed_link",
    "change_link",
    "link_left",
    "link_answers",
    "list_tester_chats",
    "search_tester_chats",
    "read_tester_chat",
    "tester_media",
    "link_names",
    "note_tester_chat",
    "looks",
    "log_look",
    "judgements",
    "judgement",
    "review_judgements",
    "undo_reviews",
    "judgement_counts",
    # of operators and of reviewers, in test_queues.py
    "make_queue",
    # of operators, in test_votes.py
    "listed_votes",
    "vote",
    "review_votes",
    "judgement_choices",
    "count_judgements",
    "queues",
    "close_queue",
    "queue_verdicts",
    "assigned",
    "assigned_queue",
    "has_reviews",
    "next_review",
    "give_review",
    "take_back_review",
    "thumbs",
    "usable",
    # replays, the operators' (test_replays.py)
    "make_replay_set",
    "replay_sets",
    "replay_set",
    "delete_replay_set",
    "start_replay",
    "replay_runs",
    "replay_run",
    "cancel_replay",
    "retry_replay",
    "open_replays",
    "replays_to_do",
    "end_replay",
    "open_replay",
    "begun_replay",
    "failed_replay",
    "replay_items",
    "replay_votes",
    "judge_replays",
    "replay_judging",
    "replay_to_judge",
    "vote_on_replay",
    "ratings_by_link",  # counts, in tests/test_pages.py
    # of a guest's own, in test_guests.py
    "consent",
    "consented",
    "keep_answers",
    "answers",
    "add_handover",
    "handover",
    "take_handover",
    "trim_handovers",
    "expire_chats",
    "owns_anything",
    "operators",
    "revoke_operators",
    "purge",
    "add_decisions",
    "decisions",
    "decision_counts",
    "trim_decisions",
    "newest_texts",
    "chat_templates",
    "chat_template_versions",
    "change_chat_template",
}
# The trash's own tests ask them.
OF_THE_TRASH = {
    "list_trash",
    "discard_conversation",
    "discard_messages",
    "discard_all",
    "delete_conversations",
}
# Of people, in `test_people.py` and `test_sessions.py`.
OF_PEOPLE = {
    "person",
    "rename_person",
    "set_trains",
    "set_password",
    "renew_hash",
    "start_session",
    "session",
    "touch_session",
    "sessions",
    "end_session",
    "end_sessions",
    "living_sessions",
}
# Of a reply with a picture, in `test_media.py`.
OF_MEDIA = {"media"}
# Of API keys, and of whoever has one, in tests/api/test_keys.py.
OF_KEYS = {
    "create_key",
    "own_keys",
    "revoke_key",
    "key_holder",
    "touch_key",
    "living_keys",
    # operators'
    "listed_keys",
    "listed_key",
    # housekeeping
    "trim_keys",
}
# Of a share that there is, in `test_shares.py`.
OF_SHARES = {"list_shares", "change_share", "end_share"}
# Of an import, in `tests/imports`.
OF_IMPORTS = {
    "import_conversation",
    "import_known",
    "origin",
    "begin_file_import",
    "file_import",
    "list_file_imports",
    "change_file_import",
    "forget_file_import",
    # what the server does for all owners
    "unfinished_file_imports",
    "trim_file_imports",
    "import_files",
}
# Operators' and the server's, in `test_webhooks.py`.
OF_WEBHOOKS = {
    "create_webhook",
    "list_webhooks",
    "webhook",
    "set_webhook_disabled",
    "remove_webhook",
    "due_webhooks",
    "claim_deliveries",
    "delivered",
    "not_delivered",
    "retry_deliveries",
    "trim_deliveries",
    "event_data",
}
# Of a program's call, in `test_calls.py`.
OF_CALLS = {"erase_call", "add_to_call", "show_call"}
NOT_VERBS = {"open", "close", "call", "transaction", "unfenced", "in_turn", "slices", "index_soon", "purging"}


def test_every_verb_is_asked() -> None:
    verbs = {name for name in dir(Store) if not name.startswith("_") and callable(getattr(Store, name))}
    listed = (
        NOT_OF_AN_OWNER
        | OF_THE_TRASH
        | OF_PEOPLE
        | OF_KEYS
        | OF_MEDIA
        | OF_SHARES
        | OF_IMPORTS
        | OF_WEBHOOKS
        | OF_CALLS
    )
    assert verbs - NOT_VERBS == set(REFUSED) | set(REFUSED_AFTER_DELETE) | set(EMPTY) | listed


@pytest.mark.parametrize("verb", REFUSED)
def test_a_stranger_is_told_there_is_no_such_thing(
    verb: str, store: Store, talk: Talk, stranger: Talk
) -> None:
    turn = talk.say("secret", "hush")
    before = exported(store, talk.owner)
    for ask in REFUSED[verb]:
        with pytest.raises(NotFound):
            ask(store, stranger.owner, turn)
    assert exported(store, talk.owner) == before
    # The owner is not refused: it was not the question that was wrong.
    for ask in REFUSED[verb]:
        ask(store, talk.owner, turn)
        if verb.startswith("delete"):
            break


@pytest.mark.parametrize("verb", REFUSED_AFTER_DELETE)
def test_a_stranger_restores_nothing(verb: str, store: Store, talk: Talk, stranger: Talk) -> None:
    turn = talk.say("secret", "hush")
    remove, restore = REFUSED_AFTER_DELETE[verb]
    remove(store, talk.owner, turn)
    with pytest.raises(NotFound):
        restore(store, stranger.owner, turn)
    restore(store, talk.owner, turn)
    assert talk.shown(turn.conversation.id) == ["secret", "hush"]


@pytest.mark.parametrize("verb", EMPTY)
def test_a_stranger_finds_nothing(verb: str, store: Store, talk: Talk, stranger: Talk) -> None:
    talk.say("secret", "hush")
    turn = talk.begin("secret too", key="known")
    assert EMPTY[verb](store, talk.owner, turn)
    assert not EMPTY[verb](store, stranger.owner, turn)


def test_a_message_of_another_conversation_is_no_parent(talk: Talk) -> None:
    one, other = talk.say("a", "b"), talk.say("c", "d")
    with pytest.raises(NotFound):
        talk.begin("e", conversation=one.conversation.id, parent=other.reply.id)
    with pytest.raises(NotFound):
        talk.begin("e", parent=other.reply.id)


def test_there_is_one_local_owner(store: Store) -> None:
    owner = store.local_owner()
    assert store.local_owner() == owner == store.owner(owner.id)
    with pytest.raises(NotFound):
        store.owner("nobody")


def test_a_link_is_known_by_its_hash_until_revoked_by_name(store: Store) -> None:
    ends = datetime(2040, 1, 1, tzinfo=UTC)
    link = store.create_link("testers", "hash", ends)
    twin = store.create_link("testers", "hash-2", None)
    guest = store.create_owner("guest", "Tess", link.id)
    assert guest.link_id == link.id
    assert store.link_by_hash("hash") == store.link(link.id) == guest.link
    assert link.expires_at == ends
    assert store.link(link.id).uses == 1
    assert store.revoke_link("testers").id == twin.id
    assert all(entry.revoked_at for entry in store.list_links())
    for missing in (store.link, store.link_by_hash, store.revoke_link):
        with pytest.raises(NotFound):
            missing("nothing")
    with pytest.raises(NotFound):
        store.create_owner("guest", "Tess", "nothing")
