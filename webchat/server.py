"""Runs the application: the socket, the line in the terminal, the browser, the shutdown."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from backends.base import Backend
from webchat import __version__, logs
from webchat.app import App, build_app
from webchat.auth.forwarding import is_shared
from webchat.connections import connections, open_files
from webchat.crowd import Crowd, Limits, limits_for
from webchat.data_folder import remember_address
from webchat.pages import Page
from webchat.settings import BadSettings, Settings
from webchat.store import StoreUnavailable
from webchat.ui import tunnel
from webchat.watchdog import Watchdog
from webchat.watchdog import log as watching

LAST_ANSWERS_SECONDS = 3
"""How long open connections have to finish once all replies have."""


COLLECT_AFTER = (20_000, 20, 20)
"""For `gc.set_threshold`: new objects before the youngest generation is collected, and how often a generation
is collected before the next. Python's own 700, 10, 10 took 6 % of a busy server's time."""

NAMES_SECONDS = 2.0
"""How long the first line waits for endpoints to list their models."""


METRICS = Limits(at_once=32, from_one=16, spare=8)
"""Connections to `metrics_port`: of a few programs."""


class MetricsServer(uvicorn.Server):
    """The small server behind `metrics_port`, within the loop of the other one, which has the signals."""

    def __init__(self, app: ASGIApp) -> None:
        self._crowd = Crowd(METRICS)
        super().__init__(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                lifespan="off",
                server_header=False,
                http=connections(self._crowd),
                ws="none",
            )
        )

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # a second
            self._crowd.sweep()
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server(uvicorn.Server):
    """Waits for running replies to finish before it stops serving, so that readers see how they end.

    A second signal ends the wait.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: App,
        address: str,
        crowd: Crowd,
        metrics: socket.socket | None = None,
    ) -> None:
        super().__init__(config)
        self._metrics_socket = metrics
        self._app = app
        self._address = address
        self._crowd = crowd
        self._metrics: asyncio.Task[None] | None = None
        self._watchdog = Watchdog() if watching.isEnabledFor(logging.DEBUG) else None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is loaded by now stays: left to the collector, a full pass over it stops all streams for 0.3 s.
        gc.collect()
        gc.freeze()
        # Streams make many small objects, few of them in reference cycles: look for those less often.
        gc.set_threshold(*COLLECT_AFTER)
        if self._watchdog is not None:
            self._app.store.watch = self._watchdog.wrote
            self._watchdog.start()
        if self._metrics_socket is not None:
            self._metrics_server = MetricsServer(self._app.metrics)
            serving = self._metrics_server.serve(sockets=[self._metrics_socket])
            self._metrics = asyncio.create_task(serving, name="metrics")
        if self.started:
            with suppress(TimeoutError):
                async with asyncio.timeout(NAMES_SECONDS):
                    await self._app.models.discover()
            print(await asyncio.to_thread(_announcement, self._app, self._address), flush=True)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # a second
            self._crowd.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        grace = self._app.settings.shutdown_grace
        ending = asyncio.create_task(self._app.turns.aclose(grace))
        while not ending.done() and not self.force_exit:
            await asyncio.wait({ending}, timeout=0.1)
        if not ending.done():
            ending.cancel()
        if self._watchdog is not None:
            self._watchdog.stop()
        await super().shutdown(sockets)
        if self._metrics is not None:
            self._metrics_server.should_exit = True
            await self._metrics


