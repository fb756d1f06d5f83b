"""Runs: done by turns in the background, once each, whatever ends meanwhile; and what is made of replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text as sql

from backends.base import Backend
from backends.echo import EchoBackend
from backends.errors import Unavailable
from backends.types import Finished, Sampling, TextDelta
from tests.store.talk import Talk
from tests.turns.conftest import until
from tests.turns.virtual_time import virtual_time
from webchat.feedback.replay import (
    BadCheck,
    BadExport,
    Check,
    Replayer,
    checked,
    diff,
    dump_checks,
    held_out,
    items,
    report,
    running,
    summaries,
    word_diff,
)
from webchat.feedback.replay.intervals import wilson
from webchat.feedback.replay.refusals import refuses
from webchat.feedback.replay.running import AT_ONCE, FAILED_IN_A_ROW, RETRY_SECONDS
from webchat.feedback.replay.variants import default_name, settings_for
from webchat.models import Models, ModelSpec
from webchat.moderation import OpenGates
from webchat.prompts import PlainRenderer
from webchat.sentences import Language
from webchat.store import NotFound, Store
from webchat.store.errors import StoreUnavailable
from webchat.store.records import BegunTurn, ConversationSettings, NewTurn, TemplateUse
from webchat.store.replay_records import ReplayChoice, ReplayRun, ReplayVariant
from webchat.turns import Ask, Party, Turns, service
from webchat.turns.errors import DiskFull, MemoryFull, ServerFull
from webchat.turns.places import Most
from webchat.turns.replicas.replica import Replica

ITEMS = 9


@pytest.fixture
def operator(tmp_path: Path) -> Any:
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    yield Talk(store, store.local_owner().id)
    store.close()


@asynccontextmanager
async def turning(store: Store, backend: Backend) -> AsyncIterator[Turns]:
    models = Models([ModelSpec(name="new", kind="echo")], lambda _: backend)
    turns = Turns(store, models, renderer=PlainRenderer(), gates=OpenGates(), titles=True)
    await turns.open()
    try:
        yield turns
    finally:
        await turns.aclose()
        await models.aclose()


def a_run(operator: Talk, variant: ReplayVariant | None = None, count: int = ITEMS) -> ReplayRun:
    """A run over chats of two turns each, of which the last is answered again."""
    for number in range(count):
        first = operator.say(f"first {number}", "answered")
        operator.say(f"question {number}", f"old answer {number}", after=first.reply)
    made = operator.store.make_replay_set(operator.owner, "all", ReplayChoice())
    return operator.store.start_replay(operator.owner, made.id, "new", variant or ReplayVariant("new"))


async def test_every_item_is_answered_from_the_same_conversation_and_nothing_else_shows(
    operator: Talk,
) -> None:
    settings = ConversationSettings(system_prompt="Be brief.", sampling=Sampling(seed=7, temperature=0.5))
    run = a_run(operator, ReplayVariant("new", settings))
    store = operator.store
    before = store.list_conversations(operator.owner, limit=100).items
    backend = _Counting()
    async with turning(store, backend) as turns:
        news = turns.watch(operator.owner, {})
        await Replayer(store, turns).do(run)
        assert await _batch(news) == []
    ended = store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.done, ended.failed) == ("done", ITEMS, 0)
    of = store.replay_set(operator.owner, run.set_id)
    for item, _ in items(store, operator.owner, of, [run.id]):
        (reply,) = item.replies
        number = item.number - 1
        assert (item.asked, item.stored.text) == (f"question {number}", f"old answer {number}")
        assert (reply.state, reply.model, reply.seed) == ("complete", "new", 7)
        assert ["Be brief.", f"first {number}", "answered", f"question {number}"] in backend.sent
    assert len(backend.sent) == ITEMS
    assert store.list_conversations(operator.owner, limit=100).items == before


async def _batch(follower: Any) -> list[Any]:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            return list(await follower.batch())
    return []


class _Counting(EchoBackend):
    """Counts what is asked, and may fail."""

    def __init__(self, fails: int = 0) -> None:
        super().__init__()
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self.fails = fails
        self.sent: list[list[str]] = []

    async def stream(self, request: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        self.asked += 1
        self.sent.append([message.text for message in request.messages])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.asked <= self.fails:
                raise Unavailable("gone")
            async for event in super().stream(request):
                await asyncio.sleep(0)
                yield event
        finally:
            self.at_once -= 1


async def test_a_run_goes_on_where_the_end_of_its_server_left_it(operator: Talk) -> None:
    run = a_run(operator)
    store, backend = operator.store, _Counting()
    async with turning(store, backend) as turns:
        doing = asyncio.create_task(Replayer(store, turns).do(run))
        while store.replay_run(operator.owner, run.id).done < 3:  # noqa: ASYNC110  the store has no events
            await asyncio.sleep(0.01)
        doing.cancel()
        with suppress(asyncio.CancelledError):
            await doing
    done = store.replay_run(operator.owner, run.id)
    assert 3 <= done.done < ITEMS
    assert done.state == "open"
    again = _Counting()
    async with turning(store, again) as turns:
        await Replayer(store, turns).do_open()
        await Replayer(store, turns).do_open()
    assert store.replay_run(operator.owner, run.id).done == ITEMS
    assert again.asked == ITEMS - done.done
    assert max(backend.most_at_once, again.most_at_once) <= AT_ONCE


async def test_a_run_whose_model_is_gone_ends_early_and_does_only_what_failed_again(operator: Talk) -> None:
    run = a_run(operator, count=FAILED_IN_A_ROW + AT_ONCE + 4)
    store, backend = operator.store, _Counting(fails=10_000)
    async with turning(store, backend) as turns:
        await Replayer(store, turns).do_open()
        ended = store.replay_run(operator.owner, run.id)
        assert (ended.state, ended.done) == ("cancelled", 0)
        assert FAILED_IN_A_ROW <= ended.failed < ended.items
        backend.fails = 0
        store.retry_replay(operator.owner, run.id)
        await Replayer(store, turns).do_open()
    ended = store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.done, ended.failed) == ("done", ended.items, 0)


async def test_what_cannot_be_begun_fails_with_its_reason(operator: Talk) -> None:
    run = a_run(operator, ReplayVariant("unknown"), count=1)
    async with turning(operator.store, EchoBackend()) as turns:
        await Replayer(operator.store, turns).do(run)
    (item,) = operator.store.replay_items(operator.owner, run.set_id, [run.id])
    assert item.replies[0].failure is not None
    assert (item.replies[0].state, item.replies[0].failure.code) == ("failed", "unknown_model")


async def test_people_begin_turns_however_many_replays_run(operator: Talk) -> None:
    run = a_run(operator)
    store = operator.store
    models = Models([ModelSpec(name="new", kind="echo")], lambda _: EchoBackend())
    gates, renderer = OpenGates(), PlainRenderer()
    turns = Turns(store, models, renderer=renderer, gates=gates, most=Most(owner=1, all=1))
    await turns.open()
    try:
        await Replayer(store, turns).do(run)
    finally:
        await turns.aclose()
        await models.aclose()
    assert store.replay_run(operator.owner, run.id).done == ITEMS


async def test_an_item_that_fails_ends_no_other_and_none_is_done_twice(
    operator: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(operator)
    store, backend = operator.store, _Counting()
    begun, broken = store.begun_replay, [ValueError("a bug")]

    def once(run_id: str, number: int, attempt: int, reply_id: str) -> None:
        begun(run_id, number, attempt, reply_id)
        if number == 2 and broken:
            raise broken.pop()

    monkeypatch.setattr(store, "begun_replay", once)
    fourth = store.open_replay(run.id, 4)
    assert fourth is not None
    async with turning(store, backend) as turns:
        start = turns.start

        async def refusing(party: Party, ask: Ask) -> BegunTurn:
            if ask.message_id == fourth.asked_id:
                raise NotFound("chat")
            return await start(party, ask)

        monkeypatch.setattr(turns, "start", refusing)
        with pytest.raises(ValueError, match="a bug"):
            await Replayer(store, turns).do(run)
        await Replayer(store, turns).do(run)
    ended = store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.done, ended.failed) == ("done", ITEMS - 1, 1)
    assert backend.asked == ITEMS - 1


class _Held(_Counting):
    """Says a word, and waits."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def stream(self, request: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        self.asked += 1
        yield TextDelta("Well, ")
        await self.go_on.wait()
        yield TextDelta("here.")
        yield Finished("stop")


