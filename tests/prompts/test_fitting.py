"""A conversation longer than the window: whole turns are left out, the newest and the system prompt stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.base import Capabilities, collect
from backends.errors import ContextTooLong
from backends.openai_compat import OpenAICompatBackend
from backends.options import EndpointOptions
from backends.types import Message, Request, Sampling
from tests.llama_server import LlamaServer, llama_server
from webchat.prompts import Fitting, PlainRenderer, Rendered, Scene
from webchat.prompts.fitting import first_kept, reserved
from webchat.store.records import PathMessage

__all__ = ["llama_server"]  # a fixture

KEY = ("conversation", "model")


def path(*lengths: int) -> list[PathMessage]:
    """Questions and replies in turn, of these lengths."""
    roles = ("user", "assistant")
    return [
        PathMessage(f"m{i}", roles[i % 2], "x" * length, "complete")  # type: ignore[arg-type]
        for i, length in enumerate(lengths)
    ]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=30), st.integers(-10, 1000))
def test_what_is_kept_begins_with_a_question_ends_with_the_newest_and_fits(
    lengths: list[int], room: int
) -> None:
    stored = path(*lengths)
    start = first_kept(stored, room)
    kept = stored[start:]
    assert kept
    assert kept[0].role == "user"
    assert kept[-1] is stored[-1]
    last_question = max(index for index, message in enumerate(stored) if message.role == "user")
    assert sum(len(message.text) for message in kept) <= room or start == last_question
    assert start == 0 or sum(lengths) > room, "nothing is left out without need"


def test_the_beginning_stays_for_some_turns_so_that_engines_remember_it() -> None:
    starts = [first_kept(path(*[50] * turns), 1000) for turns in range(1, 120, 2)]
    assert starts == sorted(starts)
    changes = sum(before != after for before, after in pairwise(starts))
    assert changes <= 120 * 50 / (0.3 * 1000) + 1


def test_the_system_prompt_is_sent_whatever_is_left_out() -> None:
    scene = Scene(path(100, 100, 100, 100, 10), Capabilities(), system_prompt="Be kind.", room=150)
    rendered = PlainRenderer().render(scene)
    assert [message.role for message in rendered.request.messages] == ["system", "user"]
    assert rendered.left_out == 4
    assert rendered.prompt[-1] == {"path": "m4", "count": 1}


def request(length: int) -> Request:
    return Request((Message("user", "x" * length),))


@dataclass
class Counting:
    """A model with this window and tokenizer."""

    window: int | None
    tokens: Callable[[str], int] | None
    counted: int = 0

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(context_length=self.window)

    async def count(self, request: Request) -> int | None:
        self.counted += 1
        return None if self.tokens is None else count(self.tokens, request)


def count(tokens: Callable[[str], int], request: Request) -> int:
    return sum(tokens(message.text) + 4 for message in request.messages) + 3


TOKENIZERS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "characters": len,
    "bytes": lambda text: len(text.encode()),
    "pairs": lambda text: (len(text) + 1) // 2,
    # As byte-pair tokenizers without Chinese: a word is a token or two, an ideograph is three.
    "mixed": lambda text: sum(3 if char > "\u2e80" else 0.3 for char in text).__ceil__(),
}
SAID = st.text(st.sampled_from("abcdefgh   中文字，。\n1é"), max_size=120)
EXCHANGES = st.lists(st.tuples(SAID.filter(str.strip), SAID), min_size=1, max_size=25)


def conversation(exchanges: Sequence[tuple[str, str]]) -> list[PathMessage]:
    """What was said, and last of all a question."""
    said = [text for exchange in exchanges for text in exchange][:-1]
    roles = ("user", "assistant")
    return [PathMessage(f"m{i}", roles[i % 2], text, "complete") for i, text in enumerate(said)]  # type: ignore[arg-type]


def rendering(path: Sequence[PathMessage], start: int = 0) -> Callable[[int | None], Rendered]:
    scene = Scene(path, Capabilities(), system_prompt="Be kind.", start=start)
    return lambda room: PlainRenderer().render(replace(scene, room=room))


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@settings(deadline=None)
@given(exchanges=EXCHANGES, window=st.integers(60, 3000))
async def test_what_is_sent_is_never_over_the_window(
    tokenizer: str, exchanges: list[tuple[str, str]], window: int
) -> None:
    tokens = TOKENIZERS[tokenizer]
    path = conversation(exchanges)
    sent = await Fitting().fit(KEY, Counting(window, tokens), rendering(path))
    messages = sent.request.messages
    assert messages[0] == Message("system", "Be kind.")
    assert messages[1].role == "user", "a reply is never sent without its question"
    assert messages[-1].text.endswith(path[-1].text)
    if sent.left_out:
        assert sent.first_sent == path[sent.left_out].id
        whole = rendering(path)(None)
        assert count(tokens, whole.request) > window - reserved(window, None), "left out without need"
    alone = rendering(path, start=len(path) - 1)(None)
    fits = count(tokens, alone.request) <= window - reserved(window, None)
    assert count(tokens, sent.request) <= window - reserved(window, None) or not fits


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
async def test_a_conversation_keeps_its_beginning_for_some_turns(tokenizer: str) -> None:
    """Else engines that remember what they have read would read all of it again at every turn."""
    fitting, model, starts = Fitting(), Counting(900, TOKENIZERS[tokenizer]), []
    for turns in range(1, 80):
        said = [("question " * (turn % 7 + 1), "reply 中文 " * (turn % 5 + 1)) for turn in range(turns)]
        path = conversation(said)
        sent = await fitting.fit(KEY, model, rendering(path, fitting.start(KEY, path, model.window)))
        tokens = count(TOKENIZERS[tokenizer], sent.request)
        assert tokens <= 900
        fitting.began(KEY, sent.first_sent)
        fitting.learn(KEY, sent.request, tokens, ("", 0))
        starts.append(sent.left_out)
    assert starts == sorted(starts)
    assert len(set(starts)) < len(starts) / 2


async def test_a_short_conversation_is_not_counted_and_one_without_a_window_neither() -> None:
    model = Counting(8000, len)
    assert await Fitting().room(KEY, request(3000), model) is None
    assert model.counted == 0
    assert await Fitting().room(KEY, request(7000), model) is not None
    assert await Fitting().room(KEY, request(10**6), Counting(None, len)) is None


async def test_an_endpoint_that_counts_nothing_is_estimated_from_its_last_prompt() -> None:
    fitting, model = Fitting(), Counting(8000, None)
    assert await fitting.room(KEY, request(50_000), model) is None, "nothing is known"
    fitting.learn(KEY, request(40_000), 8000 * 2)
    room = await fitting.room(KEY, request(50_000), model)
    assert room is not None
    assert 0.4 * room <= 8000 - reserved(8000, None)
    assert await fitting.room(("other", "model"), request(50_000), model) is None


@pytest.mark.parametrize("params", [{}, {"tokens": 0, "limit": 5}, {"tokens": "many"}])
def test_a_refusal_without_numbers_makes_it_shorter_too(params: dict[str, int | str]) -> None:
    assert Fitting().refused(KEY, request(1000), ContextTooLong("Long.", params=params)) == 600


def test_each_refusal_makes_it_shorter() -> None:
    fitting, length = Fitting(), 10_000
    for _ in range(5):
        error = ContextTooLong("Long.", params={"tokens": length, "limit": 20_000})
        shorter = fitting.refused(KEY, request(length), error)
        assert shorter < length
        length = shorter


async def test_the_estimate_is_within_two_percent_of_what_an_endpoint_counts(
    llama_server: LlamaServer,
) -> None:
    """Once a conversation of each kind has been told of; asked of a real server."""
    backend = OpenAICompatBackend(EndpointOptions(llama_server.url, llama_server.model))
    texts = (
        "The keeper of the lighthouse wrote a letter home every evening, and nobody ever answered it. " * 3,
        "守灯塔的人每天晚上都给家里写一封信，可是从来没有人回信。" * 2,
        "def fold(xs, f, start):\n    for x in xs:\n        start = f(start, x)\n    return start\n" * 2,
    )
    fitting, off = Fitting(), []
    for number in range(2):
        key = (f"conversation {number}", "model")
        messages: tuple[Message, ...] = (Message("system", "Be brief."),)
        for turn in range(16 if number else 6):
            messages = (*messages, Message("user", texts[(turn + number) % 3] + f" {number * turn}"))
            asked = Request(messages, Sampling(max_tokens=2, temperature=0.0))
            estimated = fitting.estimate(key, asked)
            said = await collect(backend.stream(asked))
            assert said.usage is not None
            if number > 0 and said.usage.prompt_tokens > 800:
                assert estimated is not None
                off.append(abs(estimated - said.usage.prompt_tokens) / said.usage.prompt_tokens)
            fitting.learn(key, asked, said.usage.prompt_tokens, (said.text, said.usage.completion_tokens))
            messages = (*messages, Message("assistant", said.text))
    await backend.aclose()
    assert len(off) >= 4
    assert max(off) <= 0.02, off
