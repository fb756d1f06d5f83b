"""What today's rules do to what is stored: behind every door, once, and only as they say."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backends.types import Message, ToolCall
from tests.store.talk import Talk
from webchat.moderation import Moderation
from webchat.moderation.rules import read_rules
from webchat.moderation.stored import At, Looked, StoredTexts, at, only
from webchat.moderation.testing import Broken
from webchat.moderation.verdicts import WITHHELD
from webchat.store import Store
from webchat.store.decision_records import STORED_KINDS, StoredWanted
from webchat.store.judgement_records import JudgementChange
from webchat.store.records import ConversationSettings, Inspection, NewTurn, Provenance
from webchat.store.share_records import NewShare, SharedMessage
from webchat.store.upkeep import rewriting
from webchat.store.upkeep.stored_kinds import KINDS, strings_in, with_string

RULES = """
[[moderators]]
kind = "phrases"
name = "cliffs"
phrases = ["cliff"]

[[moderators]]
kind = "phrases"
name = "maps"
action = "replace"
instead = "<place>"
phrases = ["harbour"]

[[moderators]]
kind = "phrases"
name = "boats"
action = "flag"
phrases = ["boat"]
"""


def look(store: Store, *, apply: bool = True, rules: str = RULES, begin: At = At(), **wanted: Any) -> Looked:  # noqa: B008
    texts = StoredTexts(store, Moderation(read_rules(rules)), apply=apply)
    return asyncio.run(texts.look(StoredWanted(**wanted), begin))


def test_arguments_are_looked_at_and_changed_however_deep_they_are_nested() -> None:
    deep = '{"a":' * 900 + '"b\\u0061d"' + "}" * 900
    calls, below = [{"id": "a", "name": "f", "arguments": deep}], ("name", "arguments")
    name, text = strings_in(calls, below)
    assert (name, "bad" in text) == ("f", True)
    assert with_string(calls, below, text, "gone") == [{**calls[0], "arguments": "gone"}]


def test_the_arguments_of_tool_calls_are_looked_at_without_their_escapes(store: Store, talk: Talk) -> None:
    kept = ToolCall("a", "look", '{"at":1.50}')
    calls = (
        kept,
        ToolCall("b", "sail", '{"to": ["the h\\u0061rbour", {"cliff": 2}]}'),
        ToolCall("c", "harbour", "cl"),
    )
    path = (
        Message("user", "Sail"),
        Message("assistant", "", calls),
        Message("tool", "a cliff", tool_call_id="b"),
    )
    new = NewTurn(None, None, None, "call", "echo")
    begun = store.begin_call(talk.owner, new, path, stored=True)
    talk.finish(begun.reply.id, "Done")
    look(store)
    _, calling, result, _ = store.path(talk.owner, begun.reply.id)
    assert calling.tool_calls == (
        kept,
        ToolCall("b", "sail", f'{{"to": ["the <place>", {{"{WITHHELD}": 2}}]}}'),
        ToolCall("c", "<place>", "cl"),
    )
    assert result.text == WITHHELD
    assert look(store).changed == 0


def test_every_kind_is_looked_at() -> None:
    assert tuple(KINDS) == STORED_KINDS


def test_what_the_rules_change_is_changed_behind_every_door_and_only_once(store: Store, talk: Talk) -> None:
    long = "the harbour at noon " * 400  # its words are indexed in parts
    first = talk.begin("to the harbour by boat")
    id = first.conversation.id
    sent = Inspection(({"role": "user", "content": "to the harbour by boat"},), "harbour")
    store.keep_inspections([store.pack_inspection(first.reply.id, sent, Provenance())])
    talk.finish(first.reply.id, long)
    store.index_owed()
    second = talk.say("jump off the cliff", "a quiet reply", first.reply)
    store.update_conversation(
        talk.owner, id, title="Harbour days", settings=ConversationSettings(system_prompt="Near the cliff.")
    )
    store.judge(talk.owner, second.reply.id, JudgementChange(1, comment="harbour!", better="that cliff"))
    shared = SharedMessage("user", "to the harbour by boat", "complete", datetime.now(UTC))
    store.create_share(talk.owner, NewShare("s" * 32, id, "Harbour days", (shared,)))

    dry = look(store, apply=False)
    assert talk.shown(id) == ["to the harbour by boat", long, "jump off the cliff", "a quiet reply"]
    assert store.decisions().items == ()

    done = look(store)
    assert done.acted == dry.acted
    assert done.changed == dry.changed == 9
    assert talk.shown(id) == [
        "to the <place> by boat",
        long.replace("harbour", "<place>"),
        WITHHELD,
        "a quiet reply",
    ]
    store.index_owed()
    assert not talk.found("harbour")
    assert not talk.found("cliff")
    assert talk.found("noon") == talk.found("withheld") == [id]
    conversation = store.conversation(talk.owner, id)
    assert (conversation.title, conversation.settings.system_prompt) == ("<place> days", "")
    judgement = store.own_judgement(talk.owner, second.reply.id)
    assert judgement is not None
    assert (judgement.comment, judgement.better) == ("<place>!", "")
    assert store.share("s" * 32).title == "<place> days"
    assert [one.text for one in store.shared_messages("s" * 32, 0, 9)] == ["to the <place> by boat"]
    assert store.inspection(talk.owner, first.reply.id) is None
    logged = store.decisions(limit=1000).items
    assert {one.stage for one in logged} == {"stored"}
    assert len(logged) == sum(done.acted.values())

    again = look(store)
    assert (again.changed, again.acted) == (0, {})
    assert store.decisions(limit=1000).items == logged


def test_what_is_only_flagged_stays_and_is_logged_once(store: Store, talk: Talk) -> None:
    turn = talk.say("a boat", "no")
    assert look(store).acted == {("boats", "flag"): 2}  # the title is made of the first message
    assert look(store).acted == {}
    assert talk.shown(turn.conversation.id) == ["a boat", "no"]
    assert len(store.decisions().items) == 2


def test_a_text_that_cannot_be_checked_stays_as_it_is(store: Store, talk: Talk) -> None:
    turn = talk.say("hello", "hi")
    moderation = Moderation([Broken(read_rules(RULES)[1], 0, "closed")])
    looked = asyncio.run(StoredTexts(store, moderation, apply=True).look(StoredWanted(), At()))
    assert (looked.unchecked, looked.changed) == (3, 0)
    assert talk.shown(turn.conversation.id) == ["hello", "hi"]


def test_a_replacement_that_would_never_end_is_withheld(store: Store, talk: Talk) -> None:
    turn = talk.say("the harbour", "no")
    look(store, rules=RULES.replace("<place>", "harbour harbour"))
    assert talk.shown(turn.conversation.id) == [WITHHELD, "no"]


def test_only_what_is_asked_for_is_changed(store: Store, talk: Talk, stranger: Talk) -> None:
    link = store.create_link("testers", "hash", None)
    guest = Talk(store, store.create_owner("guest", "Tess", link.id).id)
    turns = [one.say("no harbour", "no") for one in (talk, stranger, guest)]
    assert look(store, since=datetime.now(UTC) + timedelta(days=1)).texts == 0
    look(store, link_id=link.id)
    look(store, owner_id=stranger.owner)
    shown = [
        one.shown(turn.conversation.id)[0] for one, turn in zip((talk, stranger, guest), turns, strict=True)
    ]
    assert shown == ["no harbour", "no <place>", "no <place>"]
    rules = only(Moderation(read_rules(RULES)), "boats")
    assert asyncio.run(StoredTexts(store, rules, apply=True).look(StoredWanted(), At())).changed == 0


def test_what_was_stopped_goes_on_from_the_place_it_named(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "PAGE_ROWS", 2)
    turns = [talk.say(f"harbour {number}", "no") for number in range(3)]
    places: list[At] = []

    def stop(place: At, _looked: Looked) -> None:
        places.append(place)
        if len(places) == 3:
            raise KeyboardInterrupt

    texts = StoredTexts(store, Moderation(read_rules(RULES)), apply=True)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(texts.look(StoredWanted(), At(), stop))
    begin = at(str(places[-1]))
    assert begin == places[-1]
    assert begin is not None
    assert begin.after is not None
    assert look(store, begin=begin).changed == 1 + 3  # one message, and the titles
    assert [talk.shown(turn.conversation.id)[0] for turn in turns] == [f"<place> {n}" for n in range(3)]
    assert [at(text) for text in ("shared:x", "nothing", "message:")] == [None, None, At("message")]


def test_a_text_that_changed_after_it_was_judged_is_left(store: Store, talk: Talk) -> None:
    id = talk.say("harbour", "no").conversation.id
    (place,) = store.stored_places("conversation").places
    store.update_conversation(talk.owner, id, title="mine")
    assert not store.rewrite_stored(place, "theirs")
    assert store.conversation(talk.owner, id).title == "mine"