async def test_what_its_person_takes_away_while_it_is_answered_ends_no_run(operator: Talk) -> None:
    run = a_run(operator, count=3)
    store, backend = operator.store, _Held()
    first, *_ = store.replay_items(operator.owner, run.set_id, [])
    async with turning(store, backend) as turns:
        doing = asyncio.create_task(Replayer(store, turns).do(run))
        await until(lambda: backend.asked == 3)
        store.delete_conversation(operator.owner, first.conversation_id)
        store.purge(datetime.now(UTC) + timedelta(days=1))
        backend.go_on.set()
        await doing
    ended = store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.items, ended.done, ended.failed) == ("done", 2, 2, 0)


async def test_the_end_of_the_server_ends_the_replayer_and_an_unreachable_database_is_waited_for(
    operator: Talk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = a_run(operator)
    store = operator.store
    opening = store.open_replay

    def gone(*_: object) -> None:
        monkeypatch.setattr(store, "open_replay", opening)
        raise StoreUnavailable

    monkeypatch.setattr(store, "open_replay", gone)
    monkeypatch.setattr(running, "RETRY_SECONDS", (0.0,))
    async with turning(store, EchoBackend()) as turns:
        pass
    await Replayer(store, turns).serve()
    assert not caplog.records, "the store logs it"
    ended = store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.done, ended.failed) == ("open", 0, 0)


