"""Moderators that ask a service or a model: what is sent, what is believed, and how little is held back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.types import Message, ReasoningDelta, Request, TextDelta
from tests.scripted_endpoint import ScriptedEndpoint
from webchat.moderation import Blocked, Context, Decision, Moderation
from webchat.moderation.filters import Moderator
from webchat.moderation.kinds.endpoint import Category, Endpoint, EndpointSettings
from webchat.moderation.kinds.guard import (
    AskEndpoint,
    Guard,
    GuardSettings,
    Unclear,
    parse_llama_guard,
    parse_qwen3guard,
)
from webchat.moderation.kinds.phrases import Phrases
from webchat.moderation.matching import Rule
from webchat.moderation.testing import Outcome, check_moderator, cut, outcome
from webchat.moderation.verdicts import Action, Stage
from webchat.moderation.windows import LEAST, OVERLAP, SLACK, window_end

EVERY: tuple[Stage, ...] = ("input", "prompt", "output", "stored")
KEY = "key-that-nobody-may-see"


class Service:
    """A moderation service that finds `bad` violent and `worse` more so. It keeps what it was asked."""

    def __init__(self, change: Callable[[dict[str, Any]], Any] = lambda answer: answer) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[httpx.Headers] = []
        self.status = 200
        self.wait = 0.0
        self._change = change

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self.wait)
        body = json.loads(request.content)
        self.asked.append(body)
        self.headers.append(request.headers)
        score = 0.9 if "worse" in body["input"] else 0.6 if "bad" in body["input"] else 0.01
        result = {
            "flagged": score > 0.5,
            "categories": {"violence": score > 0.5, "hate": False},
            "category_scores": {"violence": score, "hate": 0.02},
        }
        return httpx.Response(self.status, json=self._change({"results": [result]}))


def endpoint(service: Service, action: Action = "block", **options: Any) -> Endpoint:
    stages, fail = options.pop("stages", EVERY), options.pop("fail", "closed")
    return Endpoint(
        Rule("service", action, sentence="Not here.", own=True),
        "http://service.test/v1",
        EndpointSettings(**options),
        api_key=KEY,
        transport=httpx.MockTransport(service),
        stages=stages,
        fail=fail,
    )


class Models:
    """Guard models that say `unsafe` of what holds `bad`. They keep what they were asked."""

    def __init__(self, unsafe: str = "Safety: Unsafe\nCategories: Violent", safe: str | None = None) -> None:
        self.unsafe = unsafe
        self.safe = safe or "Safety: Safe\nCategories: None"
        self.asked: list[tuple[str, Request]] = []
        self.shared: tuple[str, str] | None = None

    async def __call__(self, model: str, request: Request) -> str:
        self.asked.append((model, request))
        return self.unsafe if "bad" in request.messages[-1].text else self.safe

    def waits(self, model: str, writer: str) -> bool:
        return (model, writer) == self.shared


def guard(models: Models, action: Action = "block", **options: Any) -> Guard:
    stages, fail = options.pop("stages", EVERY), options.pop("fail", "closed")
    settings = GuardSettings(**options)
    return Guard(Rule("guard", action), models, "guardian", settings, stages=stages, fail=fail)


LONG = "".join(f"It is calm on day {day}. " for day in range(100))
TEXTS = (
    "",
    "bad",
    "all is well",
    "First comes this sentence. Then the bad one. And a last one.",
    "第一句没有问题。然后说 bad 的话！最后一句。",
    "no end of a sentence " * 17 + "bad",
    "It is calm. " * 12 + "It is bad. " + "It is calm. " * 4,
    "e.g. this, 3.14 and...  so on?! \n\n bad\n",
    "b\u0301ad 👩\u200d🚀 worse. x",
)


# What they do with an action is the same code.
@pytest.mark.parametrize(
    "moderator",
    [
        endpoint(Service(), "flag"),
        guard(Models(), "mask"),
        endpoint(Service(), "replace"),
        guard(Models(), "block"),
    ],
    ids=lambda moderator: f"{moderator.name}-{moderator.action}",
)
async def test_moderators_that_ask_keep_the_laws(moderator: Moderator) -> None:
    stages: tuple[Stage, ...] = ("input", "output")
    assert await check_moderator(moderator, TEXTS, stages=stages, chunkings=20) > 1000


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["bad", ". ", "。", "well ", "\n", "!", "”", "x" * 70, " ", "。。", "..."]),
        max_size=25,
    ),
    st.lists(st.integers(0, 2000), max_size=8),
)
async def test_the_windows_depend_on_the_text_alone(parts: list[str], places: list[int]) -> None:
    text = "".join(parts)
    service = Service()
    whole = await outcome([endpoint(service, "mask")], [text])
    asked = [body["input"] for body in service.asked]
    for pieces in (cut(text, places), list(text)):
        again = Service()
        assert await outcome([endpoint(again, "mask")], pieces) == whole
        assert [body["input"] for body in again.asked] == asked


async def test_a_window_is_never_long_and_is_read_with_what_came_before() -> None:
    service = Service()
    chain = endpoint(service).open(Context("output"), lambda _: None)
    most = 0
    for char in "no end of a sentence here " * 60:
        await chain.feed(char)
        most = max(most, len(chain.held))
    await chain.finish()
    assert most <= LEAST + SLACK + 1
    assert all(len(body["input"]) <= OVERLAP + LEAST + SLACK for body in service.asked)
    for before, after in zip(service.asked, service.asked[1:], strict=False):
        assert after["input"].startswith(before["input"][-OVERLAP:])


def test_a_window_ends_with_a_sentence() -> None:
    assert window_end("Hello there, my friend. How", 20) == len("Hello there, my friend. ")
    assert window_end("Hello there, my friend.", 20) == 0, "it could be the point of a number"
    assert window_end("这是一个很长很长很长很长很长很长的句子。然", 10) == 20
    assert window_end("word " * 100, 160) == 480


async def test_what_begins_in_one_window_and_ends_in_the_next_is_read_in_one() -> None:
    asked = Service()
    text = "Something ends with wor. se is what follows here, and that goes on and on."
    assert (await outcome([endpoint(asked)], text)).blocked is None
    assert "wor. se" in asked.asked[-1]["input"]


async def test_the_first_words_wait_for_a_sentence_and_no_longer() -> None:
    chain = endpoint(Service()).open(Context("output"), lambda _: None)
    released = [await chain.feed(piece) for piece in ("A short sentence, ", "it is. ", "Next one")]
    assert released == ["", "A short sentence, it is. ", ""]


async def test_what_is_written_is_read_whole_and_once() -> None:
    service = Service()
    moderation = Moderation([endpoint(service)], lambda _: None)
    text = "One sentence. Another one. " * 50
    for _ in range(3):
        assert await moderation.review(Context("input"), text) == text
    assert [body["input"] for body in service.asked] == [text]


async def test_a_very_long_text_is_read_in_parts() -> None:
    service = Service()
    text = "word " * 20_000
    assert await Moderation([endpoint(service)], lambda _: None).review(Context("input"), text) == text
    assert max(len(body["input"]) for body in service.asked) < 13_000


async def test_the_request_is_the_services_and_the_key_is_nowhere_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    service = Service()
    moderator = endpoint(service, model="omni")
    told: list[Decision] = []
    with pytest.raises(Blocked) as blocked:
        await Moderation([moderator], told.append).review(Context("input", "me"), "something bad")
    assert (blocked.value.rule, blocked.value.verdict.sentence) == ("service.violence", "Not here.")
    assert service.asked == [{"model": "omni", "input": "something bad"}]
    assert service.headers[0]["authorization"] == f"Bearer {KEY}"
    assert [(one.moderator, one.finding.detail) for one in told] == [("service", "violence 0.60")]
    service.status = 500
    with pytest.raises(Blocked):
        await Moderation([moderator]).review(Context("input", "me"), "something else")
    assert KEY not in caplog.text + repr(vars(blocked.value)) + repr(told)
    assert "something" not in caplog.text


@pytest.mark.parametrize(
    ("options", "text", "rule"),
    [
        ({}, "bad", "service.violence"),
        ({"threshold": 0.8}, "bad", None),
        ({"threshold": 0.8}, "worse", "service.violence"),
        ({"threshold": 0.005}, "fine", "service.violence"),
        ({"categories": {"hate": Category(action="block")}}, "worse", None),
        ({"categories": {"hate": Category(action="block", threshold=0.01)}}, "fine", "service.hate"),
        ({"categories": {"violence": Category(action="flag")}}, "worse", None),
    ],
)
async def test_categories_and_scores_decide_as_the_rules_say(
    options: dict[str, Any], text: str, rule: str | None
) -> None:
    assert (await outcome([endpoint(Service(), **options)], text)).blocked == rule


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        "safe",
        {"results": []},
        {"results": [{"flagged": False}]},
        {"results": [{"flagged": False, "categories": 3}]},
        {"error": {"message": "over quota"}},
    ],
)
async def test_an_answer_of_another_form_is_no_opinion(answer: Any) -> None:
    strange = Service(lambda _: answer)
    assert (await outcome([endpoint(strange)], "fine")) == Outcome("", "service.failed")
    opened = await outcome([endpoint(strange, fail="open")], "fine")
    assert opened == Outcome("fine", None)
    assert [finding.detail for finding in opened.findings] == ["gave no opinion"]


async def test_each_look_has_its_own_time() -> None:
    service = Service()
    service.wait = 0.05
    assert (await outcome([endpoint(service, seconds=0.3)], [LONG])).released == LONG
    assert len(service.asked) * service.wait > 0.4, "all together they took longer than one may"


async def test_one_look_that_takes_too_long_is_closed_or_open_and_the_next_are_looked_at() -> None:
    service = Service()
    service.wait = 60
    assert await outcome([endpoint(service, seconds=0.05)], "fine") == Outcome("", "service.failed")
    assert await outcome([endpoint(service, seconds=0.05, fail="open")], "fine") == Outcome("fine", None)

    class OnceSlow(Service):
        looks = 0

        async def __call__(self, request: httpx.Request) -> httpx.Response:
            self.looks += 1
            self.wait = 60 if self.looks == 1 else 0
            return await super().__call__(request)

    again = OnceSlow()
    text = "This first sentence is not read. " + "This one is bad, and it is read."
    seen = await outcome([endpoint(again, seconds=0.05, fail="open")], [text])
    assert (seen.released, seen.blocked) == ("This first sentence is not read. ", "service.violence")


async def test_a_reply_that_is_stopped_loses_nothing_that_was_passed() -> None:
    service = Service()
    chain = endpoint(service).open(Context("output"), lambda _: None)
    service.wait = 0.02
    task = asyncio.create_task(
        chain.feed("This sentence has an end. " + "So has this one, " * 12 + "here. And")
    )
    while len(service.asked) < 1:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rest = await chain.finish()
    assert isinstance(rest, str)
    assert rest.startswith("This sentence has an end. So has this one")


@pytest.mark.parametrize(
    "url", ["", "service", "ftp://service.test", "http://me:secret@service.test/v1", "http://"]
)
def test_an_address_that_cannot_be_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="url") as refused:
        Endpoint(Rule("s", "block"), url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Safety: Safe\nCategories: None", ("safe", ())),
        ("Safety: Unsafe\nCategories: Violent, PII", ("unsafe", ("Violent", "PII"))),
        (
            "Safety: Controversial\nCategories: Unethical Acts\nRefusal: No",
            ("controversial", ("Unethical Acts",)),
        ),
        ("\n  safety:  UNSAFE", ("unsafe", ())),
        ("", None),
        ("I cannot help with that.", None),
        ("Safety: Fine", None),
        ("It is safe", None),
        ("Safety: Safe\nSafety: Unsafe", None),
        ("x Safety: Safe", None),
    ],
)
def test_answers_of_qwen3guard(answer: str, said: object) -> None:
    if said is None:
        with pytest.raises(Unclear):
            parse_qwen3guard(answer)
    else:
        assert parse_qwen3guard(answer) == said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("safe", ("safe", ())),
        ("\n\nsafe\n", ("safe", ())),
        ("unsafe\nS1,S10", ("unsafe", ("S1", "S10"))),
        ("unsafe", ("unsafe", ())),
        ("", None),
        ("safe\nS1", None),
        ("safely", None),
        ("This is unsafe", None),
    ],
)
def test_answers_of_llama_guard(answer: str, said: object) -> None:
    if said is None:
        with pytest.raises(Unclear):
            parse_llama_guard(answer)
    else:
        assert parse_llama_guard(answer) == said


async def through_gate(moderator: Guard, request: Request, *said: TextDelta | ReasoningDelta) -> str | None:
    prepared = await Moderation([moderator], lambda _: None).prepare(Context("prompt", model="w"), request)
    released = await prepared.gate.finish(*said)
    return None if released.verdict is None else released.verdict.rule


async def test_a_guard_reads_a_message_alone_and_a_reply_with_what_it_answers() -> None:
    models = Models()
    moderator = guard(models, stages=("input", "output"))
    await Moderation([moderator]).review(Context("input"), "hello")
    asked = Request((Message("system", "be kind"), Message("user", "first"), Message("user", "how?")))
    assert await through_gate(moderator, asked, TextDelta("like this")) is None
    assert [request.messages for _, request in models.asked] == [
        (Message("user", "hello"),),
        (Message("user", "how?"), Message("assistant", "like this")),
    ]
    assert {model for model, _ in models.asked} == {"guardian"}
    assert all(request.sampling.temperature == 0 for _, request in models.asked)


@pytest.mark.parametrize(
    ("answer", "options", "rule"),
    [
        ("Safety: Unsafe\nCategories: Violent", {}, "guard.violent"),
        ("Safety: Unsafe", {}, "guard.unsafe"),
        ("Safety: Controversial\nCategories: Violent", {}, None),
        ("Safety: Controversial\nCategories: Violent", {"controversial": "block"}, "guard.violent"),
        ("Safety: Unsafe\nCategories: Violent", {"categories": {"Violent": "flag"}}, None),
        ("Safety: Unsafe\nCategories: Violent, PII", {"categories": {"PII": "allow"}}, "guard.violent"),
        ("unsafe\nS1", {"style": "llama-guard"}, "guard.s1"),
        ("unsafe\nS6", {"style": "llama-guard", "categories": {"S6": "allow"}}, None),
        ("Unsafe, I think", {}, "guard.failed"),
        ("Unsafe, I think", {"fail": "open"}, None),
    ],
)
async def test_severities_and_categories_decide_as_the_rules_say(
    answer: str, options: dict[str, Any], rule: str | None
) -> None:
    seen = await outcome([guard(Models(answer), **options)], "something bad")
    assert seen.blocked == rule
    if rule is None:
        assert seen.released == "something bad"


async def test_a_guard_never_waits_for_the_reply_that_waits_for_it() -> None:
    models = Models()
    models.shared = ("guardian", "w")
    asked = Request((Message("user", "how?"),))
    assert await through_gate(guard(models, stages=("output",)), asked, TextDelta("so")) == "guard.failed"
    assert models.asked == []
    assert await Moderation([guard(models)]).review(Context("input", model="w"), "fine") == "fine"


async def test_lists_and_guards_are_one_chain_in_either_order() -> None:
    lists = Phrases("words", {"calm": Rule("words", "mask")})
    text = "It is calm in the harbour. " + "And it is bad outside of it."
    chains: list[list[Moderator]] = [[guard(Models()), lists], [lists, guard(Models())]]
    for chain in chains:
        for pieces in ([text], list(text)):
            seen = await outcome(chain, pieces)
            assert (seen.released, seen.blocked) == ("It is *** in the harbour. ", "guard.violent")


async def test_a_service_over_a_real_connection() -> None:
    async with ScriptedEndpoint(flags={"bad": "violence"}) as server:
        service = Endpoint(Rule("service", "block"), server.url, api_key=KEY, stages=["input", "output"])
        try:
            text = "All is well in the harbour. And then a bad thing comes."
            assert (await outcome([service], list(text))) == Outcome(
                "All is well in the harbour. ", "service.violence"
            )
            assert server.moderated == ["All is well in the harbour. ", text]
        finally:
            await service.aclose()
    assert await outcome([service], "fine") == Outcome("", "service.failed"), "nobody is there any more"
    await service.aclose()


async def test_a_guard_over_a_real_connection() -> None:
    said = {
        "hello": "text=" + quote("Safety: Safe\nCategories: None"),
        "a bad word": "text=" + quote("Safety: Unsafe\nCategories: Violent, PII"),
    }
    async with ScriptedEndpoint(answers=said) as server:
        ask = AskEndpoint(server.url)
        reader = Guard(Rule("guard", "block"), ask, "scripted", stages=["input"])
        context = Context("input", trial=True)
        assert await outcome([reader], "hello", context) == Outcome("hello", None)
        assert (await outcome([reader], "a bad word", context)).blocked == "guard.violent"
        assert (await outcome([reader], "anything", context)).blocked == "guard.failed"
        assert server.calls[0].body["messages"] == [{"role": "user", "content": "hello"}]
        await reader.aclose()
