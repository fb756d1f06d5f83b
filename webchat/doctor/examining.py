"""All checks, in the order they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import get_args

from webchat.doctor import fitting, machine, models, network, storage
from webchat.doctor.finding import Area, Finding
from webchat.models import Create, create_backend
from webchat.models.learned import FILE, LearnedFile
from webchat.settings import Settings

AREAS: tuple[Area, ...] = get_args(Area)


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. version: of webchat. create: makes the backend of a model. quick: leave out what
    takes seconds or costs tokens: a reply of each endpoint, the stream through the public address, reading
    the whole database, and the memory's bandwidth."""

    settings: Settings
    version: str
    create: Create = create_backend
    quick: bool = False


async def examine(patient: Patient) -> AsyncIterator[Finding]:
    """All findings, area by area; each comes as soon as it is known. What blocks runs in threads."""
    settings, create = patient.settings, patient.create
    gpus = await asyncio.to_thread(machine.gpus)
    for probe in (lambda: machine.machine(patient.version), machine.engines, lambda: machine.gpu(gpus)):
        async for finding in _in_thread(probe):
            yield finding
    async for finding in _in_thread(lambda: storage.disk(settings)):
        yield finding
    async for finding in _in_thread(lambda: storage.database(settings, whole=not patient.quick)):
        yield finding
    async for finding in _in_thread(lambda: storage.snapshots(settings)):
        yield finding
    async for finding in _in_thread(lambda: network.port(settings)):
        yield finding
    if not patient.quick:
        async for finding in network.clocks(settings):
            yield finding
    async for finding in models.models(settings, create):
        yield finding
    for probe in (lambda: models.ways(settings), lambda: models.learned(settings)):
        async for finding in _in_thread(probe):
            yield finding
    if patient.quick:
        return
    async for finding in models.endpoints(settings, create):
        yield finding
    async for finding in network.public(settings):
        yield finding
    async for finding in _in_thread(lambda: fitting.fitting(gpus)):
        yield finding


async def _in_thread(probe: Callable[[], Iterable[Finding]]) -> AsyncIterator[Finding]:
    for finding in await asyncio.to_thread(lambda: list(probe())):
        yield finding


def forget(settings: Settings) -> Finding:
    """Clear the record of features that endpoints rejected."""
    try:
        LearnedFile(settings.data_dir / FILE).forget()
    except OSError as error:
        return Finding("endpoints", "error", "forget_fails", {"why": error.strerror or ""})
    return Finding("endpoints", "ok", "forgotten")
