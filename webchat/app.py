"""The composition root: the one place that names every collaborator.

    Settings -> Store, Models -> Turns -> Services -> routes + console + page -> Door -> ASGI

`build_app` makes one ASGI application for every way of running; `webchat.server` runs it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from backends.base import Backend
from backends.errors import BackendError
from webchat import __version__
from webchat.api import Edge, PageEntry, Services, body_limit, key_scope, routes
from webchat.api.metrics import own_port
from webchat.api.wire import moderation as wire
from webchat.api.work import places
from webchat.auth import Door, Identities, Sessions, Ways, load_or_make_secret
from webchat.auth.passwords.checking import Passwords
from webchat.backups import BackupError, Snapshots, last_saved, prepare_database
from webchat.console import EVENT_BODY, MountedBlocks, create_console, is_event, mount_blocks
from webchat.console import PATH as CONSOLE
from webchat.data_folder import SECRET, make_data_folder
from webchat.doctor import Patient, examine
from webchat.engine import Engine, build_engine
from webchat.feedback.jobs import Commands, JudgementExports, Trainings
from webchat.feedback.replay import Replayer
from webchat.imports import Importer
from webchat.imports.background import Imports
from webchat.mcp import Mcp
from webchat.models import (
    Models,
    ModelSpec,
    create_backend,
)
from webchat.moderation import Moderation
from webchat.monitoring.monitor import Monitor, look_at
from webchat.pages import Page
from webchat.pages.mounting import mount_pages
from webchat.pages.page import installed
from webchat.privacy import KINDS
from webchat.settings import BadSettings, Settings
from webchat.sharing import OperatorLink, Redeemer, StartLink
from webchat.sharing.shares import Shares
from webchat.sign_in import door_settings, own_address, providers, proxied
from webchat.store import Store, StoreUnavailable
from webchat.turns import Review, Turns
from webchat.ui import PageSettings, create_page, mount
from webchat.webhooks import Deliverer, Sender

log = logging.getLogger(__name__)

CLOCK_SET_SECONDS = 24 * 3600.0
PURGE_EVERY = timedelta(hours=6)


Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class App:
    """The application, itself an ASGI app, and what its server needs from it.

    `start_link` is set if visitors need a link, `operator_link` if visitors are not operators; `url(address)`
    of either is to be opened. metrics: what `metrics_port` serves. lifespan: runs the app, once, in another
    one that mounts it at its `root_path`.
    """

    asgi: ASGIApp
    settings: Settings
    store: Store
    models: Models
    turns: Turns
    start_link: StartLink | None
    operator_link: OperatorLink | None
    lifespan: Lifespan
    metrics: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            mounted = scope.get("root_path", "").rstrip("/")
            if mounted not in ("", self.settings.root_path):
                raise RuntimeError(f'mounted at {mounted}: make the app with root_path="{mounted}"')
            if not self.turns.accepting:
                raise RuntimeError(
                    "the app that mounts webchat has to start it: FastAPI(lifespan=chat.lifespan)"
                )
        await self.asgi(scope, receive, send)


def build_app(
    settings: Settings,
    *,
    backends: Mapping[str, Backend] | None = None,
    pages: Sequence[Page] = (),
    specs: Sequence[ModelSpec] | None = None,
    create: Callable[[ModelSpec], Backend] = create_backend,
) -> App:
    """Assemble the application. Opens the database, migrating it, and starts nothing else.

    backends: models by name, in place of those in the settings. pages: beside the chat and those of installed
    packages. specs, create: fakes for tests. Raises `BadSettings`, `StoreError`, `BackendError`, `OSError`.
    """
    make_data_folder(settings)
    snapshots = _snapshots(settings)
    secret = _secret(settings)
    engine = build_engine(settings, backends=backends, specs=specs, create=create)
    store, turns = engine.store, engine.turns
    start_link, operator_link = _printed_links(settings)
    at_the_door = door_settings(settings, secret)
    by_proxy = proxied(settings, store)
    identities = Identities(store, at_the_door, link_ended=turns.link_ended, proxied=by_proxy)
    redeemer = Redeemer(store, start=start_link, operator=operator_link)
    menu: list[PageEntry] = []
    ui = PageSettings(language=settings.language, max_message_chars=settings.max_message_chars)
    services = _services(
        settings,
        engine,
        identities,
        secret=secret,
        ways=at_the_door.ways,
        redeemer=None if settings.door == "local" else redeemer,
        assets=ui.version,
        pages=menu,
        snapshots=snapshots,
    )
    console, labels = create_console(services)
    mounted: list[MountedBlocks] = []
    slots = places()
    mcp = Mcp(services, slots, most_body=settings.max_body_bytes)
    lifespan = _lifespan(services, engine, settings, mounted, mcp)
    parent = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    parent.router.routes.extend([*routes(services, slots), *mcp.routes()])
    mounted.append(
        mount_blocks(parent, CONSOLE, console, "operator", ui=ui, root_path=settings.root_path, labels=labels)
    )
    pages = (*pages, *installed())
    mounted += mount_pages(parent, pages, services, menu, ui=ui, root_path=settings.root_path)
    mount(parent, create_page(ui), ui, root_path=settings.root_path)
    door = Door(
        parent,
        identities=identities,
        settings=at_the_door,
        body_limit=partial(_body_limit, most=settings.max_body_bytes),
        key_scope=key_scope,
    )
    edge = Edge(door, settings.root_path)
    metrics = own_port(services, settings.metrics_host)
    return App(edge, settings, store, engine.models, turns, start_link, operator_link, lifespan, metrics)


def _services(
    settings: Settings,
    engine: Engine,
    identities: Identities,
    *,
    secret: str,
    ways: Ways,
    redeemer: Redeemer | None,
    assets: str,
    pages: Sequence[PageEntry],
    snapshots: Snapshots | None,
) -> Services:
    """The collaborators of routes and pages. assets: version of the page's files. pages: filled as others are
    mounted."""
    store, models, turns, gates = engine.store, engine.models, engine.turns, engine.gates
    commands = Commands(settings)
    review = Review(engine.masked, models)
    return Services(
        store=store,
        turns=turns,
        review=review,
        models=models,
        identities=identities,
        sessions=Sessions(store, identities),
        shares=_shares(settings, store, secret),
        ways=ways,
        passwords=Passwords(store) if "password" in settings.sign_in else None,
        providers=providers(settings, store, secret),
        address=own_address(settings),
        root_path=settings.root_path,
        sign_out_url=settings.proxy_sign_out_url,
        share_assets=f"assets/{assets}/",
        boot=secrets.token_hex(8),
        version=__version__,
        access=settings.door,
        language=settings.language,
        message_chars=settings.max_message_chars,
        redeemer=redeemer,
        starters=settings.starters,
        moderators=gates.moderators if isinstance(gates, Moderation) else (),
        profiles=gates.profiles if isinstance(gates, Moderation) else {},
        rules_file=None if settings.moderation is None else str(settings.moderation),
        masking=wire.Masking(when=settings.masking, keep=settings.masking_keep, kinds=KINDS),
        keeps_content=settings.decisions_content,
        decisions_days=settings.decisions_days,
        dropped_decisions=lambda: engine.recorder.dropped,
        trash_days=settings.trash_days,
        pages=pages,
        judgement_exports=JudgementExports(commands, settings.data_dir / "exports"),
        trainings=Trainings(commands, settings),
        imports=Imports(store, Importer(store, review), settings.data_dir / "imports", turns.changed),
        snapshots=snapshots,
        ephemeral=settings.ephemeral and snapshots is None and settings.store_url.startswith("sqlite"),
        monitor=_monitor(settings, engine),
        sender=Sender(private=settings.webhooks_private, version=__version__),
        examine=lambda quick: examine(Patient(settings, __version__, engine.create, quick=quick)),
    )


def _shares(settings: Settings, store: Store, secret: str) -> Shares:
    visitors = settings.visitor_shares or settings.door != "open"
    return Shares(store, mode=settings.shares, visitors=visitors, secret=secret)


def _monitor(settings: Settings, engine: Engine) -> Monitor:
    """What probes, metrics and the *Health* tab show of this server."""
    url = settings.store_url
    file = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None
    return Monitor(
        engine.live,
        engine.turns,
        engine.models,
        version=__version__,
        files=partial(look_at, settings.data_dir, file, partial(last_saved, settings)),
        dropped=lambda: engine.recorder.dropped,
    )


def _snapshots(settings: Settings) -> Snapshots | None:
    """Before the database is opened: it may begin with a snapshot. Raises `BadSettings`."""
    try:
        return prepare_database(settings)
    except BackupError as error:
        raise BadSettings(str(error)) from None


def _secret(settings: Settings) -> str:
    """Signs cookies. Raises `OSError`."""
    if settings.cookie_secret is not None:
        return settings.cookie_secret.get_secret_value()
    return load_or_make_secret(settings.data_dir / SECRET)


def _printed_links(settings: Settings) -> tuple[StartLink | None, OperatorLink | None]:
    """The links that the start prints, for visitors and for the operator."""
    # Where people sign in, operators are made at the terminal, and nobody needs the start's link.
    by_links = not settings.accounts
    printed = settings.door == "link" and (by_links or "link" in settings.sign_in)
    operates = settings.door != "local" and by_links
    return StartLink() if printed else None, OperatorLink() if operates else None


def _tell_missing_profiles(store: Store, profiles: Collection[str]) -> None:
    """Log the links whose moderation profile the rules file does not define."""
    for link in store.list_links():
        wanted = link.terms.moderation_profile
        if wanted and wanted not in profiles and link.end(datetime.now(UTC)) in ("", "link_paused"):
            log.error(
                'link "%s": the moderation profile "%s" is not in the rules file; nobody can send anything by'
                " this link until it is",
                link.name,
                wanted,
            )


def _body_limit(method: str, path: str, most: int) -> int:
    return min(EVENT_BODY, most) if is_event(method, path) else body_limit(method, path, most)


def _lifespan(
    services: Services, engine: Engine, settings: Settings, mounted: Sequence[MountedBlocks], mcp: Mcp
) -> Lifespan:
    store, models = services.store, services.models

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        saved = nullcontext() if services.snapshots is None else services.snapshots.running()
        async with saved, engine.running():
            await store.call(_tell_missing_profiles, store, services.profiles)
            if services.imports is not None:
                await services.imports.open()
            replayer = Replayer(store, services.turns)
            tasks = [
                asyncio.create_task(_warm(models, engine.guards)),
                asyncio.create_task(models.discover()),
                # Of several servers, one does these.
                *(
                    asyncio.create_task(services.turns.replica.lead(work))
                    for work in (
                        partial(_purge, store, settings),
                        replayer.serve,
                        Deliverer(store, services.sender).serve,
                    )
                ),
            ]
            if services.monitor is not None:
                tasks.append(asyncio.create_task(services.monitor.sampler.serve()))
            try:
                async with AsyncExitStack() as pages:
                    for one in mounted:
                        await pages.enter_async_context(one.running())
                    yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await mcp.aclose()
                await _close(services)

    return lifespan


async def _close(services: Services) -> None:
    """What only the routes and the console use."""
    if services.imports is not None:
        await services.imports.aclose()
    await services.sandbox.aclose()
    await services.shares.aclose()
    if services.judgement_exports is not None:
        await services.judgement_exports.aclose()
    if services.trainings is not None:
        await services.trainings.aclose()
    if services.passwords is not None:
        services.passwords.close()
    if services.providers is not None:
        await services.providers.aclose()
    await services.identities.aclose()


async def _warm(models: Models, guards: Sequence[str]) -> None:
    """Load the default model, and the guard models, before the first message. A failure is reported in the
    page, where the model is used."""
    for name in (models.default, *guards):
        loads = any(info.name == name and info.in_process for info in models.infos())
        if loads:
            log.info("loading model %s", name)
        try:
            await models.ready(name)
            if loads:
                log.info("model %s loaded", name)
        except BackendError as error:
            log.warning("%s", error)


def _ahead() -> float:
    """The wall clock without the time that this machine has run: it changes only if the clock is set."""
    running = getattr(
        time, "CLOCK_BOOTTIME", None
    )  # unlike the monotonic clock, it runs while a laptop sleeps
    return time.time() - (time.monotonic() if running is None else time.clock_gettime(running))


async def _purge(store: Store, settings: Settings) -> None:
    """Periodically delete expired entries of the trash, sessions and the moderation log, unless the clock was
    set forward: what is deleted for a wrong clock does not come back."""
    began = _ahead()
    while True:
        now = datetime.now(UTC)
        if _ahead() - began > CLOCK_SET_SECONDS:
            log.error("the clock was set forward, so nothing expired is deleted until the server restarts")
            await asyncio.sleep(PURGE_EVERY.total_seconds())
            continue
        try:
            await store.call(store.expire_chats, now)
            while await store.call(store.trim_handovers):
                pass
            gone = await store.call(store.purge, now - timedelta(days=settings.trash_days))
            if gone:
                log.info("permanently deleted %d conversations and messages from the trash", gone)
            while await store.call(store.trim_sessions):
                pass
            while await store.call(store.trim_keys):
                pass
            while await store.call(store.trim_deliveries):
                pass
            while await store.call(store.trim_decisions, now - timedelta(days=settings.decisions_days)):
                pass
        except StoreUnavailable as error:
            log.warning("the trash was not emptied; will retry: %s", error)
        except Exception:
            log.exception("emptying the trash failed; will retry")
        await asyncio.sleep(PURGE_EVERY.total_seconds())
