"""Webhooks: noted with what happens, claimed by one process at a time, told only what operators may read."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from backends.types import Message as Said
from tests.store.talk import Talk
from webchat.store import NotFound, Store, webhook_records
from webchat.store.errors import TooManyWebhooks
from webchat.store.judgement_records import JudgementChange, Vote
from webchat.store.records import ConversationSettings, NewSide, NewTurn
from webchat.store.webhook_records import EVENTS, Delivery, Webhook
from webchat.store.webhooks import verbs

SIDE = NewSide("echo", "echo", ConversationSettings())


def made(store: Store, *, content: bool = False) -> Webhook:
    return store.create_webhook("https://example.org/hook", "whsec_x", EVENTS, content=content)


def claimed(store: Store, hook: Webhook, most: int = 10) -> list[Delivery]:
    return store.claim_deliveries(hook.id, most)


def test_each_event_is_noted_with_what_happens_and_told_without_texts(store: Store, talk: Talk) -> None:
    hook = made(store)
    begun = talk.say("secret", "hush")
    store.judge(talk.owner, begun.reply.id, JudgementChange(rating=1, comment="secret"))
    sides = store.begin_comparison(talk.owner, NewTurn(None, None, "which", "sides", "echo"), SIDE, SIDE)
    for side in sides.sides or ():
        talk.finish(side.reply.id, "hush")
    assert sides.reply.compared
    store.vote_on(talk.owner, sides.reply.compared.id, Vote("left", comment="secret"))
    assert [one.id for one in store.due_webhooks()] == [hook.id]
    some = claimed(store, hook)
    assert [one.event for one in some] == ["reply.ended", "judgement.saved", "vote.saved"]
    told = [store.event_data(one, content=True) for one in some]
    assert "secret" not in repr(told)
    assert "hush" not in repr(told)
    reply, judgement, vote = (one or {} for one in told)
    assert (reply["message_id"], reply["state"]) == (begun.reply.id, "complete")
    assert reply["person"] == {"id": talk.owner, "kind": "visitor"}
    assert (judgement["message_id"], judgement["rating"]) == (begun.reply.id, 1)
    assert (vote["comparison_id"], vote["preferred"]) == (sides.reply.compared.id, "left")


def test_texts_are_told_where_operators_may_read_them_and_it_was_asked_for(store: Store) -> None:
    hook = made(store, content=True)
    Talk(store, store.create_owner("operator", "Op").id).say("Hello", "Hi")
    (one,) = claimed(store, hook)
    assert "text" not in (store.event_data(one, content=False) or {})
    told = store.event_data(one, content=True) or {}
    assert (told["asked"], told["text"]) == ("Hello", "Hi")


def test_of_what_was_deleted_meanwhile_nothing_is_told(store: Store, talk: Talk) -> None:
    hook = made(store)
    begun = talk.say("Hello", "Hi")
    store.delete_conversation(talk.owner, begun.conversation.id)
    asked = NewTurn(None, None, None, "call", "echo")
    fleeting = store.begin_call(talk.owner, asked, (Said("user", "Hello"),), stored=False)
    talk.finish(fleeting.reply.id, "Hi")
    assert [store.event_data(one, content=True) for one in claimed(store, hook)] == [None, None]


def test_a_disabled_webhook_is_told_nothing_new_and_what_waits_later(store: Store, talk: Talk) -> None:
    hook = made(store)
    before = talk.say("Hello", "Hi")
    assert store.set_webhook_disabled(hook.id, True).disabled_at
    talk.say("Hello again", "Hi")
    assert store.due_webhooks() == []
    assert claimed(store, hook) == []
    assert store.list_webhooks()[0].waiting == 1
    assert store.set_webhook_disabled(hook.id, False).disabled_at is None
    assert [one.id for one in store.due_webhooks()] == [hook.id]
    assert [one.subject for one in claimed(store, hook)] == [before.reply.id]
    with pytest.raises(NotFound):
        store.set_webhook_disabled("nothing", True)


def test_without_a_webhook_nothing_is_noted(store: Store, talk: Talk) -> None:
    talk.say("Hello", "Hi")
    made(store)
    assert store.due_webhooks() == []


def test_two_processes_never_have_one_delivery_at_the_same_time(url: str, store: Store, talk: Talk) -> None:
    hook = made(store)
    for number in range(12):
        talk.say(f"Hello {number}", "Hi")
    with closing(Store.open(url, serve=False)) as other, ThreadPoolExecutor(4) as threads:
        claims = [threads.submit(claimed, one, hook, 2) for one in (store, other) * 6]
        ids = Counter(one.id for claim in claims for one in claim.result())
    ids.update(one.id for one in claimed(store, hook, 100))  # what a skipped lock left
    assert len(ids) == 12
    assert set(ids.values()) == {1}


def test_a_claim_that_nobody_settles_is_due_again(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = made(store)
    talk.say("Hello", "Hi")
    monkeypatch.setattr(verbs, "CLAIM_SECONDS", -1.0)
    (first,) = claimed(store, hook)
    (second,) = claimed(store, hook)
    assert (first.id, first.tries, second.tries) == (second.id, 1, 2)


def test_what_was_given_up_is_kept_counted_and_sent_again_when_asked(store: Store, talk: Talk) -> None:
    hook = made(store)
    talk.say("Hello", "Hi")
    (one,) = claimed(store, hook)
    store.not_delivered(one, "status 500", None)
    (listed,) = store.list_webhooks()
    assert (listed.waiting, listed.dead, listed.webhook.problem) == (0, 1, "status 500")
    assert store.due_webhooks() == []
    assert store.retry_deliveries(hook.id) == 1
    (again,) = claimed(store, hook)
    assert (again.id, again.tries) == (one.id, 1)
    store.delivered(again)
    (listed,) = store.list_webhooks()
    assert (listed.waiting, listed.dead, listed.webhook.problem) == (0, 0, "")
    assert listed.webhook.told_at is not None


def test_what_many_have_waiting_is_changed_in_slices(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "SLICE_ROWS", 2)
    hook, commits = made(store), list[object]()
    event.listen(store._engines[True], "commit", commits.append)
    for _ in range(5):
        talk.say("Hello", "Hi")
    for one in claimed(store, hook):
        store.not_delivered(one, "x", None)
    commits.clear()
    assert store.retry_deliveries(hook.id) == 5
    assert len(commits) >= 3
    commits.clear()
    store.remove_webhook(hook.id)
    assert len(commits) >= 3


@pytest.mark.usefixtures("unused")
def test_a_claim_does_not_sort_what_waits(store: Store, talk: Talk, kind: str) -> None:
    """After a receiver was away, tens of thousands may be due at the same moment."""
    hook, said = made(store), list[tuple[str, Any]]()
    event.listen(store._engines[True], "before_cursor_execute", lambda *told: said.append((told[2], told[3])))
    claimed(store, hook)
    statement, values = next(one for one in said if "ORDER BY" in one[0])
    explain = "EXPLAIN QUERY PLAN" if kind == "sqlite" else "EXPLAIN"
    with store.transaction(write=True) as connection:
        if kind == "postgresql":  # where there is little to read, an index does not pay
            for other in ("seqscan", "bitmapscan"):
                connection.exec_driver_sql(f"SET LOCAL enable_{other} = off")
        plan = str(connection.exec_driver_sql(f"{explain} {statement}", values).all())
    assert "B-TREE" not in plan
    assert "Sort" not in plan


def test_long_dead_deliveries_go_and_waiting_ones_stay(store: Store, talk: Talk) -> None:
    hook = made(store)
    talk.say("Hello", "Hi")
    talk.say("Hello", "Hi")
    dead, waiting = claimed(store, hook)
    store.not_delivered(dead, "x", None)
    store.not_delivered(waiting, "x", datetime.now(UTC) + timedelta(hours=1))
    assert store.trim_deliveries() == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verbs, "KEPT_DEAD", timedelta(0))
        assert store.trim_deliveries() == 1
    (listed,) = store.list_webhooks()
    assert (listed.waiting, listed.dead) == (1, 0)


def test_what_waits_for_long_goes_and_of_too_many_the_oldest(
    store: Store, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = made(store)
    for _ in range(5):
        talk.say("Hello", "Hi")
    for module in (verbs, webhook_records):
        monkeypatch.setattr(module, "MOST_DELIVERIES", 3)
    monkeypatch.setattr(verbs, "SLICE_ROWS", 1)
    newest = sorted(one.id for one in claimed(store, hook))[2:]
    held: list[str] = []
    store.watch = lambda verb, _: held.append(verb)
    assert [store.trim_deliveries() for _ in range(2)] == [2, 0]
    assert held == ["WebhookVerbs._delete_deliveries"] * 2, "what is to go is looked for without the writer"
    (listed,) = store.list_webhooks()
    assert (listed.waiting, listed.full) == (3, True)
    with store.transaction(write=True) as connection:
        kept = connection.exec_driver_sql("SELECT id FROM deliveries ORDER BY id").scalars().all()
    assert kept == newest
    monkeypatch.setattr(verbs, "KEPT", timedelta(0))
    assert [store.trim_deliveries() for _ in range(2)] == [3, 0]


def test_a_removed_webhook_takes_what_waits_along(store: Store, talk: Talk) -> None:
    hook = made(store)
    talk.say("Hello", "Hi")
    store.remove_webhook(hook.id)
    assert store.list_webhooks() == []
    assert store.due_webhooks() == []
    for verb in (store.webhook, store.remove_webhook, store.retry_deliveries):
        with pytest.raises(NotFound):
            verb(hook.id)


def test_there_is_a_limit_to_webhooks(store: Store) -> None:
    for _ in range(verbs.MOST_WEBHOOKS):
        made(store)
    with pytest.raises(TooManyWebhooks):
        made(store)
