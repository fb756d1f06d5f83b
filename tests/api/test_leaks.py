"""How moderation leaked elsewhere, each as a test on the page's wire and in the journal behind it.

Sources: docs of Open WebUI's filters and of OpenAI's guardrails, FastChat's web server, issues of LiteLLM.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from backends.echo import Delay, EchoBackend, Step
from backends.types import ReasoningDelta, Request
from tests.api.conftest import MakeSite
from webchat.moderation import GateFactory, Moderation
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.endpoint import Endpoint, EndpointSettings
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.kinds.secrets import secrets
from webchat.moderation.matching import Rule
from webchat.moderation.rules import load_rules
from webchat.moderation.verdicts import Action
from webchat.privacy.keeping import Unkept
from webchat.privacy.masking import Masking
from webchat.store.records import FinishedTurn, JournalEntry, Message
from webchat.turns.gates.masked import MaskedGates

SENTENCE = "We do not talk about this here."
BEGIN = Delay(0.1)
"""Before the first piece, so that the page follows from the beginning."""


def quiet(*moderators: Moderator) -> Moderation:
    return Moderation(moderators, lambda _: None)


def words(action: Action, *phrases: str) -> Moderation:
    rule = Rule("house", action, sentence=SENTENCE)
    return quiet(Phrases("house", dict.fromkeys(phrases, rule)), secrets())


@dataclass
class Seen:
    """What crossed the wire of one reply and what was written of it, in order, and how it ended."""

    deltas: list[str] = field(default_factory=list)
    wire: str = ""
    journal: list[str] = field(default_factory=list)
    message: dict[str, Any] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "".join(self.deltas)

    def never(self, *parts: str) -> None:
        """None of these was ever on the wire or in the journal."""
        for where in (self.wire, "".join(self.journal), json.dumps(self.message, ensure_ascii=False)):
            for part in parts:
                assert part not in where


async def watch(
    make_site: MakeSite,
    steps: Sequence[Step],
    gates: GateFactory,
    *,
    asks: Iterable[str] = ("Hello",),
) -> Seen:
    """The last of these messages' replies, watched from before its first piece."""
    seen = Seen()
    async with make_site(EchoBackend(script=[BEGIN, *steps]), gates=gates) as site:
        write = site.store.write_batch

        def spied(entries: Sequence[JournalEntry], finished: Sequence[FinishedTurn]) -> list[Message]:
            seen.journal.extend(entry.text for entry in entries)
            return write(entries, finished)

        site.store.write_batch = spied  # type: ignore[method-assign,assignment]
        client = site.client(site.visitor())
        where: dict[str, Any] = {}
        for text in asks:
            body = {"kind": "send", "client_key": text[:20] + str(len(where)), "text": text, **where}
            answer = await client.post("/api/turns", json=body)
            seen.wire, seen.deltas = answer.text, []
            if answer.status_code != 201:
                continue
            begun = answer.json()
            events = (await client.get(f"/api/messages/{begun['reply']['id']}/events?from=0")).text
            seen.wire += events
            for block in events.split("\n\n"):
                lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if lines.get("event") in ("text", "reasoning", "delta"):
                    seen.deltas.append(json.loads(lines["data"])["text"])
            seen.message = await site.ended(client, begun["reply"]["id"])
            where = {"conversation_id": begun["conversation"]["id"], "parent_id": begun["reply"]["id"]}
        seen.requests = list(site.models._entries["echo"].backend.requests)  # type: ignore[union-attr]
    return seen


async def test_nothing_is_taken_back_after_it_was_shown(make_site: MakeSite) -> None:
    """Open WebUI: the outlet filter runs after the reply was displayed, and replaces it then."""
    seen = await watch(make_site, list("The answer is swordfish. Use it."), words("mask", "swordfish"))
    seen.never("swordfish", "sword")
    assert seen.said == seen.message["text"] == "The answer is ***. Use it."


async def test_the_rule_acts_between_any_two_checks(make_site: MakeSite) -> None:
    """OpenAI guardrails: a stream is checked every 100th chunk; what comes between is shown first."""
    text = "It is all about the swordfish. " + "And so on. " * 40
    seen = await watch(make_site, list(text), words("block", "swordfish"))
    seen.never("swordfish", "swor", "And so on")
    assert (seen.message["state"], seen.said) == ("blocked", "It is all about the ")


async def test_the_sentence_of_a_block_is_never_put_into_anybodys_mouth(make_site: MakeSite) -> None:
    """FastChat: the text of a block was stored and sent to the model as the user's own words."""
    asks = ("Tell me of the swordfish", "Hello")
    seen = await watch(make_site, ["Fine."], words("block", "swordfish"), asks=asks)
    assert [[m.text for m in request.messages] for request in seen.requests] == [["Hello"]]
    seen = await watch(
        make_site, ["A swordfish."], words("block", "swordfish"), asks=("Hello", "Hello again")
    )
    sent = "".join(m.text for request in seen.requests for m in request.messages)
    assert SENTENCE not in sent
    assert "swordfish" not in sent


