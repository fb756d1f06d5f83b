"""Checks which template a text is claimed to come from: no claim is trusted."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Literal

from webchat.prompts.errors import PromptOfLinkGone, TemplateError
from webchat.prompts.library import Library
from webchat.prompts.sandbox import Sandbox
from webchat.prompts.texts import render_text
from webchat.slots import Crowded
from webchat.store import NotFound, Store
from webchat.store.records import ConversationSettings, TemplateUse

log = logging.getLogger(__name__)

Said = TemplateUse | Literal["nothing"] | None
"""The template a system prompt is claimed to come from, `None` for none."""


class Personas:
    """A template that does not exist, or that the caller may not see, is left out: the text itself is what
    counts, and it must never be lost because of the template."""

    def __init__(self, store: Store, sandbox: Sandbox) -> None:
        self._store = store
        self._sandbox = sandbox
        self._library = Library(store)

    async def settings(
        self, owner: str, settings: ConversationSettings, said: Said, conversation_id: str | None = None
    ) -> ConversationSettings:
        """The settings, with the claimed persona if their system prompt equals its text word for word.
        Without a claim, the conversation's persona is unchanged. Raises `NotFound`."""
        if conversation_id is None or said != "nothing":
            prompt = (settings.system_prompt or "").strip()
            return replace(settings, persona=await self._persona(owner, said, prompt))
        before = (await self._store.call(self._store.conversation, owner, conversation_id)).settings
        same = before.system_prompt == settings.system_prompt
        return replace(settings, persona=before.persona if same else None)

    async def only(self, owner: str, template_id: str | None) -> tuple[str | None, TemplateUse | None]:
        """The system prompt of the one template somebody may use, with its variables as they are by default;
        none without a template, or if it has none. Raises `PromptOfLinkGone`, `Crowded`."""
        if template_id is None:
            return None, None
        try:
            return await self.by_default(owner, template_id)
        except (NotFound, TemplateError) as error:
            log.warning(
                "template %s of a link can't be used, so its people get no replies: %s", template_id, error
            )
            raise PromptOfLinkGone from None

    async def by_default(
        self, owner: str, template_id: str, version: int | None = None
    ) -> tuple[str | None, TemplateUse | None]:
        """The system prompt of a template, with its variables as they are by default; none if it has none.
        Raises `NotFound`, `TemplateError` for one that cannot do without values, `Crowded`."""
        found = await self._library.find(owner, template_id, version)
        values = {one.name: one.default for one in found.content.variables if one.default is not None}
        text = await render_text(self._sandbox, found.content, "system", values, owner)
        if not text.strip():
            return None, None
        return text, TemplateUse(found.id, found.version, found.content.name, values)

    async def _persona(self, owner: str, said: Said, prompt: str) -> TemplateUse | None:
        if not prompt or said is None or said == "nothing":
            return None
        try:
            found = await self._library.find(owner, said.id, said.version)
            text = await render_text(self._sandbox, found.content, "system", said.values, owner)
        except (NotFound, TemplateError, Crowded):
            return None
        if text != prompt:
            return None
        return TemplateUse(found.id, found.version, found.content.name, said.values)

    async def named(self, owner: str, said: TemplateUse) -> TemplateUse | None:
        """The template of a person's message. The text may have been edited since, so it is not compared, and
        the values, which are in it, are not stored twice."""
        try:
            found = await self._library.find(owner, said.id, said.version)
        except NotFound:
            return None
        return TemplateUse(found.id, found.version, found.content.name)
