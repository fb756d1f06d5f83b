"""Which template a text is said to be from, checked: nobody's word is taken for it."""

from __future__ import annotations

from dataclasses import replace

from webchat.api.library import Library
from webchat.api.services import Services
from webchat.api.wire.conversations import SettingsBody, TemplateUseBody
from webchat.prompts.errors import TemplateError
from webchat.prompts.texts import render_text
from webchat.slots import Crowded
from webchat.store import NotFound
from webchat.store.records import ConversationSettings, TemplateUse


class Personas:
    """A template that does not exist, or not for them, is left out: the words it is said to have made are
    what counts, and they must never be lost over it."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._sandbox = services.sandbox
        self._library = Library(services.store)

    async def settings(
        self, owner: str, body: SettingsBody, conversation_id: str | None = None
    ) -> ConversationSettings:
        """The settings that were sent, with their persona if the system prompt is its text word for word. A
        page that says nothing of personas leaves that of the conversation alone. Raises `NotFound`."""
        settings = body.record()
        if "persona" in body.model_fields_set or conversation_id is None:
            return replace(settings, persona=await self._persona(owner, body))
        before = (await self._store.call(self._store.conversation, owner, conversation_id)).settings
        same = before.system_prompt == settings.system_prompt
        return replace(settings, persona=before.persona if same else None)

    async def _persona(self, owner: str, body: SettingsBody) -> TemplateUse | None:
        said = body.persona
        if said is None or not (body.system_prompt or "").strip():
            return None
        try:
            found = await self._library.find(owner, said.id, said.version)
            text = await render_text(self._sandbox, found.content, "system", said.values, owner)
        except (NotFound, TemplateError, Crowded):
            return None
        if text != (body.system_prompt or "").strip():
            return None
        return TemplateUse(found.id, found.version, found.content.name, said.values)

    async def named(self, owner: str, said: TemplateUseBody | None) -> TemplateUse | None:
        """The template of a person's message. It may have been edited by hand since, so its text is not
        compared, and the values, which stand in it, are not kept twice."""
        if said is None:
            return None
        try:
            found = await self._library.find(owner, said.id, said.version)
        except NotFound:
            return None
        return TemplateUse(found.id, found.version, found.content.name)
