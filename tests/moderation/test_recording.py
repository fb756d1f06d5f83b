"""Decisions reach the log in the database: at once for whoever decides, together for the database, and never
without being counted when they do not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

import pytest

from backends.types import Request, TextDelta
from tests.turns.virtual_time import virtual_time
from webchat.moderation import Context, Decision, Finding, Moderation
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.recording import Recorder
from webchat.store.decision_records import LoggedDecision

CONTEXT = Context("output", "ada", "echo", "talk", "m1")


def decided(number: int, **more: str) -> Decision:
    return Decision(CONTEXT, Finding("words", "block", number, number + 1), **more)


class Log:
    """A database that fails as long as `broken`."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.batches: list[list[int]] = []

    async def __call__(self, batch: Sequence[LoggedDecision]) -> None:
        if self.broken:
            raise OSError("the disk is full")
        self.batches.append([one.start for one in batch])

    @property
    def all(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


@virtual_time
async def test_decisions_are_written_together_and_in_order() -> None:
    log = Log()
    recorder = Recorder(log)
    recorder.open()
    for number in range(700):
        recorder(decided(number))
    await asyncio.sleep(1)
    assert log.all == list(range(700))
    assert len(log.batches) == 2
    await recorder.aclose()


@virtual_time
async def test_the_last_ones_are_written_before_the_server_ends() -> None:
    log = Log()
    recorder = Recorder(log)
    recorder.open()
    recorder(decided(1))
    await recorder.aclose()
    assert log.all == [1]


@virtual_time
async def test_what_came_while_the_database_was_away_is_written_when_it_is_back() -> None:
    log = Log(broken=True)
    recorder = Recorder(log)
    recorder.open()
    recorder(decided(1))
    await asyncio.sleep(3)
    recorder(decided(2))
    log.broken = False
    await asyncio.sleep(10)
    assert (log.all, recorder.dropped) == ([1, 2], 0)
    await recorder.aclose()


async def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    log = Log()
    recorder = Recorder(log, most_waiting=3, gather_seconds=0)
    for number in range(5):
        recorder(decided(number))
    recorder.open()
    await recorder.aclose()
    assert (log.all, recorder.dropped) == ([2, 3, 4], 2)


@virtual_time
async def test_a_batch_the_database_refuses_for_good_does_not_hold_up_the_rest() -> None:
    log = Log(broken=True)
    recorder = Recorder(log)
    recorder.open()
    recorder(decided(1))
    await asyncio.sleep(3600)
    log.broken = False
    recorder(decided(2))
    await recorder.aclose()
    assert (log.all, recorder.dropped) == ([2], 1)


@virtual_time
async def test_a_stop_does_not_wait_for_a_database_that_is_away() -> None:
    recorder = Recorder(Log(broken=True))
    recorder.open()
    recorder(decided(1))
    began = asyncio.get_running_loop().time()
    await recorder.aclose()
    assert asyncio.get_running_loop().time() - began < 1
    assert recorder.dropped == 1


async def test_a_decision_costs_microseconds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    recorder = Recorder(Log())

    one, best = decided(1), 1.0
    for _ in range(5):
        began = time.thread_time()
        for _ in range(1000):
            recorder(one)
        best = min(best, (time.thread_time() - began) / 1000)
    assert best < 100e-6


async def test_the_line_in_the_log_says_what_was_decided(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Recorder(Log())(decided(1))
    assert "block words in output of ada" in caplog.text


@pytest.mark.parametrize("keeps", [True, False])
async def test_the_text_around_is_kept_only_where_it_is_asked_for(keeps: bool) -> None:
    kept: list[LoggedDecision] = []

    async def write(batch: Sequence[LoggedDecision]) -> None:
        kept.extend(batch)

    recorder = Recorder(write)
    recorder.open()
    rule = Rule("words", "flag")
    moderation = Moderation([Phrases("words", {"secret": rule})], recorder, keeps_content=keeps)
    text = "a" * 50_000 + " the secret is out " + "b" * 50_000
    await moderation.review(Context("input", "ada"), text)
    gate = (await moderation.prepare(Context("prompt", "ada"), Request(()))).gate
    for start in range(0, len(text), 7000):
        await gate.feed(TextDelta(text[start : start + 7000]))
    await gate.finish()
    await recorder.aclose()
    assert [one.stage for one in kept] == ["input", "output"]
    for one in kept:
        assert one.moderator == "words"
        if keeps:
            assert one.content is not None
            assert " the secret" in one.content
            assert len(one.content) <= 500
        else:
            assert one.content is None
