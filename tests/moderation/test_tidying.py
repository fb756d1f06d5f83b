"""Nothing unseen piles up, what was tidy once is not read again, and nobody waits while a path is read."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from typing import Any

import pytest

from backends.types import Message, Request
from webchat.moderation import Context, Moderation
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.kinds.tidying import MOST_UNSEEN, Tidy, unseen
from webchat.moderation.matching import Rule

PROMPT = Context("prompt", "owner")


def path(messages: int, chars: int = 2000) -> Request:
    texts = [
        f"{number} 机器学习是人工智能的一个分支，e\u0301。" * (chars // 20) for number in range(messages)
    ]
    return Request(
        tuple(Message("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(texts))
    )


def test_every_unseen_character_there_is_is_known() -> None:
    every = {
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) in {"Mn", "Me", "Cf"}
    }
    assert unseen() == every


async def test_each_message_of_a_conversation_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = Tidy.read

    def reading(self: Tidy, text: str, run: int) -> Any:
        read.append(text)
        return whole(self, text, run)

    monkeypatch.setattr(Tidy, "read", reading)
    moderation = Moderation([Tidy()])
    for turns in range(1, 6):
        request = path(turns)
        assert (await moderation.prepare(PROMPT, request)).request == request
    assert read == [message.text for message in path(5).messages]


async def test_what_is_not_tidy_is_read_and_tidied_each_time() -> None:
    moderation = Moderation([Tidy()])
    piled = Request((Message("user", "a" + "\u0301" * 50 + "b"),))
    for _ in range(2):
        (message,) = (await moderation.prepare(PROMPT, piled)).request.messages
        assert message.text == "a" + "\u0301" * MOST_UNSEEN + "b"


async def test_others_have_their_turn_while_a_long_path_is_read() -> None:
    rules = [Phrases("words", {"bomb": Rule("words", "block")}, stages=["prompt"])]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await asyncio.sleep(0)
    before = turns
    await Moderation(rules).prepare(PROMPT, path(60))
    assert turns - before >= 20
    task.cancel()
