"""From the components of a `gr.ChatInterface` to a function's inputs, as far as the drawer shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

import gradio as gr
from gradio.components import get_component_instance

from backends.errors import ModelUnsupported
from backends.inputs import TEXT_CHARS, Fixed, Input
from backends.types import InputValue


@dataclass(frozen=True, slots=True)
class Interface:
    """What is taken of a `gr.ChatInterface`. slots: calls at once, `None` for Gradio's default. ignored: what
    is not taken, in words."""

    function: Callable[..., Any]
    title: str
    components: tuple[Any, ...]
    examples: tuple[Any, ...]
    slots: int | None
    multimodal: bool
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, found: object) -> Interface | None:
        """`None` for anything else. Raises `ModelUnsupported`."""
        if not isinstance(found, gr.ChatInterface):
            return None
        if found.additional_outputs:
            raise ModelUnsupported(
                "This ChatInterface has additional_outputs, which a chat here can't show.",
                cure="Let its function return the reply alone, and leave them out.",
            )
        ignored = {
            "description": bool(found.description),
            "multimodal (the function receives no files)": found.multimodal,
            "validator": found.validator is not None,
        }
        slots = UNLIMITED if found.concurrency_limit is None else found.concurrency_limit
        return cls(
            function=found.fn,
            title=found.title if isinstance(found.title, str) else "",
            components=tuple(found.additional_inputs),
            examples=tuple(found.examples or ()),
            slots=slots if isinstance(slots, int) else None,
            multimodal=found.multimodal,
            ignored=tuple(name for name, there in ignored.items() if there),
        )


UNLIMITED = 256
"""Calls at once of a function whose `concurrency_limit` is `None`."""


def inputs_of(
    components: Iterable[Any], parameters: Sequence[str]
) -> tuple[tuple[Input | Fixed, ...], tuple[str, ...]]:
    """The inputs of components, in order, and a sentence for each that no form can show: of those the
    function receives the initial value. parameters: the function's own names for them."""
    names = chain(parameters, (f"input_{number}" for number in count(len(parameters) + 1)))
    made: list[Input | Fixed] = []
    said: list[str] = []
    for component, name in zip((get_component_instance(one) for one in components), names, strict=False):
        if (found := _input(component, name)) is not None:
            made.append(found)
        else:
            kind = type(component).__name__
            said.append(f"The input {_label(component, name)!r} is a {kind}, which can't be shown here:")
            said[-1] += " the function receives its initial value."
            made.append(Fixed(component.value))
    return tuple(made), tuple(said)


def example_texts(examples: Iterable[object]) -> tuple[str, ...]:
    """The messages of examples, in each of the forms that `gr.ChatInterface` takes."""
    texts = []
    for example in examples:
        first = example[0] if isinstance(example, list | tuple) and example else example
        text = first.get("text") if isinstance(first, dict) else first
        if isinstance(text, str) and text.strip():
            texts.append(text)
    return tuple(texts)


def _input(component: Any, name: str) -> Input | None:
    about = component.info if isinstance(getattr(component, "info", None), str) else ""
    label, value = _label(component, name), component.value
    match component:
        case gr.Slider():
            least = component.minimum if value is None else value
            return Input(
                name, label, "slider", least, about, (), component.minimum, component.maximum, component.step
            )
        case gr.Number():
            whole = component.precision == 0
            return Input(
                name, label, "number", value, about, (), component.minimum, component.maximum, integer=whole,
                step=component.step,
            )  # fmt: skip
        case gr.Checkbox():
            return Input(name, label, "checkbox", bool(value), about)
        case gr.Dropdown() if component.allow_custom_value and not component.multiselect:
            return Input(name, label, "text", str(value or ""), about)
        case gr.Dropdown() | gr.Radio() | gr.CheckboxGroup():
            return _choice(component, Input(name, label, "choice", value, about))
        case gr.Textbox():
            most = component.max_length or TEXT_CHARS
            return Input(
                name, label, "text", str(value or ""), about, lines=component.lines or 1, max_chars=most
            )
        case _:
            return None


def _choice(component: Any, made: Input) -> Input | None:
    values = [value for _, value in component.choices]
    by_index = component.type == "index"
    choices = tuple(
        (str(label), at if by_index else value) for at, (label, value) in enumerate(component.choices)
    )
    if not all(isinstance(value, str | int | float) for _, value in choices):
        return None
    several = isinstance(component, gr.CheckboxGroup) or bool(getattr(component, "multiselect", False))
    default: InputValue
    if several:
        if by_index or not all(isinstance(value, str) for value in values):
            return None
        default = tuple(component.value or ())
    else:
        default = values.index(component.value) if by_index and component.value in values else component.value
    return Input(made.name, made.label, "choices" if several else "choice", default, made.about, choices)


def _label(component: object, name: str) -> str:
    label = getattr(component, "label", None)
    return label if isinstance(label, str) and label else name.replace("_", " ").capitalize()
