"""What makes replies, without any page or route: the store, the models, the checks and the turns.

`webchat.app` puts the pages and routes around it; a command that makes replies itself uses it alone.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path

from backends.base import Backend
from backends.errors import ModelNotFound
from webchat import __version__
from webchat.api.templates.model_templates import given
from webchat.auth import load_or_make_secret
from webchat.data_folder import LEASE, MASKING_SECRET, SECRET
from webchat.functions import with_functions
from webchat.models import (
    KnownServers,
    Models,
    ModelSpec,
    Shared,
    configured,
    create_backend,
    made_elsewhere,
)
from webchat.moderation import GateFactory, Moderation, OpenGates
from webchat.moderation.recording import Recorder
from webchat.moderation.rules import BadRules, Tools, load_profiles, load_rules
from webchat.monitoring.live import Live
from webchat.monitoring.tracing import Tracing, TracingMissing
from webchat.monitoring.turn_log import log_turn
from webchat.privacy import Encrypted, Keep, Masking, Unkept
from webchat.prompts import PlainRenderer
from webchat.reserves import DiskReserve, MemoryReserve
from webchat.settings import BadSettings, Settings, variable
from webchat.store import DatabaseBusy, Store
from webchat.turns import Review, Turns
from webchat.turns.errors import DiskFull, MemoryFull, TurnError
from webchat.turns.gates.guards import AskModels, asked_models, check_guards, hiding
from webchat.turns.gates.masked import MaskedGates
from webchat.turns.measured import Measured, Report
from webchat.turns.places import Most

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Engine:
    """gates: the checks on text going in and out; masked: the same, with personal data masked for models.
    create: makes the backend of a model. live: counts of the replies. tracing: `None` if nobody collects
    traces."""

    settings: Settings
    store: Store
    models: Models
    recorder: Recorder
    gates: GateFactory
    masked: GateFactory
    turns: Turns
    create: Callable[[ModelSpec], Backend]
    live: Live
    tracing: Tracing | None

    @property
    def guards(self) -> tuple[str, ...]:
        """Models that moderators ask."""
        return tuple(asked_models(self.gates.every)) if isinstance(self.gates, Moderation) else ()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Accepts turns inside the block; at its end, closes everything, the store last."""
        await _give_templates(self.store, self.models)
        await self.turns.open()
        self.recorder.open()
        try:
            yield
        finally:
            await self.turns.aclose()
            if isinstance(self.gates, Moderation):
                await self.gates.aclose()
            await self.recorder.aclose()
            await self.models.aclose()
            self.store.close()
            if self.tracing is not None:
                await asyncio.to_thread(self.tracing.close)


def build_engine(
    settings: Settings,
    *,
    backends: Mapping[str, Backend] | None = None,
    specs: Sequence[ModelSpec] | None = None,
    create: Callable[[ModelSpec], Backend] = create_backend,
    alone: bool = False,
) -> Engine:
    """Opens the database, migrating it, and starts nothing else. alone: as its only server. Takes and raises
    what `webchat.app.build_app` does."""
    renewed = None
    if backends is not None:
        specs, create = made_elsewhere(settings, backends)
    elif specs is None:
        renewed = partial(configured, settings, Shared())
        specs = renewed()
        create = with_functions(specs, create)
    live, tracing = Live(), _tracing(settings)
    store = Store.open(settings.store_url, backup_dir=settings.data_dir / "backups", alone=alone)
    models = _models(settings, store, specs, create, renewed)
    recorder = Recorder(lambda decisions: store.call(store.add_decisions, decisions))
    gates = _gates(settings, recorder, models)
    masked = _masking(settings, gates, store)
    report = _report(live, tracing, logs=settings.log_format == "json")
    turns = _turns(settings, store, models, masked, report, _in_common(settings, store))
    return Engine(settings, store, models, recorder, gates, masked, turns, create, live, tracing)


def _tracing(settings: Settings) -> Tracing | None:
    """Raises `BadSettings` if its libraries are missing."""
    if settings.otlp_endpoint is None:
        return None
    try:
        return Tracing(settings.otlp_endpoint, __version__)
    except TracingMissing as error:
        raise BadSettings(f"otlp_endpoint: {error}.") from None


def _report(live: Live, tracing: Tracing | None, *, logs: bool) -> Report:
    """Who is told of each reply that has ended."""
    told = [live.ended, *([log_turn] if logs else []), *([] if tracing is None else [tracing.ended])]

    def report(one: Measured) -> None:
        for each in told:
            each(one)

    return report


@asynccontextmanager
async def reviewing(settings: Settings, store: Store) -> AsyncIterator[Review]:
    """The review of texts by the settings' rules, for a command that stores what people wrote. Raises
    `BadSettings`."""
    async with moderating(settings, store) as (gates, models):
        yield Review(gates, models)


@asynccontextmanager
async def moderating(settings: Settings, store: Store) -> AsyncIterator[tuple[GateFactory, Models]]:
    """The settings' rules, for a command, and the models that guards ask. Raises `BadSettings`."""
    models = _models(settings, store, configured(settings, Shared()), create_backend, None)
    recorder = Recorder(lambda decisions: store.call(store.add_decisions, decisions))
    gates = _gates(settings, recorder, models)
    recorder.open()
    try:
        yield gates, models
    finally:
        if isinstance(gates, Moderation):
            await gates.aclose()
        await recorder.aclose()
        await models.aclose()


