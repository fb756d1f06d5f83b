"""What a model was sent comes back word for word, and costs what its reply added to the conversation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.store.talk import Talk, later
from webchat.store import Store
from webchat.store.database.tables.conversations import InspectionRow
from webchat.store.records import FinishedTurn, Inspection, Message, Provenance
from webchat.store.verbs import inspections as kept

HOSTILE = "\x00\ud83d \ue000{{ x }} <|im_end|> 你好 🎉\u2028"


def local(texts: list[str]) -> Inspection:
    """What a model in this process was sent for a conversation of these messages."""
    messages = tuple(
        {"role": "user" if number % 2 == 0 else "assistant", "content": text, "id": f"m{number}"}
        for number, text in enumerate(texts)
    )
    pieces = [piece for m in messages for piece in ("<|", m["role"], "|>", *m["content"].split(" "))]
    pieces = [*(pieces or ["<s>"]), "", "<|assistant|>"]
    return Inspection(messages, "".join(pieces), tuple(range(len(pieces))), tuple(pieces), template="model")


def endpoint(texts: list[str]) -> Inspection:
    messages = local(texts).messages
    posted = [{"role": message["role"], "content": message["content"]} for message in messages]
    body: dict[str, Any] = {"model": "m", "messages": posted, "stream": True, "seed": 7}
    return Inspection(messages, body=body, url="https://example.com/v1/chat/completions")


def say(talk: Talk, sent: Inspection | None, after: Message | None = None, text: str = "Hi") -> Message:
    begun = talk.begin(
        text, conversation=after.conversation_id if after else None, parent=after.id if after else None
    )
    if sent is not None:
        keep(talk.store, begun.reply.id, sent)
    (reply,) = talk.store.write_batch((), [FinishedTurn(begun.reply.id, "complete", "stop")])
    return reply


def keep(store: Store, message_id: str, sent: Inspection, provenance: Provenance | None = None) -> None:
    store.keep_inspections([store.pack_inspection(message_id, sent, provenance or Provenance())])


def rows(store: Store) -> list[tuple[str, str | None, int]]:
    with store.transaction(write=False) as connection:
        columns = (InspectionRow.message_id, InspectionRow.base_id, func.length(InspectionRow.content))
        return [tuple(row) for row in connection.execute(select(*columns).order_by(InspectionRow.message_id))]


@pytest.mark.parametrize("make", [local, endpoint])
def test_each_reply_of_a_long_conversation_comes_back_as_it_was(store: Store, talk: Talk, make: Any) -> None:
    texts, reply, told = [HOSTILE], None, {}
    for number in range(40):
        sent = make(texts)
        reply = say(talk, sent, reply)
        told[reply.id] = sent
        texts = [*texts, f"reply {number} {HOSTILE}", f"question {number}"]
    for id, sent in told.items():
        assert store.inspection(talk.owner, id) == sent
    bases = [base for _, base, _ in rows(store)]
    assert bases.count(None) == 3  # of 40, each sixteenth whole
    sizes = [size for _, _, size in rows(store)]
    assert sum(sizes) < sum(len(kept._compressed(kept._dumped(sent))) for sent in told.values())


def test_a_regenerated_reply_stands_on_what_is_above_both(store: Store, talk: Talk) -> None:
    first = say(talk, local(["one"]))
    second = say(talk, local(["one", "two", "three"]), first)
    other = talk.begin(None, conversation=first.conversation_id, parent=second.parent_id)
    sent = local(["one", "two", "three"])
    keep(store, other.reply.id, sent)
    assert [base for _, base, _ in rows(store)] == [None, first.id, first.id]
    assert store.inspection(talk.owner, other.reply.id) == sent


def test_where_the_beginning_was_cut_all_is_stored(store: Store, talk: Talk) -> None:
    texts = [f"a long message about the number {number}" for number in range(9)]
    first = say(talk, local(texts))
    cut = say(talk, local(texts[4:]), first)
    assert [base for _, base, _ in rows(store)] == [None, None]
    assert store.inspection(talk.owner, cut.id) == local(texts[4:])


def test_another_kind_of_model_stands_on_nothing(store: Store, talk: Talk) -> None:
    first = say(talk, local(["one", "two", "three"]))
    second = say(talk, endpoint(["one"]), first)
    third = say(talk, replace(endpoint(["one"]), body=None, url=None), second)
    assert store.inspection(talk.owner, first.id) == local(["one", "two", "three"])
    assert store.inspection(talk.owner, second.id) == endpoint(["one"])
    assert store.inspection(talk.owner, third.id) == replace(endpoint(["one"]), body=None, url=None)


def test_nothing_is_known_of_a_reply_that_kept_nothing(store: Store, talk: Talk) -> None:
    assert store.inspection(talk.owner, say(talk, None).id) is None


def test_what_cannot_be_kept_costs_the_others_nothing(store: Store, talk: Talk) -> None:
    first, second = talk.begin("Hi"), talk.begin("Hi")
    kept_one, kept_other = (
        store.pack_inspection(begun.reply.id, local(["Hi"]), Provenance()) for begun in (first, second)
    )
    store.keep_inspections([replace(kept_one, message_id="nobody"), kept_other])
    assert [id for id, _, _ in rows(store)] == [second.reply.id]
    assert talk.finish(first.reply.id, "Hello").state == "complete"


def test_it_is_there_while_the_reply_runs_and_when_it_was_cut_off(store: Store, talk: Talk) -> None:
    begun = talk.begin("Hi")
    known = Provenance(backend="local", model_id="m-1", queued_seconds=0.5, details={"left_out": 2})
    keep(store, begun.reply.id, local(["Hi"]), known)
    for _ in range(2):
        assert store.inspection(talk.owner, begun.reply.id) == local(["Hi"])
        assert store.provenance(talk.owner, begun.reply.id) == replace(known, model="echo")
        store.interrupt_orphans()
    assert store.message(talk.owner, begun.reply.id).state == "interrupted"


def test_what_is_sent_instead_takes_its_place(store: Store, talk: Talk) -> None:
    first = say(talk, local(["one"]))
    begun = talk.begin("more", conversation=first.conversation_id, parent=first.id)
    for sent in (local(["one", "two"]), endpoint(["one"]), endpoint(["one", "two"])):
        keep(store, begun.reply.id, sent)
        assert store.inspection(talk.owner, begun.reply.id) == sent
    talk.finish(begun.reply.id, "done")
    assert len(rows(store)) == 2


def test_a_purge_takes_it_and_leaves_what_others_stand_on(store: Store, talk: Talk) -> None:
    first = say(talk, local(["one"]))
    second = say(talk, local(["one", "two", "three"]), first)
    store.delete_messages(talk.owner, second.id)
    store.purge(later())
    assert [id for id, _, _ in rows(store)] == [first.id]
    third = say(talk, local(["one", "two", "four"]), first)
    assert store.inspection(talk.owner, third.id) == local(["one", "two", "four"])
    store.delete_conversation(talk.owner, first.conversation_id)
    store.purge(datetime.now(UTC) + timedelta(minutes=1))
    assert rows(store) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=5), min_size=1, max_size=4), st.data())
def test_any_conversation_comes_back(
    store: Store, talk: Talk, turns: list[list[str]], data: st.DataObject
) -> None:
    reply, told = None, {}
    for texts in turns:
        sent = data.draw(st.sampled_from([local, endpoint]))(texts)
        reply = say(talk, sent, reply)
        told[reply.id] = sent
    for id, sent in told.items():
        assert store.inspection(talk.owner, id) == sent