KINDS = {
    "phrases": 'phrases = ["a"]',
    "patterns": 'patterns = ["a"]',
    "secrets": "",
    "personal": "",
    "endpoint": 'url = "http://127.0.0.1:1/v1"',
    "guard": 'model = "m"\nurl = "http://127.0.0.1:1/v1"',
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_judges_fails_closed_unless_told_otherwise(kind: str, tmp_path: Path) -> None:
    """Several: a moderator that times out lets the text pass, by default."""
    path = tmp_path / "rules.toml"
    path.write_text(f'[[moderators]]\nkind = "{kind}"\n{KINDS[kind]}\n', encoding="utf-8")
    assert load_rules(path)[-1].fail == "closed"


async def test_a_service_that_is_late_shows_nothing(make_site: MakeSite) -> None:
    async def late(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    service = Endpoint(
        Rule("service", "block"),
        "http://service.test",
        EndpointSettings(seconds=0.2),
        stages=["output"],
        transport=httpx.MockTransport(late),
    )
    seen = await watch(make_site, list("This is one sentence. This is the next."), quiet(service))
    assert (seen.message["state"], seen.said) == ("blocked", "")
    assert seen.message["failure"]["params"]["rule"] == "service.failed"
    seen.never("This is")


@pytest.mark.parametrize("action", ["block", "mask"])
async def test_no_piece_is_lost_whatever_runs_beside_it(make_site: MakeSite, action: Action) -> None:
    """LiteLLM #20027: checking a sample of chunks emptied every fifth of them."""
    pieces = [f"w{number} " for number in range(120)]
    seen = await watch(make_site, pieces, words(action, "swordfish", "w999"))
    assert seen.said == seen.message["text"] == "".join(pieces)


@pytest.mark.parametrize(("action", "left"), [("block", "I like "), ("mask", "I like *** most.")])
async def test_a_word_in_pieces_is_one_word(make_site: MakeSite, action: Action, left: str) -> None:
    """LiteLLM #38788: the pieces `pers`, `im`, `mon` were released while the rule fired."""
    seen = await watch(make_site, ["I like", " pers", "im", "mon", " most."], words(action, "persimmon"))
    assert seen.said == seen.message["text"] == "".join(seen.journal) == left


async def test_no_placeholder_is_shown_by_any_route(make_site: MakeSite) -> None:
    """LiteLLM #42476: a route that only passed replies on showed the placeholders that stood in them."""
    called: list[Request] = []

    def repeat(request: Request) -> Iterable[Step]:
        called.append(request)
        return [BEGIN, *f"I call {request.messages[-1].text.split()[-1]} and write."]

    async with make_site(
        EchoBackend(script=repeat), gates=MaskedGates(quiet(), Masking(Unkept()), always=True)
    ) as site:
        client = site.client(site.visitor())
        begun = await site.send(client, "My number is 13800138000")
        path = f"/api/messages/{begun['reply']['id']}"
        wire = (await client.get(f"{path}/events?from=0")).text
        await site.ended(client, begun["reply"]["id"])
        placeholder = called[0].messages[-1].text.split()[-1]
        assert placeholder.startswith("[")
        assert "13800138000" not in str(called)
        for one in (
            path,
            f"/api/conversations/{begun['conversation']['id']}",
            "/api/export",
            "/api/search?q=call",
        ):
            wire += (await client.get(one)).text
        assert f"I call {placeholder}" not in wire
        assert "I call 13800138000 and write." in wire


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("swordfish", "the s\u0301w\u0302o\u0303rd\u0304fish, then"),
        (
            "swordfish",
            "the " + "".join(chr(ord(char) + 0x1D3B9) for char in "swordfish") + ", then",
        ),
        ("机密项目", "这是机密项目，然后"),
        ("机密项目", "这是机 密 项 目，然后"),
        ("кот", "вот кот, then"),
        ("👩\u200d🚀 launch", "the 👩\u200d🚀 launch, then"),
        ("swordfish", "the s\u200bw\u200bo\u200brd\u2060fish, then"),
    ],
)
async def test_one_character_at_a_time_in_every_script(make_site: MakeSite, phrase: str, text: str) -> None:
    whole = await watch(make_site, [text], words("block", phrase))
    seen = await watch(make_site, list(text), words("block", phrase))
    assert (seen.said, seen.message["state"]) == (whole.said, whole.message["state"])
    assert seen.message["state"] == "blocked"
    assert text.startswith(seen.said)
    seen.never("then", "然后")
    masked = await watch(make_site, list(text), words("mask", phrase))
    assert masked.said == (await watch(make_site, [text], words("mask", phrase))).said
    assert "***" in masked.said


async def test_reasoning_is_no_way_around(make_site: MakeSite) -> None:
    steps = [ReasoningDelta(char) for char in "think of the swordfish now"]
    seen = await watch(make_site, [*steps, "Done."], words("block", "swordfish"))
    seen.never("swordfish", "Done.")
    assert seen.message["state"] == "blocked"