def _turns(
    settings: Settings, store: Store, models: Models, gates: GateFactory, report: Report, about: str
) -> Turns:
    return Turns(
        store,
        models,
        renderer=PlainRenderer(),
        gates=gates,
        most=Most(
            settings.max_turns_per_owner,
            settings.max_turns_per_link,
            settings.max_turns_per_network,
            settings.max_turns,
        ),
        message_chars=settings.max_message_chars,
        titles=settings.titles,
        cuts=settings.context_overflow == "cut",
        inspect=settings.inspect,
        compare_wait=settings.compare_wait,
        routing=_routing(settings),
        full=_reserves(settings),
        report=report,
        about=about,
        lease_file=settings.data_dir / LEASE,
    )


def _routing(settings: Settings) -> Callable[[str], str]:
    """The value of `routing_header` for a conversation's id: of all servers with the same cookie secret the
    same, and for anyone else a number. Raises `OSError` and `ValueError` as the secret does."""
    if not settings.routing_header and not any(model.routing_header for model in settings.models):
        return lambda _: ""
    given = settings.cookie_secret
    secret = given.get_secret_value() if given else load_or_make_secret(settings.data_dir / SECRET)
    key = f"webchat.routing\0{secret}".encode()
    return lambda id: hmac.new(key, id.encode(), "sha256").hexdigest()[:32]


def _reserves(settings: Settings) -> Callable[[], TurnError | None]:
    """Whether memory, or the disk with the database, have only the space left that running turns need. A
    database server has a disk of its own."""
    scheme, _, path = settings.store_url.partition(":///")
    folder = Path(path.partition("?")[0]).absolute().parent
    memory = MemoryReserve()
    disk = DiskReserve(folder, settings.disk_reserve if scheme.startswith("sqlite") else 0)

    def full() -> TurnError | None:
        if disk.used_up():
            return DiskFull()
        return MemoryFull() if memory.used_up() else None

    return full


def _servers(store: Store, specs: Sequence[ModelSpec]) -> KnownServers:
    """The ids of all servers, stable across restarts."""
    return KnownServers(
        (row.id, row.identity) for row in store.model_servers({spec.identity for spec in specs})
    )


def _models(
    settings: Settings,
    store: Store,
    specs: Sequence[ModelSpec],
    create: Callable[[ModelSpec], Backend],
    renewed: Callable[[], Sequence[ModelSpec]] | None,
) -> Models:
    """All models. renewed: their specs as they are later."""
    budget = None if settings.memory_budget is None else int(settings.memory_budget * 1e9)
    return Models(
        specs,
        create,
        servers=_servers(store, specs),
        default=settings.default_model,
        memory_budget=budget,
        renewed=renewed,
    )


def _gates(settings: Settings, record: Recorder, models: Models) -> GateFactory:
    """The checks on text going in and out. record: receives each decision. models: for guard models. Raises
    `BadSettings` for invalid rules."""
    if settings.moderation is None:
        return OpenGates()
    try:
        asks = AskModels(models, settings.masking)
        tools = Tools(key=variable, ask=asks, hide=hiding(settings.masking))
        rules = load_rules(settings.moderation, tools)
        profiles = load_profiles(settings.moderation, tools)
    except BadRules as error:
        raise BadSettings(f"moderation = {error}.") from None
    if wrong := check_guards([*rules, *chain.from_iterable(profiles.values())], models):
        raise BadSettings(f"moderation = {settings.moderation}: {wrong}.")
    return Moderation(rules, record, profiles=profiles, keeps_content=settings.decisions_content)


def _masking(settings: Settings, gates: GateFactory, store: Store) -> GateFactory:
    """The same checks, with personal data masked for remote models. Raises `OSError`."""
    if settings.masking == "off":
        return gates
    keep: Keep = Unkept()
    if settings.masking_keep == "encrypted":
        try:
            keep = Encrypted(
                lambda owner, id: store.call(store.placeholders, owner, id),
                lambda owner, id, values, anew: store.call(store.keep_placeholders, owner, id, values, anew),
                _masking_secret(settings),
            )
        except ValueError as error:
            log.warning("%s. Until then, placeholder values are kept in memory only.", error)
    return MaskedGates(gates, Masking(keep), always=settings.masking == "always")


def _in_common(settings: Settings, store: Store) -> str:
    """A hash of the secrets that all servers of a database need. Raises `DatabaseBusy` if those that run have
    others, and `OSError`."""
    if not store.shared:
        return ""
    given = settings.cookie_secret
    cookies = load_or_make_secret(settings.data_dir / SECRET) if given is None else given.get_secret_value()
    keeps = settings.masking != "off" and settings.masking_keep == "encrypted"
    masking = _masking_secret(settings) if keeps else ""
    own = sha256(f"{cookies}\0{masking}".encode()).hexdigest()
    if any(about not in ("", own) for _, about in store.replicas()):
        store.close()
        raise DatabaseBusy(
            "Another webchat server uses this database with other secrets; sign-ins would not hold on both.",
            cure="Start both with the same WEBCHAT_COOKIE_SECRET and WEBCHAT_MASKING_SECRET.",
        )
    return own


def _masking_secret(settings: Settings) -> str:
    if settings.masking_secret is not None:
        return settings.masking_secret.get_secret_value()
    return load_or_make_secret(settings.data_dir / MASKING_SECRET)


async def _give_templates(store: Store, models: Models) -> None:
    """Apply the chat templates that the operator saved."""
    for version in await store.call(store.chat_templates):
        with suppress(ModelNotFound):  # of another start, with other models
            models.use_template(version.model, given(version))
