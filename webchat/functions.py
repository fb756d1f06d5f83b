"""Python functions as models: named in the settings, or given to `webchat.launch`; also as a
`gr.ChatInterface`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace

from backends.base import Backend
from backends.errors import ModelUnsupported
from backends.function import FunctionBackend, import_function
from backends.function.convention import name_of, parameter_names
from backends.options import FunctionOptions
from webchat.models import Create, ModelSpec


def given(
    function: object,
    *,
    inputs: Iterable[object] = (),
    examples: Iterable[object] = (),
    rewrites: bool = False,
    slots: int | None = None,
) -> Mapping[str, Backend]:
    """The model of a function or `gr.ChatInterface`, under its name. inputs: Gradio components, in place of
    those of a `ChatInterface`; examples likewise. Raises `BackendError`."""
    options = FunctionOptions(function, rewrites=rewrites, slots=slots)  # type: ignore[arg-type]  # checked there
    backend, title = _made(options, inputs, examples)
    name = title or backend.model.rpartition(".")[2]
    return {"function" if name == "<lambda>" else name: backend}


def configured_functions(specs: Iterable[ModelSpec]) -> Mapping[str, Backend]:
    """The functions among configured models, imported, by the models' names. Raises `BackendError`."""
    found = [(spec.name, spec.options) for spec in specs]
    return {name: _made(options)[0] for name, options in found if isinstance(options, FunctionOptions)}


def with_functions(specs: Iterable[ModelSpec], create: Create) -> Create:
    """What creates models: functions are imported now, and others when they are first used. Raises
    `BackendError`."""
    functions = configured_functions(specs)
    return lambda spec: functions.get(spec.name) or create(spec)


def _made(
    options: FunctionOptions, inputs: Iterable[object] = (), examples: Iterable[object] = ()
) -> tuple[FunctionBackend, str]:
    """The backend, and the title of a `ChatInterface`."""
    named = options.function if isinstance(options.function, str) else ""
    found = import_function(named) if named else options.function
    title, multimodal, inputs, examples = "", False, list(inputs), list(examples)
    from webchat.ui.components import Interface, example_texts, inputs_of

    if (interface := Interface.of(found)) is not None:
        found, title, multimodal = interface.function, interface.title, interface.multimodal
        inputs = inputs or list(interface.components)
        examples = examples or list(interface.examples)
        options = replace(options, slots=options.slots or interface.slots)
        for what in interface.ignored:
            _say(f"{named or 'the ChatInterface'}: {what} is not used here.")
    if not callable(found) or isinstance(found, type):
        raise ModelUnsupported(
            f"{named or type(found).__name__} is not a function.",
            cure="Give a function that takes a message and the history, or a gr.ChatInterface.",
        )
    try:
        shown, sentences = inputs_of(inputs, parameter_names(found))
    except ValueError as error:  # a name that Gradio doesn't know
        raise ModelUnsupported(f"additional_inputs: {error}", cure="Give Gradio components.") from None
    for sentence in sentences:
        _say(sentence)
    made = replace(
        options,
        function=found,
        name=named or name_of(found),
        inputs=shown,
        examples=example_texts(examples),
        multimodal=multimodal,
    )
    return FunctionBackend(made), title


def _say(sentence: str) -> None:
    print(f"webchat: {sentence}", file=sys.stderr)
