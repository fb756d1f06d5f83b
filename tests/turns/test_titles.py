"""Titles: from the model, after the first reply, in nobody's way, and never over a person's own."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from backends.echo import Delay, EchoBackend, Step
from backends.errors import Unavailable
from backends.types import Request
from tests.turns.conftest import Bench, MakeBench, until
from webchat.turns.titles.making import EXCERPT_CHARS, INSTRUCTION, excerpt


def titled(*title: Step) -> EchoBackend:
    """Answers `Fine.`, and requests for a title with `title`."""

    def script(request: Request) -> Iterable[Step]:
        return title if request.messages[-1].text.startswith(INSTRUCTION) else ["Fine."]

    return EchoBackend(script=script)


def title(at: Bench, conversation_id: str) -> tuple[str, str]:
    conversation = at.store.conversation(at.owner, conversation_id)
    return conversation.title, conversation.title_by


async def test_the_model_names_the_conversation_after_the_first_reply(bench: MakeBench) -> None:
    backend = titled('"Weather in', ' Paris."\n')
    async with bench(backend, titles=True) as at:
        reply = await at.say("How is the weather in Paris today?")
        await until(lambda: title(at, reply.conversation_id)[1] == "model")
        assert title(at, reply.conversation_id) == ("Weather in Paris", "model")
        assert backend.requests[-1].sampling.max_tokens is not None
        await at.say("And now?", conversation_id=reply.conversation_id, parent_id=reply.id)
        await at.at_rest()
        assert len(backend.requests) == 3


async def test_a_model_too_small_to_name_anything_is_not_asked(bench: MakeBench) -> None:
    backend = titled("The answer is")
    async with bench(backend, titles=True, names=False) as at:
        reply = await at.say("Hello there")
        await at.at_rest()
        assert len(backend.requests) == 1
        assert title(at, reply.conversation_id) == ("Hello there", "auto")


async def test_a_persons_title_stays(bench: MakeBench) -> None:
    async with bench(titled(Delay(0.1), "Model's"), titles=True) as at:
        reply = await at.say("Hello")
        at.store.update_conversation(at.owner, reply.conversation_id, title="Mine", title_by="user")
        await at.at_rest()
        assert title(at, reply.conversation_id) == ("Mine", "user")


@pytest.mark.parametrize("step", [Unavailable("Off."), "", "word " * 40, "Here is a title:", '{"title": ""}'])
async def test_without_a_usable_title_the_first_words_stay(bench: MakeBench, step: Step) -> None:
    backend = titled(step)
    async with bench(backend, titles=True) as at:
        reply = await at.say("Hello there")
        await at.at_rest()
        assert len(backend.requests) == 2
        assert title(at, reply.conversation_id) == ("Hello there", "auto")
        assert at.turns.accepting


async def test_a_turn_that_wants_the_model_ends_the_title(bench: MakeBench) -> None:
    backend = titled(Delay(60))
    async with bench(backend, titles=True) as at:
        reply = await at.say("Hello")
        await until(lambda: len(backend.requests) == 2)
        assert backend.live == 1
        after = await at.say("Next", conversation_id=reply.conversation_id, parent_id=reply.id)
        assert after.state == "complete"
        await until(lambda: len(backend.requests) == 4)
        assert backend.live == 1  # of the second try; the first was closed


@pytest.mark.parametrize("number", ["13812345678", "+44 20 7946 0958", "ada.lovelace@example.com"])
def test_what_a_title_is_made_of_ends_with_a_whole_number_or_before_it(number: str) -> None:
    for before in range(EXCERPT_CHARS - 30, EXCERPT_CHARS + 1):
        filled = "我" * before
        cut = excerpt(f"{filled}{number}。后面还有很多字，" + "字" * 50)
        assert cut.startswith(filled[:EXCERPT_CHARS])
        said = cut[len(filled) :]
        assert said.startswith(number) or not said.strip("+"), said
    assert excerpt("short " + number) == "short " + number
