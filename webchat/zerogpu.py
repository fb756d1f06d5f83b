"""Serves a model on ZeroGPU: the entry of a Space of that kind.

import spaces  # first

from webchat.zerogpu import launch

launch()
"""

from __future__ import annotations

import sys

from starlette.types import ASGIApp, Receive, Scope, Send

from backends.options import LocalOptions
from webchat.commands.terminal import CommandError, known_errors
from webchat.launching import prepare
from webchat.settings import BadSettings, Settings, load_settings, model_specs


def launch() -> int:
    """Load the model, report to ZeroGPU, and serve until a signal. Call it in the main thread, with `spaces`
    imported before anything else. Returns the exit status, as the command line's."""
    try:
        with known_errors():
            _launch(load_settings().settings)
    except (BadSettings, CommandError) as error:
        print(f"webchat: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _launch(settings: Settings) -> None:
    prepare(settings)
    specs = model_specs(settings)
    if len(specs) != 1 or specs[0].kind != "local":
        raise BadSettings("On ZeroGPU there is one model, of the Hub: set WEBCHAT_MODEL to its id.")
    from backends.local.zerogpu import ZeroGPUBackend
    from webchat.models.configured import Shared, spec_of
    from webchat.server import serve
    from webchat.ui.launched import launch_once

    options = spec_of(specs[0], settings, Shared()).options
    assert isinstance(options, LocalOptions)
    model = ZeroGPUBackend(options, port=settings.port)
    launch_once()
    serve(settings, backends={specs[0].name: model}, around=_visitors)


def _visitors(app: ASGIApp) -> ASGIApp:
    """The app, with what the host says about each visitor kept for the replies they ask for."""
    from backends.local.zerogpu import TOKEN_HEADER, VISITOR

    name = TOKEN_HEADER.encode()

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        token = next((value for key, value in scope.get("headers", ()) if key == name), b"")
        reset = VISITOR.set(token.decode("latin-1"))
        try:
            await app(scope, receive, send)
        finally:
            VISITOR.reset(reset)

    return told
