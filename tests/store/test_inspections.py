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
from webchat.store import inspections as kept
from webchat.store.records import FinishedTurn, Inspection, Message
from webchat.store.tables import InspectionRow

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
    (reply,) = talk.store.write_batch((), [FinishedTurn(begun.reply.id, "complete", "stop", sent=sent)])
    return reply


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
    talk.store.write_batch((), [FinishedTurn(other.reply.id, "complete", sent=sent)])
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


def test_what_is_lost_never_costs_the_reply(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(kept, "_packed", broken)
    begun = talk.begin("Hi")
    finished = FinishedTurn(begun.reply.id, "complete", "stop", sent=local(["Hi"]))
    (reply,) = store.write_batch((), [finished])
    assert reply.state == "complete"
    unstorable = replace(local(["Hi"]), url=object())  # type: ignore[arg-type]
    monkeypatch.undo()
    again = talk.begin("Hi")
    (reply,) = store.write_batch((), [FinishedTurn(again.reply.id, "complete", sent=unstorable)])
    assert reply.state == "complete"
    assert rows(store) == []


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
