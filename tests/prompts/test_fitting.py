"""A conversation longer than the window: whole turns are left out, the newest and the system prompt stay."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.base import Capabilities
from backends.errors import ContextTooLong
from backends.types import Message, Request
from webchat.prompts import Fitting, PlainRenderer, Scene
from webchat.prompts.fitting import LONG_ENOUGH, first_kept
from webchat.store.records import PathMessage

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


def test_the_room_is_the_window_less_the_reply_in_the_tokens_of_the_last_prompt() -> None:
    fitting, takes = Fitting(), Capabilities(context_length=8000)
    assert fitting.room(KEY, takes, None) is None
    fitting.learn(KEY, request(LONG_ENOUGH - 1), 10)
    assert fitting.room(KEY, takes, None) is None, "a short prompt says nothing"
    fitting.learn(KEY, request(4000), 1000)
    assert fitting.room(KEY, takes, None) == int((8000 - 1024) / (0.25 * 1.05))
    assert fitting.room(KEY, takes, 100) == int((8000 - 100) / (0.25 * 1.05))
    assert fitting.room(("other", "model"), takes, None) is None
    assert fitting.room(KEY, Capabilities(), None) is None


@pytest.mark.parametrize("params", [{}, {"tokens": 0, "limit": 5}, {"tokens": "many"}])
def test_a_refusal_without_numbers_makes_it_shorter_too(params: dict[str, int | str]) -> None:
    assert Fitting().refused(KEY, request(1000), ContextTooLong("Long.", params=params), None) == 600


def test_each_refusal_makes_it_shorter() -> None:
    fitting, length = Fitting(), 10_000
    for _ in range(5):
        error = ContextTooLong("Long.", params={"tokens": length, "limit": 20_000})
        shorter = fitting.refused(KEY, request(length), error, None)
        assert shorter < length
        length = shorter