@pytest.mark.parametrize("full", [MemoryFull, DiskFull])
async def test_a_replay_waits_while_memory_or_the_disk_are_full(
    full: type[ServerFull],
    operator: Talk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = a_run(operator)
    monkeypatch.setattr(running, "LOOK_SECONDS", 0.0)
    reserves = iter([full() for _ in range(3 * running.FAILED_IN_A_ROW)])
    async with turning(operator.store, EchoBackend()) as turns:
        monkeypatch.setattr(turns._asking, "_full", lambda: next(reserves, None))
        await Replayer(operator.store, turns).do(run)  # as the command does
    ended = operator.store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.done, ended.failed) == ("done", ITEMS, 0)
    assert caplog.text.count(full.message) == 1


async def test_replies_that_a_full_disk_broke_off_are_written_once_there_is_space(
    operator: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(operator)
    store = operator.store
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.0)

    def limit(pages: int) -> None:
        with store._engines[True].connect() as connection:
            connection.execute(sql(f"PRAGMA max_page_count = {pages}"))

    class Filling(EchoBackend):
        asked = 0
        full = asyncio.Event()

        async def stream(self, request: Any) -> AsyncIterator[Any]:  # type: ignore[override]
            self.asked += 1
            if self.asked == AT_ONCE:  # all of the first are being written
                limit(1)  # SQLite takes as many as there are
                self.full.set()
            await self.full.wait()
            for _ in range(20):
                await asyncio.sleep(0)
                yield TextDelta("word " * 5_000)
            yield Finished("stop")

    backend = Filling()
    async with turning(store, backend) as turns:
        with pytest.raises(StoreUnavailable):
            await Replayer(store, turns).do_open()
        full = store.replay_run(operator.owner, run.id)
        assert (full.state, full.failed) == ("open", 0)
        assert backend.asked == AT_ONCE, "no model is asked for what can't be stored"
        limit(1_000_000)
        for _ in range(AT_ONCE):  # a pass may first find that a reply begun before it was broken off
            with suppress(StoreUnavailable):
                await Replayer(store, turns).do_open()
    ended = store.replay_run(operator.owner, run.id)
    assert (ended.state, ended.done, ended.failed) == ("done", ITEMS, 0)


@virtual_time
async def test_what_the_store_breaks_off_is_tried_again_less_and_less_often() -> None:
    looked: list[float] = []

    class Broken:
        open_replays = None

        async def call(self, _: object) -> None:
            looked.append(asyncio.get_running_loop().time())
            raise StoreUnavailable

    serving = asyncio.create_task(Replayer(cast(Store, Broken()), cast(Turns, None)).serve())
    await asyncio.sleep(sum(RETRY_SECONDS) + 1.5 * RETRY_SECONDS[-1])
    serving.cancel()
    assert [after - before for before, after in pairwise(looked)] == [*RETRY_SECONDS, RETRY_SECONDS[-1]]


