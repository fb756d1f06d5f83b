"""webchat from Python: `create` makes the app for a server of your own, `launch` serves it.

Both are `webchat.create` and `webchat.launch`, and so is the way of the command line. Heavy packages are
imported when they are called.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
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

_MODELS = ("model", "endpoint", "models")


def create(
    settings: Settings | None = None, *, pages: Sequence[Page] = (), backend: Models = None, **values: Any
) -> App:
    """The app, for a server of your own or for mounting in another app. Opens the database.

    values: settings by name; they win over the environment, `.env` and `webchat.toml`. settings: all of them
    instead; then nothing else is read. pages: see `webchat.pages`. backend: models made in Python, in place
    of those in the settings.

    One process may serve it, since replies run in it. Another app that mounts it must use its `root_path` and
    its `lifespan`. Its `start_link` and `operator_link` are the links that the command line prints. Raises
    `BadSettings`, `StoreError`, `BackendError` or `OSError`, each with a sentence.
    """
    settings = _settings(settings, values, backend)
    prepare(settings, own_models=backend is not None)
    from webchat.app import build_app

    return build_app(settings, pages=pages, backends=_named(backend))


def launch(
    settings: Settings | None = None, *, pages: Sequence[Page] = (), backend: Models = None, **values: Any
) -> None:
    """Serve until a signal, like the command `webchat`. Takes and raises what `create` does."""
    if _in_event_loop():
        raise RuntimeError(
            "webchat.launch runs an event loop of its own and can't be called inside another, as in a"
            " notebook or an async function. Call it in a script, or serve what webchat.create returns."
        )
    settings = _settings(settings, values, backend)
    prepare(settings, own_models=backend is not None)
    start(settings, pages, backend)


def prepare(settings: Settings, *, own_models: bool = False) -> None:
    """What comes before heavy imports: checks of the models in the settings, unless there are others, and
    what libraries read from the environment. Raises `BadSettings`."""
    if not own_models:
        check_models(model_specs(settings))
    for sentence in hand_on(settings):
        print(f"webchat: {sentence}", file=sys.stderr)
    skip_gradio_stubs()


def start(settings: Settings, pages: Sequence[Page] = (), backend: Models = None) -> None:
    """Serve until a signal what has been prepared."""
    if sys.stderr.isatty():  # what follows takes seconds; a log needs only the line that it is ready
        print(f"Starting webchat {__version__} ...", file=sys.stderr, flush=True)
    from webchat.server import serve

    serve(settings, pages=pages, backends=_named(backend))


def _settings(settings: Settings | None, values: Mapping[str, Any], backend: Models) -> Settings:
    if settings is not None and values:
        raise TypeError(f"give either settings or values by name, not both: {', '.join(sorted(values))}")
    named: Iterable[str] = values if settings is None else settings.model_fields_set
    if backend is not None and (both := next((name for name in _MODELS if name in named), "")):
        raise BadSettings(f"Give either backend or {both}: a backend replaces the models in the settings.")
    return load_settings(arguments=values).settings if settings is None else settings


def _named(backend: Models) -> Mapping[str, Backend] | None:
    return backend if backend is None or isinstance(backend, Mapping) else {backend.model: backend}


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
