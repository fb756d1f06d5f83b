"""Who has to go so that another fits: arithmetic over footprints, without doing anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backends.base import Footprint
from backends.errors import OutOfMemory


@dataclass(frozen=True, slots=True)
class Tenant:
    """A model in memory or on its way. fixed: it stays, and `why`. since: when it was last used."""

    name: str
    footprint: Footprint
    fixed: bool
    why: str
    since: float


def total(footprints: Iterable[Footprint]) -> int:
    """Bytes taken together; a part that several name counts once, as large as the largest says."""
    parts: dict[str, int] = {}
    for footprint in footprints:
        for name, size in footprint.parts.items():
            parts[name] = max(size, parts.get(name, 0))
    return sum(parts.values())


def leaving(tenants: Sequence[Tenant], new: Footprint, budget: int) -> list[str] | None:
    """Names of the models to unload so that `new` fits with the rest into `budget` bytes, the one unused
    longest first; `None` when it cannot fit."""
    here = [tenant for tenant in tenants if tenant.footprint.device == new.device]
    gone: list[str] = []
    for tenant in sorted((one for one in here if not one.fixed), key=lambda one: one.since):
        if total([new, *(one.footprint for one in here)]) <= budget:
            break
        here.remove(tenant)
        gone.append(tenant.name)
    return gone if total([new, *(one.footprint for one in here)]) <= budget else None


def no_room(name: str, tenants: Sequence[Tenant], new: Footprint, budget: int) -> OutOfMemory:
    """Why a model cannot be loaded, with the numbers."""
    here = [tenant for tenant in tenants if tenant.footprint.device == new.device and tenant.fixed]
    needed, taken = total([new]), total(tenant.footprint for tenant in here)
    params: dict[str, str | int | float] = {
        "model": name,
        "needed_gb": gigabytes(needed),
        "budget_gb": gigabytes(budget),
    }
    if needed > budget:
        return OutOfMemory(
            f"{name} needs about {gigabytes(needed)} GB, and all models together may take"
            f" {gigabytes(budget)} GB.",
            cure="Choose a smaller or more strongly quantized model, or raise memory_budget.",
            params=params,
        )
    others = ", ".join(f"{tenant.name} ({tenant.why})" for tenant in here)
    return OutOfMemory(
        f"{name} needs about {gigabytes(needed)} GB, and of {gigabytes(budget)} GB for models"
        f" {gigabytes(taken)} GB are taken by {others}.",
        cure="Try again when their replies have ended, or raise memory_budget.",
        params={**params, "taken_gb": gigabytes(taken), "others": others},
    )


def gigabytes(size: int) -> float:
    return round(size / 1e9, 1 if size >= 1e9 else 2)
