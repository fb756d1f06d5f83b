"""Which models to unload so that another fits: arithmetic on footprints, without side effects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backends.base import Footprint
from backends.errors import OutOfMemory


class ModelTooLarge(OutOfMemory):
    """It does not fit even alone."""

    code = "model_too_large"


class NoRoom(OutOfMemory):
    """It fits, but not next to those that must stay now."""

    code = "no_room"
    retryable = True


@dataclass(frozen=True, slots=True)
class Tenant:
    """A model in memory or being loaded. why: it must stay, empty if it may be unloaded. since: when it was
    last used."""

    name: str
    footprint: Footprint
    why: str
    since: float

    @property
    def fixed(self) -> bool:
        return self.why != ""


def place_of(footprint: Footprint) -> str:
    """The memory a footprint counts against: one name for each, even if devices have several or share it."""
    return {"cuda": "cuda:0", "mps": "cpu"}.get(footprint.device, footprint.device)


def total(footprints: Iterable[Footprint]) -> int:
    """Bytes taken together; a part named by several counts once, at its largest size."""
    parts: dict[str, int] = {}
    for footprint in footprints:
        for name, size in footprint.parts.items():
            parts[name] = max(size, parts.get(name, 0))
    return sum(parts.values())


def beside(tenants: Iterable[Tenant], new: Footprint) -> list[Tenant]:
    """Those that share their memory with `new`."""
    return [tenant for tenant in tenants if place_of(tenant.footprint) == place_of(new)]


def leaving(tenants: Sequence[Tenant], new: Footprint, budget: int) -> list[str] | None:
    """Names of the models to unload so that `new` fits with the rest into `budget` bytes; `None` if it cannot
    fit.

    Least recently used first. One whose memory turns out not to be needed stays: it was too small to matter,
    or shares its weights with one that stays.
    """
    here = beside(tenants, new)

    def fits(*more: Tenant) -> bool:
        return total([new, *(one.footprint for one in (*here, *more))]) <= budget

    gone: list[Tenant] = []
    for tenant in sorted((one for one in here if not one.fixed), key=lambda one: one.since):
        if fits():
            break
        here.remove(tenant)
        gone.append(tenant)
    if not fits():
        return None
    for tenant in gone[::-1]:
        if fits(tenant):
            here.append(tenant)
            gone.remove(tenant)
    return [tenant.name for tenant in gone]


def refusal(name: str, tenants: Sequence[Tenant], new: Footprint, budget: int) -> OutOfMemory:
    """Why a model cannot be loaded, with the numbers."""
    needed = total([new])
    params: dict[str, str | int | float] = {
        "model": name,
        "needed_gb": gigabytes(needed),
        "budget_gb": gigabytes(budget),
    }
    if needed > budget:
        return ModelTooLarge(
            f"{name} needs about {gigabytes(needed)} GB, but only {gigabytes(budget)} GB are reserved for"
            " models.",
            cure="Choose a smaller model, lower its context_length, slots or cache_tokens, or raise"
            " memory_budget.",
            params=params,
        )
    fixed = [tenant for tenant in beside(tenants, new) if tenant.fixed]
    taken = total(tenant.footprint for tenant in fixed)
    others = ", ".join(f"{tenant.name} ({tenant.why})" for tenant in fixed)
    return NoRoom(
        f"{name} needs about {gigabytes(needed)} GB, but {others} already use {gigabytes(taken)} of"
        f" {gigabytes(budget)} GB reserved for models.",
        cure="Try again when their replies have ended, or choose a loaded model.",
        params={
            **params,
            "taken_gb": gigabytes(taken),
            "others": ", ".join(tenant.name for tenant in fixed),
        },
    )


def gigabytes(size: int) -> float:
    return round(size / 1e9, 1 if size >= 1e9 else 2)
