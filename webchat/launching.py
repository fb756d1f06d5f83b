"""webchat from Python: `create` makes the app for a server of your own, `launch` serves it.

Both are `webchat.create` and `webchat.launch`, and so is the way of the command line. Heavy packages are
imported when they are called.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from webchat import __version__
from webchat.gradio_stubs import skip_gradio_stubs
from webchat.settings import BadSettings, Settings, check_models, hand_on, load_settings, model_specs

if TYPE_CHECKING:
    from backends.base import Backend
    from webchat.app import App
    from webchat.pages import Page

Models: TypeAlias = "Backend | Mapping[str, Backend] | None"
"""One model made in Python, or several by name."""

Function: TypeAlias = Callable[..., Any]
"""A function that answers, see `backends.function`, or a `gr.ChatInterface`, which can be called too."""

_MODELS = ("model", "endpoint", "function", "models")


def create(
    what: Function | Settings | None = None,
    *,
    pages: Sequence[Page] = (),
    backend: Models = None,
    additional_inputs: object = (),
    examples: Iterable[object] = (),
    **values: Any,
) -> App:
    """The app, for a server of your own or for mounting in another app. Opens the database.

    what: a function that answers, or a `gr.ChatInterface`; or all settings, and then nothing else is read.
    values: settings by name; they win over the environment, `.env` and `webchat.toml`. pages: see
    `webchat.pages`. backend: models made in Python, in place of those in the settings. additional_inputs,
    examples: of the function, as `gr.ChatInterface` takes them.

    One process may serve it, since replies run in it. Another app that mounts it must use its `root_path` and
    its `lifespan`. Its `start_link` and `operator_link` are the links that the command line prints. Raises
    `BadSettings`, `StoreError`, `BackendError` or `OSError`, each with a sentence.
    """
    settings, models = _prepared(what, values, backend, _Beside(additional_inputs, examples))
    from webchat.app import build_app

    return build_app(settings, pages=pages, backends=models)


def launch(
    what: Function | Settings | None = None,
    *,
    pages: Sequence[Page] = (),
    backend: Models = None,
    additional_inputs: object = (),
    examples: Iterable[object] = (),
    **values: Any,
) -> None:
    """Serve until a signal, like the command `webchat`. Takes and raises what `create` does."""
    if _in_event_loop():
        raise RuntimeError(
            "webchat.launch runs an event loop of its own and can't be called inside another, as in a"
            " notebook or an async function. Call it in a script, or serve what webchat.create returns."
        )
    start(*_prepared(what, values, backend, _Beside(additional_inputs, examples)), pages)


def prepare(settings: Settings, *, own_models: bool = False) -> None:
    """What comes before heavy imports: checks of the models in the settings, unless there are others, and
    what libraries read from the environment. Raises `BadSettings`."""
    if not own_models:
        check_models(model_specs(settings))
    for sentence in hand_on(settings):
        print(f"webchat: {sentence}", file=sys.stderr)
    skip_gradio_stubs()


def start(
    settings: Settings, models: Mapping[str, Backend] | None = None, pages: Sequence[Page] = ()
) -> None:
    """Serve until a signal what has been prepared."""
    if sys.stderr.isatty():  # what follows takes seconds; a log needs only the line that it is ready
        print(f"Starting webchat {__version__} ...", file=sys.stderr, flush=True)
    gc.disable()  # what is imported stays: looking through it again and again took a fifth of the time
    try:
        from webchat.server import serve
    finally:
        gc.freeze()
        gc.enable()
    serve(settings, pages=pages, backends=models)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What belongs to a function."""

    additional_inputs: object
    examples: Iterable[Any]


def _prepared(
    what: Function | Settings | None, values: Mapping[str, object], backend: Models, beside: _Beside
) -> tuple[Settings, Mapping[str, Backend] | None]:
    """The settings, and the models made in Python."""
    function = None if what is None or isinstance(what, Settings) else what
    if function is None and (beside.additional_inputs or beside.examples):
        raise BadSettings("additional_inputs and examples belong to a function: give it first.")
    if function is not None and backend is not None:
        raise BadSettings("Give either a function or backend: each replaces the models in the settings.")
    own = "backend" if backend is not None else "a function" if function is not None else ""
    settings = _settings(what if isinstance(what, Settings) else None, values, own)
    prepare(settings, own_models=bool(own))
    if function is None:
        return settings, _named(backend)
    from webchat.functions import given

    inputs = beside.additional_inputs
    return settings, given(
        function,
        inputs=inputs if isinstance(inputs, list | tuple) else [inputs],
        examples=beside.examples,
        rewrites=settings.rewrites,
        slots=settings.slots,
    )


def _settings(settings: Settings | None, values: Mapping[str, object], own: str) -> Settings:
    """own: the models made in Python, in words, if there are any."""
    if settings is not None and values:
        raise TypeError(f"give either settings or values by name, not both: {', '.join(sorted(values))}")
    named: Iterable[str] = values if settings is None else settings.model_fields_set
    if own and (both := next((name for name in _MODELS if name in named), "")):
        raise BadSettings(f"Give either {own} or {both}: {own} replaces the models in the settings.")
    return load_settings(arguments=values).settings if settings is None else settings


def _named(backend: Models) -> Mapping[str, Backend] | None:
    return backend if backend is None or isinstance(backend, Mapping) else {backend.model: backend}


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