async def test_a_replay_waits_for_a_server_that_may_not_write_for_a_while(
    operator: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(operator)
    monkeypatch.setattr(running, "LOOK_SECONDS", 0.0)
    held = iter([False, False])
    monkeypatch.setattr(Replica, "held", property(lambda _: next(held, True)))
    async with turning(operator.store, EchoBackend()) as turns:
        serving = asyncio.create_task(Replayer(operator.store, turns).serve())
        while operator.store.replay_run(operator.owner, run.id).state == "open":
            assert not serving.done()
            await asyncio.sleep(0.01)
        serving.cancel()
    assert operator.store.replay_run(operator.owner, run.id).done == ITEMS


def test_a_variant_changes_what_it_sets_and_nothing_else() -> None:
    persona = TemplateUse("t", 1, "Pirate")
    before = ConversationSettings("Model A", "Old prompt", Sampling(temperature=0.9, top_k=5), persona)
    plain = settings_for(ReplayVariant("new"), before)
    assert plain == replace(before, model="new")
    changed = ReplayVariant("new", ConversationSettings(system_prompt="", sampling=Sampling(temperature=0.0)))
    assert settings_for(changed, before) == ConversationSettings(
        "new", "", Sampling(temperature=0.0, top_k=5), None
    )
    assert default_name(ReplayVariant("key"), "new") == "new"
    assert default_name(changed, "new") == "new · temperature 0.0"


def test_a_summary_counts_whole_replies(operator: Talk) -> None:
    run = a_run(operator, count=3)
    store = operator.store
    for number, text in ((1, "I'm sorry, but I can't help with that."), (2, "old answer 1")):
        opened = store.open_replay(run.id, number)
        assert opened is not None
        begun = store.begin_turn(
            operator.owner, NewTurn(opened.conversation_id, opened.asked_id, None, f"k{number}", "new")
        )
        store.begun_replay(run.id, number, 1, begun.reply.id)
        operator.finish(begun.reply.id, text)
    of = store.replay_set(operator.owner, run.set_id)
    stored, again = summaries(store, operator.owner, of, [run.id])
    assert (stored.passed, again.passed) == (None, None)
    checks = dump_checks([Check("contains", "OLD"), Check("lacks", "1")])
    stored, again = summaries(store, operator.owner, replace(of, assertions=checks), [run.id])
    assert (stored.passed, again.passed) == (2, 0)
    assert again.passed_interval == wilson(0, 2)
    assert (stored.items, stored.done, stored.same) == (3, 3, 3)
    assert (again.items, again.done, again.failed, again.same, again.refusals) == (3, 2, 0, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I\u2019m sorry, but I can\u2019t share it.",
        "Sorry, I can't do it",
        "很抱歉，我无法回答这个问题。",
        "对不起，我不能这样做。",
    ],
)
def test_refusals_are_recognised_in_both_languages(text: str) -> None:
    assert refuses(text)


@pytest.mark.parametrize("text", ["", "Paris.", "长城是古代工程。", "x" * 500 + " I can't help with that."])
def test_other_replies_are_not(text: str) -> None:
    assert not refuses(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_pieces_of_a_difference_make_up_both_texts(old: str, new: str) -> None:
    pieces = word_diff(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "new") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "old") == new


HOSTILE = {
    "one word in a loop": (" a" * 999, " b a" * 499),
    "one word on each line": ("a\n" * 999, "b\na\n" * 499),
    "blank lines": ("\n \n" * 9_999, "\n\n \n" * 9_999),
    "two characters": ("长城" * 9_999, "城长很" * 9_999),
    "no end in common": ("x " + "a " * 9_999 + "y", "z " + "a " * 9_998 + "w"),
}


