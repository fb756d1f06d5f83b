"""What moderation costs: a long message, a streamed reply, a long list of phrases, beside no moderation.

    python -m tests.benchmarks.moderation [--times 200]

Everything in one run; 95th percentiles.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from backends.echo import EchoBackend
from backends.types import Message, Request, TextDelta
from webchat.models import Models, ModelSpec
from webchat.moderation import Context, Decision, GateFactory, Moderation, OpenGates
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.limits import Limits
from webchat.moderation.kinds.personal import personal
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.kinds.secrets import secrets
from webchat.moderation.kinds.tidying import Tidy
from webchat.moderation.matching import Rule
from webchat.privacy.keeping import Unkept
from webchat.privacy.masking import Masking
from webchat.prompts import PlainRenderer
from webchat.store import Store
from webchat.turns import Ask, Delta, Turns
from webchat.turns.gates.masked import MaskedGates

ASKED = Request((Message("user", "x"),))
CHARS = 4000
PIECE = 4
WORDS = (
    "the",
    "sea",
    "is",
    "calm",
    "and",
    "lighthouse",
    "keepers",
    "write",
    "letters",
    "home",
    "every",
    "day",
)


def text(length: int, seed: int) -> str:
    words = random.Random(seed).choices(WORDS, k=length)
    return " ".join(words)[:length]


def phrases(count: int) -> Phrases:
    letters = random.Random(0)
    made = {"".join(letters.choices("abcdefghij", k=letters.randint(6, 14))) for _ in range(count)}
    return Phrases("phrases", dict.fromkeys(made, Rule("phrases", "block")))


def quiet(_: Decision) -> None:
    """Decisions are not measured."""


def p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


async def run(times: int) -> None:
    chains: tuple[tuple[str, list[Moderator]], ...] = (
        ("default rules", [Tidy(), Limits(most_repeats=2000), secrets(), phrases(100)]),
        ("100 phrases", [phrases(100)]),
        ("10,000 phrases", [phrases(10_000)]),
        ("personal data", [personal()]),
    )
    for name, moderators in chains:
        whole, chunks = await measured(Moderation(moderators, quiet), times)
        print(
            f"{name:15} message of {CHARS} characters {p95(whole) * 1000:6.2f} ms,"
            f" piece of {PIECE} characters {p95(chunks) * 1000:6.3f} ms (p95)"
        )
    for name, extra in (("prose", ""), ("with much of it", "打13812345678给 a.b@c.io，")):
        sent, shown = await masked(times, extra)
        print(
            f"masking {name:15} message of {CHARS} characters {p95(sent) * 1000:6.2f} ms,"
            f" piece of {PIECE} characters {p95(shown) * 1000:6.3f} ms (p95)"
        )
    for name, gates in (("no rules", OpenGates()), ("default rules", Moderation(chains[0][1], quiet))):
        waits = await first_texts(gates, min(times, 100))
        print(
            f"{name:15} first text on the page {statistics.median(waits) * 1000:6.2f} ms after its token,"
            f" {p95(waits) * 1000:6.2f} ms (p95)"
        )
    first, last = await growth([Tidy(), secrets(), phrases(100)])
    print(f"a piece at the end of {CHARS * 10} characters against the beginning: x{last / first:.2f}")


async def measured(moderation: Moderation, times: int) -> tuple[list[float], list[float]]:
    whole, chunks = [], []
    for number in range(times):
        message = text(CHARS, number)
        began = time.perf_counter()
        await moderation.review(Context("input", "owner"), message)
        whole.append(time.perf_counter() - began)
    gate, reply = (await moderation.prepare(Context("prompt", "owner"), ASKED)).gate, text(CHARS, 1)
    for at in range(0, CHARS, PIECE):
        began = time.perf_counter()
        await gate.feed(TextDelta(reply[at : at + PIECE]))
        chunks.append(time.perf_counter() - began)
    return whole, chunks


async def masked(times: int, extra: str) -> tuple[list[float], list[float]]:
    """Seconds for a new message of a conversation on its way to a model, and for each piece of the reply,
    which has a placeholder every 40 characters. extra: what stands in the message every 40 characters."""
    sent, shown = [], []
    gates = MaskedGates(OpenGates(), Masking(Unkept()), always=True)
    for number in range(times):
        words = text(CHARS, number)
        message = "".join(words[at : at + 40] + extra for at in range(0, CHARS, 40))[:CHARS]
        request = Request((Message("user", message + " 13812345678"),))
        began = time.perf_counter()
        gate = (await gates.prepare(Context("prompt", "owner", "m", str(number)), request)).gate
        sent.append(time.perf_counter() - began)
    words = text(CHARS, 1)
    reply = "".join(words[at : at + 40] + "[PHONE_1]" for at in range(0, CHARS, 40))
    for at in range(0, CHARS, PIECE):
        began = time.perf_counter()
        await gate.feed(TextDelta(reply[at : at + PIECE]))
        shown.append(time.perf_counter() - began)
    return sent, shown


async def first_texts(gates: GateFactory, times: int) -> list[float]:
    """Seconds from a model's first token, whose last word could become no phrase, until a follower has it,
    stored."""
    said: list[float] = []

    def script(_: Request) -> list[str]:
        said.append(time.perf_counter())
        return ["The sea. ", "Calm."]

    spec = ModelSpec(name="echo", kind="echo", titles=False)
    models = Models([spec], lambda _: EchoBackend(script=script))
    waits = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'chat.db'}")
        turns = Turns(store, models, renderer=PlainRenderer(), gates=gates)
        await turns.open()
        owner = store.local_owner().id
        for number in range(times):
            begun = await turns.start(owner, Ask("send", f"key {number}", text="Tell me."))
            async for event in turns.follow(owner, begun.reply.id):
                if isinstance(event, Delta) and event.seq == 1:
                    waits.append(time.perf_counter() - said[-1])
        await turns.aclose()
        await models.aclose()
        store.close()
    return waits


async def growth(moderators: list[Moderator]) -> tuple[float, float]:
    """Seconds for the first and the last thousand pieces of a long reply."""
    gate, reply = (
        (await Moderation(moderators, quiet).prepare(Context("prompt", "owner"), ASKED)).gate,
        text(CHARS * 10, 2),
    )
    took = []
    for at in range(0, len(reply), PIECE):
        began = time.perf_counter()
        await gate.feed(TextDelta(reply[at : at + PIECE]))
        took.append(time.perf_counter() - began)
    return sum(took[:1000]), sum(took[-1000:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--times", type=int, default=200)
    asyncio.run(run(parser.parse_args().times))


if __name__ == "__main__":
    main()
