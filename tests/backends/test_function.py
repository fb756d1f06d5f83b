"""Functions that answer: how they are called, what they may give, and what happens when they fail."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from backends.base import Completion, collect
from backends.errors import (
    BackendError,
    ContextTooLong,
    FunctionAnswer,
    FunctionFailed,
    FunctionRewrote,
    ModelNotFound,
    ModelUnsupported,
    Unavailable,
)
from backends.function import FunctionBackend, backend, import_function
from backends.inputs import Fixed, Input
from backends.options import FunctionOptions
from backends.types import Caller, Client, Event, Finished, ImagePart, Message, Request, TextDelta, TextPart
from tests.beats import beating

CHAT = (
    Message("system", "Be brief."),
    Message("user", "Hi"),
    Message("assistant", "Hello"),
    Message("user", (TextPart("And "), ImagePart(b"png", "image/png"), TextPart("this?"))),
)
INPUTS = (
    Input("temperature", "Temperature", "slider", 0.5, minimum=0, maximum=2),
    Fixed("kept"),
    Input("tags", "Tags", "choices", ("a",), choices=(("A", "a"), ("B", "b"))),
)


REQUEST = Request(CHAT)


async def answer(function: Callable[..., Any], request: Request = REQUEST, **options: Any) -> Completion:
    made = FunctionBackend(FunctionOptions(function, **options))
    try:
        return await collect(made.stream(request))
    finally:
        await made.aclose()


async def test_a_function_receives_what_a_chat_interface_hands_on() -> None:
    seen: list[Any] = []

    def respond(message: Any, history: Any) -> str:
        seen.extend((message, history))
        return "Yes"

    assert (await answer(respond)).text == "Yes"
    message, history = seen
    assert message == "And this?"
    sent = [{"role": one.role, "content": one.text} for one in CHAT[:3]]
    assert history == gr.Chatbot().preprocess(gr.Chatbot().postprocess(sent))  # type: ignore[arg-type]


async def test_the_request_is_passed_wherever_a_function_asks_for_it() -> None:
    caller = Caller({"user-agent": "curl"}, Client("10.0.0.1"), {"q": "1"}, "ada", "s1")

    def by_name(message: str, history: list[Any], request) -> str:  # type: ignore[no-untyped-def]
        return f"{request.username} {request.client.host}"

    def by_kind(message: str, who: gr.Request, history: list[Any]) -> str:
        return f"{who.headers['user-agent']} {len(history)} {who.session_hash}"

    def maybe(message: str, history: list[Any], who: Caller | None = None) -> str:
        return str(who is not None and who.query_params)

    request = Request(CHAT, caller=caller)
    assert (await answer(by_name, request)).text == "ada 10.0.0.1"
    assert (await answer(by_kind, request)).text == "curl 3 s1"
    assert (await answer(maybe, request)).text == "{'q': '1'}"
    assert (await answer(by_kind, Request(CHAT, caller=Caller({"user-agent": "x"})))).text == "x 3 None"


async def test_inputs_follow_in_order_and_gradios_own_arguments_are_kept() -> None:
    def respond(
        message: str,
        history: list[Any],
        temperature: float,
        profile: gr.OAuthProfile | None,
        extra: str,
        progress: Any = gr.Progress(),  # noqa: B008, as in Gradio's own examples
        tags: Any = (),
        more: str = "default",
    ) -> str:
        return f"{temperature} {profile} {extra} {type(progress).__name__} {tags} {more}"

    said = (await answer(respond, inputs=INPUTS)).text
    assert said == "0.5 None kept Progress ['a'] default"
    chosen = Request(CHAT, inputs={"temperature": 2, "tags": ("a", "b"), "unknown": 1})
    assert (await answer(respond, chosen, inputs=INPUTS)).text == ("2 None kept Progress ['a', 'b'] default")

    def all_of_them(message: str, history: list[Any], *rest: Any) -> str:
        return repr(rest)

    assert (await answer(all_of_them, inputs=INPUTS)).text == "(0.5, 'kept', ['a'])"


@pytest.mark.parametrize(
    ("function", "inputs", "said"),
    [
        (lambda message, history, style: "", (), "takes style, for which nothing is given"),
        (lambda message, history: "", INPUTS[:1], "takes no parameter for the input 'Temperature'"),
        (lambda: "", (), "takes no message"),
        (3, (), "int is no function"),
    ],
    ids=["too few", "too many", "none", "number"],
)
def test_what_cannot_be_called_is_said_at_the_start(function: Any, inputs: Any, said: str) -> None:
    with pytest.raises(ModelUnsupported, match=said) as refused:
        FunctionBackend(FunctionOptions(function, inputs=inputs))
    assert refused.value.cure


class Chain:
    """Called like a function, as chains and pipelines are."""

    async def __call__(self, message: str, history: list[Any]) -> AsyncIterator[str]:
        raise NotImplementedError

    def invoke(self, message: str, history: list[Any], style: str = "plain") -> str:
        return f"{style} {message}"


async def test_methods_partials_and_instances_are_functions_too() -> None:
    assert (await answer(Chain().invoke)).text == "plain And this?"
    assert (await answer(partial(Chain().invoke, style="fancy"))).text == "fancy And this?"
    with pytest.raises(FunctionFailed, match="Chain raised NotImplementedError"):
        await answer(Chain())
    assert (await answer(lambda message: message)).text == "And this?"


@pytest.mark.parametrize(
    ("values", "text", "reasoning"),
    [
        (["Hel", "Hello", "Hello", "Hello you"], "Hello you", ""),
        ([None, "Hello", None], "Hello", ""),
        ([{"role": "assistant", "content": "Hel"}, gr.ChatMessage("Hello")], "Hello", ""),
        ([["One", {"content": ["Two", {"type": "text", "text": "Three"}]}]], "One\n\nTwo\n\nThree", ""),
        (
            [
                [gr.ChatMessage("Looking", metadata={"title": "Search"})],
                [gr.ChatMessage("Looking it up", metadata={"title": "Search"}), gr.ChatMessage("42")],
            ],
            "42",
            "Search\nLooking it up",
        ),
        ([TextDelta("Hel"), "Hello", TextDelta(" you")], "Hello you", ""),
        (["half \ud83d"], "half ?", ""),
    ],
    ids=["text", "nothing", "messages", "lists", "thoughts", "mixed", "surrogate"],
)
async def test_what_may_be_yielded(values: list[Any], text: str, reasoning: str) -> None:
    def respond(message: str, history: list[Any]) -> Iterator[Any]:
        yield from values

    async def respond_async(message: str, history: list[Any]) -> AsyncIterator[Any]:
        for value in values:
            yield value

    for function in (respond, respond_async):
        completion = await answer(function)
        assert (completion.text, completion.reasoning) == (text, reasoning)


def revising(message: str, history: list[Any]) -> Iterator[str]:
    yield "First draft"
    yield "Second draft"
    yield "Final"


async def test_shown_text_is_never_taken_back() -> None:
    made = FunctionBackend(FunctionOptions(revising))
    seen: list[Event] = []
    stream = made.stream(REQUEST)
    seen.append(await anext(stream))
    with pytest.raises(FunctionRewrote, match="The function revising") as refused:
        seen.append(await anext(stream))
    assert seen == [TextDelta("First draft")]
    assert "rewrites = true" in refused.value.cure
    assert (await answer(revising, rewrites=True)).text == "Final"


@pytest.mark.parametrize("value", [3, gr.Image, {"content": {"path": "x.png"}}], ids=repr)
async def test_what_is_no_reply_is_named(value: Any) -> None:
    def respond(message: str, history: list[Any]) -> Any:
        return value

    with pytest.raises(FunctionAnswer, match=r"The function respond returned a value of type") as refused:
        await answer(respond)
    assert "yield the text so far" in refused.value.cure


def stops(message: str, history: list[Any]) -> str:
    raise StopIteration


def leaves(message: str, history: list[Any]) -> str:
    raise SystemExit(3)


def fails_late(message: str, history: list[Any]) -> Iterator[str]:
    yield "Half a "
    raise ValueError("/secret/path")


async def gives_up(message: str, history: list[Any]) -> str:
    raise asyncio.CancelledError


@pytest.mark.parametrize("function", [stops, leaves, fails_late, gives_up], ids=lambda one: one.__name__)
async def test_an_exception_is_an_error_that_names_the_function_and_tells_nothing_else(
    function: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(FunctionFailed) as failed:
        await answer(function)
    assert f"The function {function.__name__} " in failed.value.message
    assert "secret" not in str(failed.value)
    assert __file__ not in str(failed.value)
    if function is fails_late:
        assert f"raised ValueError at {__file__}, line " in caplog.text
        assert "/secret/path" in caplog.text


async def test_errors_of_backends_pass_as_they_are() -> None:
    def respond(message: str, history: list[Any]) -> str:
        raise ContextTooLong("Too long.", cure="Shorten it.")

    with pytest.raises(ContextTooLong):
        await answer(respond)


async def test_a_generator_is_closed_where_it_stands_and_runs_no_further_than_it_is_read() -> None:
    made: list[int] = []
    closed = threading.Event()

    def endless(message: str, history: list[Any]) -> Iterator[str]:
        try:
            while True:
                made.append(1)
                yield "word " * len(made)
        finally:
            closed.set()

    function = FunctionBackend(FunctionOptions(endless))
    async with aclosing(function.stream(Request(CHAT))) as events:
        await anext(events)
        await asyncio.sleep(0.05)
        assert len(made) <= 2
    assert closed.is_set()
    assert function.live == 0


async def test_an_async_function_is_cancelled_at_its_next_await() -> None:
    closed = threading.Event()

    async def waits(message: str, history: list[Any]) -> AsyncIterator[str]:
        try:
            yield "Wait"
            await asyncio.Event().wait()
        finally:
            closed.set()

    function = FunctionBackend(FunctionOptions(waits))
    async with aclosing(function.stream(Request(CHAT))) as events:
        assert await anext(events) == TextDelta("Wait")
    assert closed.is_set()
    await function.aclose()


async def test_the_event_loop_goes_on_while_a_function_blocks() -> None:
    release, context = threading.Event(), contextvars.ContextVar[str]("context")

    def blocks(message: str, history: list[Any]) -> str:
        release.wait()
        return context.get()

    context.set("the caller's")
    made = FunctionBackend(FunctionOptions(blocks))
    reply = asyncio.create_task(collect(made.stream(Request(CHAT))))
    await asyncio.sleep(0.02)
    release.set()  # which the loop could not do if it were held
    assert (await reply).text == "the caller's"


async def test_a_function_that_does_not_return_is_left_behind_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backend, "PATIENCE", 0.05)
    monkeypatch.setattr(backend, "MOST_STUCK", 2)
    release, reached = threading.Event(), threading.Semaphore(0)

    def stuck(message: str, history: list[Any]) -> str:
        reached.release()
        release.wait()
        return "late"

    made = FunctionBackend(FunctionOptions(stuck))
    for _ in range(2):
        reply = asyncio.create_task(collect(made.stream(Request(CHAT))))
        await asyncio.to_thread(reached.acquire)
        reply.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reply
        assert made.live == 0
    assert "stuck was stopped and still runs" in caplog.text
    with pytest.raises(Unavailable, match="2 stopped calls of the function stuck"):
        await collect(made.stream(Request(CHAT)))
    release.set()
    async with beating() as time:
        while made.stuck:
            assert time.seconds < 10
            await asyncio.sleep(0.01)
    assert (await collect(made.stream(Request(CHAT)))).text == "late"


async def test_functions_take_turns_as_gradio_lets_them() -> None:
    async def respond(message: str, history: list[Any]) -> str:
        return message

    def one_by_one(message: str, history: list[Any]) -> str:
        return message

    assert FunctionBackend(FunctionOptions(one_by_one)).capabilities.slots == 1
    assert FunctionBackend(FunctionOptions(one_by_one, slots=4)).capabilities.slots == 4
    assert FunctionBackend(FunctionOptions(respond)).capabilities.slots == 32


async def test_a_function_may_say_how_its_reply_ended() -> None:
    def respond(message: str, history: list[Any]) -> Iterator[Event]:
        yield TextDelta("No more")
        yield Finished("content_filter", details={"why": "rules"})
        yield TextDelta("never shown")

    completion = await answer(respond)
    assert (completion.text, completion.finished.reason) == ("No more", "content_filter")


MODULES = {
    "app.py": "class Bot:\n    def respond(message, history):\n        return message\n",
    "broken.py": "import os\n\nvalue = 1 / 0\n",
    "unclosed.py": "def respond(:\n",
    "leaving.py": "import sys\nsys.exit('bye')\n",
    "lacking.py": "import nowhere_to_be_found\n",
}


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("ap:respond", "There is no module ap in .*Did you mean app?"),
        ("app:respnd", "app has no respnd"),
        ("app:Bot.respnd", "app has no Bot.respnd. Did you mean respond?"),
        ("app", "does not name a function. Write module:function"),
        ("broken:respond", r"Importing broken failed at .*broken\.py, line 3: ZeroDivisionError: division"),
        ("unclosed:respond", r"Importing unclosed failed at .*unclosed\.py, line 1: SyntaxError"),
        ("leaving:respond", r"leaving\.py, line 2: SystemExit: bye"),
        ("lacking:respond", r"lacking\.py, line 1: ModuleNotFoundError: No module named 'nowhere"),
    ],
)
def test_a_function_that_cannot_be_imported_is_one_sentence_with_its_line(
    named: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=said) as refused:
        import_function(named, tmp_path)
    assert isinstance(refused.value, ModelNotFound | ModelUnsupported)
    assert "\n" not in str(refused.value)


def test_a_function_is_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_alone.py").write_text(MODULES["app.py"], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    made = FunctionBackend(FunctionOptions("mine_alone:Bot.respond"))
    assert (made.model, made.kind) == ("mine_alone:Bot.respond", "function")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="backends.function")


def test_a_number_beyond_all_floats_is_refused_by_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="a number"):
        Input("n", "n", "number").checked(10**400)
