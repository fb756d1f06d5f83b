"""Everything that is imported passes moderation's stage `stored`."""

from __future__ import annotations

import asyncio

import pytest

from tests.imports.into import Into, importer
from tests.imports.samples import chatgpt, openwebui, written
from webchat.imports.moderating import PAUSE_CHARS, Moderating
from webchat.moderation import Context, Decision, Moderation
from webchat.moderation.rules import read_rules
from webchat.moderation.verdicts import WITHHELD
from webchat.store.import_records import ImportedConversation, ImportedMessage, ImportedTurn
from webchat.store.records import Provenance

RULES = """
[[moderators]]
kind = "phrases"
name = "no-cliff"
action = "block"
phrases = ["cliff", "brief"]
stages = ["stored"]

[[moderators]]
kind = "phrases"
name = "masks"
action = "mask"
phrases = ["lighthouse", "Lighthouses", "map"]
"""


def test_what_the_rules_block_or_mask_is_not_stored(into: Into) -> None:
    told: list[Decision] = []
    into.gates = Moderation(read_rules(RULES), told.append)
    found = into.bring(written(into.folder / "x.json", [chatgpt(), openwebui()]))
    assert found.counts["blocked"] == 3  # a text, a system prompt, and that prompt in the file's own details
    messages = [message for one in into.all() for message in one.messages]
    texts = [message.text for message in messages]
    assert WITHHELD in texts
    assert not any("cliff" in text or "lighthouse" in text for text in texts)
    assert not any("map" in message.reasoning for message in messages)
    assert all("Lighthouse" not in one.conversation.title for one in into.all())
    assert all(one.conversation.settings.system_prompt is None for one in into.all())
    assert {decision.context.stage for decision in told} == {"stored"}


async def test_others_have_their_turn_while_a_long_chat_is_moderated(
    into: Into, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    between: list[int] = []

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    one = importer(into.store, Moderation(read_rules(RULES)))
    moderate = one._review.text

    async def text(context: Context, said: str) -> str:
        between.append(turns)
        return await moderate(context, said)

    monkeypatch.setattr(one._review, "text", text)
    said = tuple(ImportedMessage(f"m{n}", None, "user", "x" * 1000) for n in range(40))
    chat = ImportedConversation("chatgpt", "a", "", said)
    task = asyncio.create_task(others())
    await Moderating(one._review, Context("stored", into.owner)).conversation(chat)
    task.cancel()
    assert len(between) == 40
    assert max(between.count(turn) for turn in set(between)) * 1000 <= PAUSE_CHARS


def test_what_a_file_says_beside_texts_is_moderated_too(into: Into) -> None:
    into.gates = Moderation(read_rules(RULES))
    origin = Provenance(model="m", prompt=({"role": "user", "content": "a cliff"},), details={"cliff": ["x"]})
    said = (
        ImportedMessage("a", None, "user", "Hello"),
        ImportedMessage("b", "a", "assistant", "Hi", turn=ImportedTurn(provenance=origin)),
    )
    chat = ImportedConversation("chatgpt", "a", "Title", said, details={"note": {"by": "the map"}, "n": 3})
    one = importer(into.store, Moderation(read_rules(RULES)))
    moderating = Moderating(one._review, Context("stored", into.owner))
    moderated = asyncio.run(moderating.conversation(chat))
    turn = moderated.messages[1].turn
    assert turn is not None
    assert turn.provenance.prompt == ({"role": "user", "content": WITHHELD},)
    assert turn.provenance.details == {WITHHELD: ["x"]}
    assert "map" not in repr(moderated.details)
    assert moderated.details["n"] == 3
    assert moderating.blocked >= 2
