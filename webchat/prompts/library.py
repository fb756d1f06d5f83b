"""Templates from all sources, the store's and the built-in ones, by one id."""

from __future__ import annotations

import json
from dataclasses import dataclass

from webchat.prompts.content import TemplateContent
from webchat.prompts.starters import starter
from webchat.store import NotFound, Store


@dataclass(frozen=True, slots=True)
class Found:
    """One version of a template that the caller may see."""

    id: str
    version: int
    content: TemplateContent


class Library:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, owner: str, template_id: str, version: int | None = None) -> Found:
        """A version, the newest if `None`; also of a deleted template, until it is purged. Raises
        `NotFound`."""
        if (content := starter(template_id)) is not None:
            if version not in (None, 1):
                raise NotFound("template")
            return Found(template_id, 1, content)
        found = await self._store.call(self._store.template_version, owner, template_id, version)
        return Found(
            template_id, found.number, TemplateContent.model_validate_json(json.dumps(dict(found.content)))
        )
