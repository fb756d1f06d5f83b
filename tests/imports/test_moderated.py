"""Everything that is imported passes moderation's stage `stored`."""

from __future__ import annotations

from tests.imports.into import Into
from tests.imports.samples import chatgpt, openwebui, written
from webchat.imports.importing import WITHHELD
from webchat.moderation import Decision, Moderation
from webchat.moderation.rules import read_rules

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
    assert found.counts["blocked"] == 2
    messages = [message for one in into.all() for message in one.messages]
    texts = [message.text for message in messages]
    assert WITHHELD in texts
    assert not any("cliff" in text or "lighthouse" in text for text in texts)
    assert not any("map" in message.reasoning for message in messages)
    assert all("Lighthouse" not in one.conversation.title for one in into.all())
    assert all(one.conversation.settings.system_prompt is None for one in into.all())
    assert {decision.context.stage for decision in told} == {"stored"}