@pytest.mark.parametrize("texts", HOSTILE.values(), ids=HOSTILE)
def test_words_that_repeat_are_not_compared_each_with_each(
    texts: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = 0

    class Matcher(SequenceMatcher[str]):
        def find_longest_match(self, *range: Any) -> Any:
            nonlocal pairs
            matcher, (first, last, *_) = cast(Any, self), range
            pairs += sum(len(matcher.b2j.get(word, ())) for word in matcher.a[first:last])
            return super().find_longest_match(*range)

    monkeypatch.setattr(diff, "SequenceMatcher", Matcher)
    pieces = word_diff(*texts)
    assert pairs < 1_000_000
    assert "".join(piece.text for piece in pieces if piece.kind != "new") == texts[0]
    assert "".join(piece.text for piece in pieces if piece.kind != "old") == texts[1]


def test_words_are_compared_and_chinese_by_character() -> None:
    def told(old: str, new: str) -> list[tuple[str, str]]:
        return [(piece.kind, piece.text) for piece in word_diff(old, new)]

    assert told("a long inlet", "a short inlet") == [
        ("same", "a "), ("old", "long"), ("new", "short"), ("same", " inlet"),
    ]  # fmt: skip
    assert told("长城很长", "长城很高") == [("same", "长城很"), ("old", "长"), ("new", "高")]
    assert told("GPT模型", "GPT机型")[0] == ("same", "GPT")


def test_long_texts_are_compared_by_lines() -> None:
    old = "\n".join(f"line {number} of it" for number in range(1000))
    new = old.replace("line 100 of", "line 100 in").replace("line 900 of", "line 900 in")
    changed = [piece.text for piece in word_diff(old, new) if piece.kind == "new"]
    assert changed == ["in it\n", "line 900 in"]


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Values of R: prop.test(8, 10, correct = FALSE) and prop.test(0, 20, correct = FALSE).
    eight, none = wilson(8, 10), wilson(0, 20)
    assert eight is not None
    assert none is not None
    assert (eight.low, eight.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611252), abs=1e-6)
    assert wilson(0, 0) is None


def test_the_held_out_rows_of_an_export_are_named_once(tmp_path: Path) -> None:
    for config in ("sft", "kto"):
        (tmp_path / config).mkdir()
        lines = [json.dumps({"webchat": {"judgement": id}}) for id in ("a", "b")]
        (tmp_path / config / "test.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert held_out(tmp_path) == ("a", "b")
    (tmp_path / "sft" / "test.jsonl").write_text('{"prompt": []}\n', encoding="utf-8")
    with pytest.raises(BadExport):
        held_out(tmp_path)
    with pytest.raises(BadExport):
        held_out(tmp_path / "none")


@pytest.mark.parametrize(("language", "heading"), [("en", "As stored"), ("zh-CN", "已存储的回复")])
def test_a_report_is_one_file_in_which_nothing_comes_alive(
    operator: Talk, language: Language, heading: str
) -> None:
    evil = "<script>alert(1)</script> ![x](https://example.org/x.png) <img src=x onerror=alert(2)>"
    operator.say(evil, evil)
    store = operator.store
    made = store.make_replay_set(operator.owner, "<i>all</i>", ReplayChoice())
    run = store.start_replay(operator.owner, made.id, "<u>new</u>", ReplayVariant("new"))
    opened = store.open_replay(run.id, 1)
    assert opened is not None
    begun = store.begin_turn(
        operator.owner, NewTurn(opened.conversation_id, opened.asked_id, None, "key", "new")
    )
    store.begun_replay(run.id, 1, 1, begun.reply.id)
    operator.finish(begun.reply.id, f"{evil} and more")
    runs = store.replay_runs(operator.owner, made.id)
    page = "".join(report(store, operator.owner, made, runs, language))
    assert heading in page
    assert "default-src 'none'" in page
    for tag in ("<script", "<i>", "<u>", "onerror=alert(2)>", "<link", "@import", "url("):
        assert tag not in page.replace("&lt;img src=x onerror=alert(2)&gt;", "")
    assert 'src="http' not in page
    assert "<ins> and more</ins>" in page


def test_patterns_are_read_once_whatever_they_are() -> None:
    text = "Order 12. " + "a" * 50_000
    for pattern, passes in ((r"\b\d\d\b", True), (r"^(a+)+$", False), (r"(?i)ORDER", True), ("订单", False)):
        (check,) = checked([Check("matches", pattern)])
        assert check.passes(text) is passes
    for bad in ("(", r"(a)\1", "(?=a)", "(((a{100}){100}){100})", "x" * 1001):
        with pytest.raises(BadCheck):
            checked([Check("matches", bad)])


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('{"a": [1]}', True),
        ('```json\n{"a": 1}\n```', True),
        ("Sure: {}", False),
        ("", False),
        ("[" * 99_999, False),
    ],
)
def test_json_is_recognised_alone_and_as_a_block_of_code(text: str, passes: bool) -> None:
    assert Check("json").passes(text) is passes
