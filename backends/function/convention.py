"""How a function wants to be called: the convention of `gr.ChatInterface`."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from backends.errors import ModelUnsupported
from backends.inputs import Fixed, Input
from backends.types import Caller, InputValue, Message, Request, TextPart

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


_Slot = Literal["message", "history", "caller"] | Input | Fixed
"""What one of the arguments is filled with."""


@dataclass(frozen=True, slots=True)
class Convention:
    """Calls a function with `message, history` and the inputs, in order; wherever a parameter is annotated
    as a request, or named `request`, with who asks. multimodal: `message` is a dict with `text` and `files`.
    """

    function: Callable[..., Any]
    slots: tuple[_Slot, ...]
    multimodal: bool = False

    @classmethod
    def of(
        cls, function: Callable[..., Any], inputs: Sequence[Input | Fixed] = (), *, multimodal: bool = False
    ) -> Convention:
        """Raises `ModelUnsupported` for a function that can't be called that way."""
        return cls(function, tuple(_slots(function, list(inputs))), multimodal)

    @property
    def is_async(self) -> bool:
        """Whether it runs in an event loop."""
        whole = self.function.func if isinstance(self.function, partial) else self.function
        asynchronous = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        call = getattr(whole, "__call__", None)  # noqa: B004, an instance of a class with an async __call__
        return any(kind(whole) or kind(call) for kind in asynchronous)

    def arguments(self, request: Request) -> list[object]:
        """What the function is called with."""
        *before, last = request.messages
        text = _whole(last.text)
        words: dict[str, object] = {
            "message": {"text": text, "files": []} if self.multimodal else text,
            "history": [_historic(message) for message in before],
            "caller": request.caller or Caller(),
        }
        return [_filled(slot, words, request.inputs) for slot in self.slots]


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """The names of the parameters that inputs fill, in order; none where a signature can't be read."""
    found = _parameters(function)
    return [one.name for one in found if _special(one, _hints(function)) is None][2:]


def name_of(function: object) -> str:
    """What messages and the log call a function."""
    if isinstance(function, partial):
        return name_of(function.func)
    return str(getattr(function, "__qualname__", type(function).__qualname__)).rpartition("<locals>.")[2]


def _slots(function: Callable[..., Any], inputs: list[Input | Fixed]) -> list[_Slot]:
    ordinary: list[_Slot] = ["message", "history", *inputs]
    try:
        signature = inspect.signature(function)
    except ValueError:  # of C, without one
        return ordinary
    hints, slots = _hints(function), list[_Slot]()
    for parameter in _parameters(function):
        if (special := _special(parameter, hints)) is not None:
            slots.append(special)
        elif ordinary:
            slots.append(ordinary.pop(0))
        elif parameter.default is inspect.Parameter.empty:
            raise ModelUnsupported(
                f"{name_of(function)} takes {parameter.name}, for which nothing is given.",
                cure="Give it a default, or one of additional_inputs.",
            )
        else:
            break  # this one and those behind it have defaults
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        slots += ordinary
    elif left := [slot for slot in ordinary if isinstance(slot, Input)]:
        raise ModelUnsupported(
            f"{name_of(function)} takes no parameter for the input {left[0].label!r}.",
            cure="Add one after message and history, or leave that input out.",
        )
    elif not slots:
        raise ModelUnsupported(
            f"{name_of(function)} takes no message.", cure="Begin its parameters with message and history."
        )
    return slots


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:
        return []
    return [parameter for parameter in found if parameter.kind in _POSITIONAL]


def _hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # of names that exist for type checkers only, or of no function at all
        return {}


def _special(parameter: inspect.Parameter, hints: Mapping[str, object]) -> _Slot | None:
    """What fills a parameter that is neither of the conversation nor an input. Gradio's own kinds are known
    by name: it is not imported here."""
    hint = hints.get(parameter.name)
    kinds = [kind for kind in (hint, *typing.get_args(hint)) if kind is not type(None)]
    names = {kind.__name__ for kind in kinds if _gradios(kind)}
    if Caller in kinds or "Request" in names or (hint is None and parameter.name == "request"):
        return "caller"
    if names & {"OAuthProfile", "OAuthToken"}:
        return Fixed(None)  # nobody signs in to Hugging Face here
    if _gradios(type(parameter.default)):
        return Fixed(parameter.default)  # gr.Progress()
    return None


def _gradios(kind: object) -> bool:
    return isinstance(kind, type) and kind.__module__.partition(".")[0] == "gradio"


def _filled(slot: _Slot, words: Mapping[str, object], inputs: Mapping[str, InputValue]) -> object:
    match slot:
        case Fixed(value=value):
            return value
        case Input(name=name, default=default):
            value = inputs.get(name, default)
            with suppress(ValueError):  # chosen for another function: this one has its own default
                value = slot.checked(value)
                return list(value) if isinstance(value, tuple) else value
            return list(default) if isinstance(default, tuple) else default
        case _:
            return words[slot]


def _historic(message: Message) -> dict[str, object]:
    """A message in the form of Gradio 6: keys and content blocks as its chatbot hands them on."""
    parts = (
        [message.content]
        if isinstance(message.content, str)
        else [part.text for part in message.content if isinstance(part, TextPart)]
    )
    blocks = [{"text": _whole(text), "type": "text"} for text in parts]
    return {"role": message.role, "metadata": None, "content": blocks, "options": None}


def _whole(text: str) -> str:
    """Without halves of characters, which no codec takes."""
    return text.encode("utf-8", "replace").decode()
