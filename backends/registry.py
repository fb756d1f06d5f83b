"""Maps the kind of a backend to the backend. Built-ins are imported on first use.

Another package adds a kind with an entry point in the group `webchat.backends`, a callable that takes the
options as keyword arguments and returns a `Backend`:

    [project.entry-points."webchat.backends"]
    mine = "my_package:MyBackend"

Built-in names win. An entry point is loaded only when its kind is requested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType

from backends.base import Backend
from backends.errors import ModelNotFound, ModelUnsupported
from backends.options import BackendOptions

GROUP = "webchat.backends"

BUILT_IN = {
    "demo": "backends.llamacpp.demo:DemoBackend",
    "echo": "backends.echo:EchoBackend",
    "function": "backends.function:FunctionBackend",
    "llamacpp": "backends.llamacpp:LlamaCppBackend",
    "local": "backends.local:LocalBackend",
    "openai": "backends.openai_compat:OpenAICompatBackend",
}


def kinds() -> tuple[str, ...]:
    """All kinds, including installed plugins, in order; loads nothing."""
    return tuple(sorted(BUILT_IN.keys() | {entry.name for entry in entry_points(group=GROUP)}))


Options = BackendOptions | Mapping[str, object]
"""What a backend is made of: the value of its kind, or the keyword arguments of a plug-in or of `echo`."""


def create(kind: str, options: Options = MappingProxyType({})) -> Backend:
    """Create a backend without starting it.

    Raises `ModelNotFound` for an unknown kind and `ModelUnsupported` for a plugin that cannot be loaded.
    """
    make = factory(kind)
    return make(**options) if isinstance(options, Mapping) else make(options)


def factory(kind: str) -> Callable[..., Backend]:
    """The callable that makes backends of this kind. Raises as `create` does."""
    if kind in BUILT_IN:
        module, _, name = BUILT_IN[kind].partition(":")
        built_in: Callable[..., Backend] = getattr(import_module(module), name)
        return built_in
    for entry in entry_points(group=GROUP, name=kind):
        try:
            plugin: Callable[..., Backend] = entry.load()
        except (ImportError, AttributeError) as error:
            raise ModelUnsupported(
                f"The backend {kind!r} is installed but cannot be loaded: {error}.",
                cure="Reinstall the package it comes from.",
                params={"kind": kind},
            ) from error
        return plugin
    raise ModelNotFound(
        f"There is no backend {kind!r}.",
        cure=f"Choose one of {', '.join(kinds())}.",
        params={"kind": kind},
    )