def serve(
    settings: Settings,
    *,
    pages: Sequence[Page] = (),
    backends: Mapping[str, Backend] | None = None,
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> None:
    """Serve until a signal. around: puts something around the whole app.

    Raises BadSettings, StoreError, BackendError or OSError before it starts to serve.
    """
    logs.set_up(settings)
    with ExitStack() as open:
        listener = open.enter_context(_listen(settings.host, settings.port))
        metrics = None
        if settings.metrics_port is not None:
            metrics = open.enter_context(_listen(settings.metrics_host, settings.metrics_port, "metrics-"))
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        if metrics is not None:
            settings = settings.model_copy(update={"metrics_port": metrics.getsockname()[1]})
        address = settings.base_url
        if settings.share:
            public = open.enter_context(tunnel.shared(settings.host, settings.port))
            address = public + settings.root_path
        app = build_app(settings, pages=pages, backends=backends)
        remember_address(settings, others_address(settings, address))
        link = app.start_link.url(address) if app.start_link else address
        limits = limits_for(open_files(), replies=settings.max_turns, body_bytes=settings.max_body_bytes)
        shared = (*settings.proxies, *settings.exempt)
        crowd = Crowd(limits, lambda peer: is_shared(peer, shared))
        config = uvicorn.Config(
            around(app.asgi),
            # Its warnings are one for each request that is no HTTP; the crowd counts them.
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
            proxy_headers=False,  # the door reads them (webchat.auth.forwarding)
            server_header=False,
            http=connections(crowd),
            ws="none",  # no route speaks it, and nothing would time its connections
        )
        server = Server(config, app, address, crowd, metrics)
        if settings.open_browser:
            threading.Thread(target=_open_browser, args=(server, link), daemon=True).start()
        server.run(sockets=[listener])


def _announcement(app: App, address: str) -> str:
    start = app.start_link
    link = start.url(address) if start else address
    line = f"webchat {__version__} · {link} · {_model(app)} · data in {app.settings.data_dir}"
    if start:
        line += "\nAnyone who opens this link gets in and sees only their own conversations."
    if app.settings.share:
        line += f"\n{tunnel.NOTE}"
    if app.settings.metrics_port is not None:
        line += f"\nMetrics: http://{app.settings.metrics_host}:{app.settings.metrics_port}/metrics"
    # It serves already: a database that goes away now is told of as later, and ends nothing.
    with suppress(StoreUnavailable):
        if app.settings.accounts == ("password",) and not app.store.people():
            line += "\nNobody can sign in yet: `webchat user add NAME --operator` makes the first account."
    others = others_address(app.settings, address)
    if app.operator_link:
        line += f"\nThe operator's own link: {app.operator_link.url(others)}"
    if app.store.shared and (start or app.operator_link):
        line += (
            "\nAmong several servers behind one address, these links open only on this one: use accounts, or"
            " `webchat link new NAME`."
        )
    with suppress(StoreUnavailable):
        line += _elsewhere(app)
    if others != address:
        line += f"\nFrom another machine: {start.url(others) if start else others}"
    return line


def _model(app: App) -> str:
    """The model of new chats and its location; for an endpoint that has not listed its models, the reason."""
    info = next((info for info in app.models.infos() if info.name == app.models.default), None)
    if info is None:
        return "no model yet"
    if info.unlisted:
        why = info.failure and info.failure.message.rstrip(".")
        return f"no model yet: {why}" if why else f"the models of {info.source}"
    return f"{info.name} at {info.source}" if info.kind == "openai" else info.name


def _elsewhere(app: App) -> str:
    """A note about chats on this machine that this kind of start does not show."""
    local = app.settings.door == "local"
    count = sum(app.store.count_chats("operator" if local else "local").values())
    if not count:
        return ""
    chats = "1 chat was" if count == 1 else f"{count} chats were"
    if local:
        return f"\n{chats} made with an operator's link; the page offers to move them here."
    return f"\n{chats} made on this machine without a link; open the operator's link to move them there."


def others_address(settings: Settings, address: str) -> str:
    """The address for other machines: this machine's own if the server listens on all interfaces and no other
    address is configured."""
    if settings.host not in ("0.0.0.0", "::") or settings.public_url or settings.share:
        return address
    family, anywhere = (
        (socket.AF_INET6, "2001:db8::1") if settings.host == "::" else (socket.AF_INET, "192.0.2.1")
    )
    try:
        # Connecting a datagram socket sends nothing; it only asks for the way there.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((anywhere, 9))
            own: str = probe.getsockname()[0]
    except OSError:
        return address
    return settings.model_copy(update={"host": own}).base_url


def _listen(host: str, port: int, flags: str = "") -> socket.socket:
    """The listening socket, opened before anything is loaded. flags: what those of its settings begin with.
    Raises BadSettings if it cannot be opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadSettings(
            f"Cannot listen on {host}, port {port}: {error.strerror}. {_cure(error, flags)}"
        ) from None
    listener.set_inheritable(True)
    return listener


def _cure(error: OSError, flags: str) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no such address; choose another with --{flags}host."
    if error.errno == errno.EACCES:
        return f"Ports below 1024 need root privileges; choose another with --{flags}port."
    return f"Stop the program that uses it, or choose another port with --{flags}port (0 takes a free one)."


def _open_browser(server: Server, link: str) -> None:
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.05)
    try:
        webbrowser.open(link)
    except webbrowser.Error as error:
        print(f"No browser could be opened ({error}); open the address yourself.", file=sys.stderr)
