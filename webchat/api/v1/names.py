"""The names that a call may have for its model: those of models, and prompt templates as `name@v3`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from webchat.api.errors import ApiError
from webchat.api.services import Services
from webchat.prompts.errors import TemplateError
from webchat.prompts.personas import Personas
from webchat.prompts.starters import starters
from webchat.store import NotFound
from webchat.store.records import Owner, TemplateUse
from webchat.turns.offered import Offered

_VERSIONED = re.compile(r"(?P<name>.+)@v(?P<version>[0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for. model: `None` for the usual one. system, persona: of a template."""

    model: str | None
    system: str | None = None
    persona: TemplateUse | None = None


@dataclass(frozen=True, slots=True)
class ListedName:
    """created: seconds since 1970, 0 where unknown."""

    id: str
    created: int
    owned_by: str
    context_length: int | None = None


class Names:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store
        self._models = services.models
        self._personas = Personas(services.store, services.sandbox)

    async def find(self, owner: Owner, wanted: str | None) -> Named:
        """Raises `ApiError` for a version of a template that does not exist, or one that needs values."""
        offered = Offered(self._models, owner.terms)
        if not wanted:
            return Named(None)
        found = _VERSIONED.fullmatch(wanted)
        name = wanted if found is None else found["name"]
        info = offered.info(wanted)
        if info is not None and not info.missing:
            return Named(wanted)
        template = await self._template(owner, name)
        if template is None:
            # The model of an endpoint that was not asked yet, or nothing: the turn finds out.
            return Named(wanted)
        version = None if found is None else int(found["version"])
        try:
            system, persona = await self._personas.by_default(owner.id, template, version)
        except NotFound:
            raise unknown(wanted) from None
        except TemplateError as error:
            raise ApiError(400, error.code, error.message, error.cure, {"field": "model"}) from None
        return Named(None, system, persona)

    async def listed(self, owner: Owner) -> list[ListedName]:
        """Every name the owner may use, models first."""
        return [*self._listed_models(owner), *await self._listed_templates(owner)]

    def _listed_models(self, owner: Owner) -> Iterator[ListedName]:
        for info in Offered(self._models, owner.terms).infos():
            able = info.capabilities
            yield ListedName(info.name, 0, "webchat", None if able is None else able.context_length)

    async def _listed_templates(self, owner: Owner) -> list[ListedName]:
        if not owner.terms.own_prompts:
            return []
        return [
            ListedName(f"{one.name}@v{one.version}", int(one.updated_at.timestamp()), "template")
            for one in await self._store.call(self._store.list_templates, owner.id)
            if one.has_system
        ]

    async def _template(self, owner: Owner, name: str) -> str | None:
        """The id of a template of that name, the owner's own before shared ones."""
        if not owner.terms.own_prompts:
            return None
        named = [
            one
            for one in await self._store.call(self._store.list_templates, owner.id)
            if one.has_system and one.name == name
        ]
        named.sort(key=lambda one: one.owner_id != owner.id)
        if named:
            return named[0].id
        built_in = starters().values() if self._services.starters else ()
        every = (one for some in built_in for one in some.items())
        return next((id for id, content in every if content.system and content.name == name), None)


def unknown(wanted: str) -> ApiError:
    return ApiError(
        404,
        "model_not_found",
        f"There is no model named {wanted[:200]!r} that you may use.",
        "GET /v1/models lists them.",
        {"field": "model"},
    )
