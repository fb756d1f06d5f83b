"""Work in processes of its own: its processor time is limited, not the time that others take from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.bounded import Pool, TooMuch

WORK = """
import os, time

def answer(asked):
    if asked == "burn":
        while True:
            pass
    if asked == "wait":  # as somebody does who gets nothing of a busy processor
        time.sleep(1)
    if asked == "crash":
        os._exit(1)
    return [asked, os.getpid()]
"""


@pytest.mark.asyncio
async def test_only_time_of_the_processor_counts(tmp_path: Path) -> None:
    tmp_path.joinpath("bounded_work.py").write_text(WORK, "utf-8")
    pool = Pool("bounded_work", [str(tmp_path)], seconds=0.3, processes=1)
    first = await pool.asked("quick")
    assert await pool.asked("wait") == ["wait", first[1]]
    for _ in range(2):
        with pytest.raises(TooMuch):
            await pool.asked("burn")
    second = await pool.asked("quick")
    assert second[1] != first[1]
    with pytest.raises(TooMuch):
        await pool.asked("crash")
    assert (await pool.asked("quick"))[1] != second[1]
    await pool.aclose()
