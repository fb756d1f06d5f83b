"""Guard models of the picker: asked through the models themselves, and never in a way that waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from backends.echo import EchoBackend
from backends.llamacpp.demo import DemoBackend
from backends.options import LlamaCppOptions
from backends.types import Message, Request
from tests.turns.conftest import MakeBench, until
from tests.turns.held import Held
from webchat.models import Models, ModelSpec
from webchat.moderation import Context, Moderation, OpenGates, Prepared
from webchat.moderation.kinds.guard import Guard, GuardSettings
from webchat.moderation.matching import Rule
from webchat.moderation.verdicts import Stage
from webchat.turns import MessageBlocked, Status
from webchat.turns.gates.guards import AskModels, check_guards, hiding

SAFE = "Safety: Safe\nCategories: None"
UNSAFE = "Safety: Unsafe\nCategories: Violent"


class Engine(EchoBackend):
    """An echo with slots, perhaps of an engine that it shares."""

    def __init__(
        self, model: str, *, slots: int | None, engine: str | None = None, script: str = SAFE
    ) -> None:
        super().__init__(model, script=[script])
        self.capabilities = replace(self.capabilities, slots=slots, engine=engine)


def guard(models: Models, *stages: Stage, model: str = "guard") -> Guard:
    stages = stages or ("input", "output")
    return Guard(Rule("guard", "block"), AskModels(models), model, GuardSettings(seconds=5), stages=stages)


@asynccontextmanager
async def models_of(*backends: EchoBackend) -> AsyncIterator[Models]:
    chosen = {backend.model: backend for backend in backends}
    models = Models([ModelSpec(name=name, kind="echo") for name in chosen], lambda spec: chosen[spec.name])
    yield models
    await models.aclose()


async def test_a_guard_of_the_picker_is_asked_and_believed(bench: MakeBench) -> None:
    def judge(request: Request) -> list[str]:
        return [UNSAFE if "bad" in request.messages[-1].text else SAFE]

    writer = EchoBackend("writer", script=["All is well in this harbour.", " Then a bad", " thing is said."])
    reader = EchoBackend("guard", script=judge)
    async with models_of(writer, reader) as models:
        moderation = Moderation([guard(models)])
        assert check_guards(moderation.moderators, models) is None
        async with bench(writer, reader, gates=moderation) as at:
            reply = await at.say("hello", model="writer")
            assert (reply.state, reply.text) == ("blocked", "All is well in this harbour. ")
            with pytest.raises(MessageBlocked):
                await at.ask(text="something bad")


@pytest.mark.parametrize(
    ("stages", "slots", "engine", "said"),
    [
        (("input", "output"), 1, None, None),
        (("input", "output"), 1, "one", "shares its slots"),
        (("input", "output"), 8, "one", "shares its slots"),
        (("input", "output"), None, "one", None),
        (("input", "prompt"), 1, "one", None),
    ],
)
async def test_a_guard_that_would_wait_for_its_reply_is_refused_at_the_start(
    stages: tuple[Stage, ...], slots: int | None, engine: str | None, said: str | None
) -> None:
    writer, reader = Engine("writer", slots=slots, engine=engine), Engine("guard", slots=slots, engine=engine)
    async with models_of(writer, reader) as models:
        refused = check_guards([guard(models, *stages)], models)
        assert refused is None if said is None else said in (refused or "")


async def test_a_guard_that_is_the_only_model_or_none_is_refused_at_the_start() -> None:
    async with models_of(Engine("only", slots=2)) as models:
        assert "shares its slots" in (check_guards([guard(models, model="only")], models) or "")
        unknown = check_guards([guard(models)], models) or ""
        assert 'model = "guard": there is no such model; available: only' in unknown
        assert check_guards([guard(models, "input", model="only")], models) is None


async def test_who_chooses_the_guard_as_the_writer_is_told_and_waits_for_nothing(bench: MakeBench) -> None:
    writer, reader = Engine("writer", slots=1), Engine("guard", slots=1)
    async with (
        models_of(writer, reader) as models,
        bench(writer, reader, gates=Moderation([guard(models, "output")])) as at,
    ):
        reply = await at.say("hello", model="guard")
        assert (reply.state, reply.text) == ("blocked", "")
        assert reply.failure is not None
        assert reply.failure.params["rule"] == "guard.failed"
        assert (await at.say("hello", model="writer")).state == "complete"


@pytest.mark.parametrize(("masking", "sees"), [("off", "call 13812345678"), ("remote", "call [PHONE_1]")])
async def test_a_guard_elsewhere_is_not_told_what_is_personal(
    masking: Literal["off", "remote"], sees: str
) -> None:
    reader = EchoBackend("guard", script=[SAFE])
    models = Models([ModelSpec(name="guard", kind="echo", remote=True)], lambda _: reader)
    asked = Guard(Rule("guard", "block"), AskModels(models, masking), "guard", GuardSettings(seconds=5))
    trial = await Moderation([asked], lambda _: None).trial(Context("input"), "call 13812345678")
    assert trial.result == "call 13812345678"
    assert sees in reader.requests[-1].messages[-1].text
    await models.aclose()


async def test_a_real_model_that_is_no_guard_is_not_believed(demo_gguf: Path) -> None:
    models = Models(
        [ModelSpec(name="demo", kind="llamacpp")], lambda _: DemoBackend(LlamaCppOptions(demo_gguf.parent))
    )
    asks = AskModels(models)
    try:
        moderation = Moderation([Guard(Rule("guard", "block"), asks, "demo", GuardSettings(seconds=60))])
        trial = await moderation.trial(Context("input"), "Hello, how are you?")
        assert trial.verdict is not None
        assert trial.verdict.rule == "guard.failed"
        assert trial.decisions[0].finding.detail == "gave no opinion"
        assert asks.waits("demo", "demo"), "a GGUF has slots"
    finally:
        await models.aclose()


def test_a_guard_elsewhere_reads_placeholders() -> None:
    request = Request((Message("user", "call 13800138000"),))
    elsewhere, here = "https://guard.example.com/v1", "http://127.0.0.1:8000/v1"
    assert "13800138000" not in hiding("remote")(elsewhere, request).messages[0].text
    assert hiding("remote")(here, request) == hiding("off")(elsewhere, request) == request
    assert "13800138000" not in hiding("always")(here, request).messages[0].text


async def test_what_is_asked_before_a_model_writes_takes_none_of_its_slots(bench: MakeBench) -> None:
    writer, reader = Held(), EchoBackend("guard", script=[SAFE])
    async with models_of(writer, reader) as models:
        gates = Moderation([guard(models, "prompt")])
        async with bench(writer, reader, gates=gates) as at:
            first = await at.ask(text="1", model="echo")
            await writer.writes("1")
            second = await at.ask(text="2", model="echo")
            # The only slot is taken, and yet the guard has read what the second is asked.
            await until(lambda: any("2" in request.messages[-1].text for request in reader.requests))
            async for event in at.turns.follow(at.owner, second.reply.id):
                if isinstance(event, Status) and event.place == 1:
                    break
            writer.go["1"].set()
            writer.go["2"].set()
            assert [(await at.end(one)).text for one in (first, second)] == ["begun 1", "begun 2"]


async def test_a_reply_stopped_while_a_moderator_reads_its_prompt_never_had_a_slot(bench: MakeBench) -> None:
    reads = asyncio.Event()

    class Slow(OpenGates):
        async def prepare(self, context: Context, request: Request) -> Prepared:
            reads.set()
            await asyncio.Event().wait()
            raise AssertionError

    writer = Held()
    async with bench(writer, gates=Slow()) as at:
        begun = await at.ask(text="1")
        await reads.wait()
        await at.turns.stop(at.owner, begun.reply.id)
        assert (await at.end(begun)).state == "stopped"
        assert writer.order == []
        assert at.store.provenance(at.owner, begun.reply.id).queued_seconds is None
