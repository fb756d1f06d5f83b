"""Prompt templates: list, edit, version, render, import and export."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import JsonValue, ValidationError
from starlette.responses import Response

from webchat.api.errors import ApiError, invalid, not_found
from webchat.api.filenames import disposition
from webchat.api.reading import Caller, Language, PathId, QueryText
from webchat.api.services import Services
from webchat.api.wire.prompt_templates import (
    NAME_CHARS,
    DuplicateBody,
    ImportBody,
    ListedTemplate,
    ListedTemplateVersion,
    NewTemplateBody,
    RenderBody,
    RenderedTemplate,
    Template,
    TemplateBody,
    TemplateList,
    TemplateName,
    TemplateText,
    TemplateVersion,
    TemplateVersionList,
)
from webchat.moderation import Context
from webchat.prompts.content import TemplateContent
from webchat.prompts.files import json_file, read_file, yaml_file
from webchat.prompts.library import Library
from webchat.prompts.starters import starter, starters
from webchat.prompts.texts import check_content, render_texts
from webchat.store import NotFound
from webchat.store.records import Owner
from webchat.store.template_records import ListedTemplate as ListedRecord
from webchat.store.template_records import PromptTemplate, TemplateScope

_STARTER_TIME = datetime(2026, 11, 24, tzinfo=UTC)
_STARTER_VERSION = ListedTemplateVersion(number=1, created_at=_STARTER_TIME, author="webchat", note="")
_COPY = {"en": " (copy)", "zh-CN": "（副本）"}


class Templates:
    """The routes under /api/templates."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._sandbox = services.sandbox
        self._starters = services.starters
        self._library = Library(services.store)
        self._review = services.review

    async def list(self, owner: Caller, language: Language, q: QueryText = "") -> TemplateList:
        """The caller's templates and the shared ones, by name. q: part of a name or description."""
        if not owner.terms.own_prompts:
            only = await self._only(owner)
            return TemplateList(items=tuple(_matching(only, q.strip().casefold())))
        found = await self._store.call(self._store.list_templates, owner.id)
        items = [_listed(one, owner) for one in found]
        if self._starters:
            items += [_starter(id, content, owner).listed() for id, content in starters()[language].items()]
        return TemplateList(items=tuple(sorted(_matching(items, q.strip().casefold()), key=_place)))

    async def create(self, owner: Caller, body: NewTemplateBody) -> Template:
        """Store a new template. 403 for a shared one, unless the caller is an operator."""
        _may_write(owner)
        content = await _checked(await self._reviewed(owner, body.content))
        _may_share(owner, body.scope)
        return await self._create(owner, content, body.scope, body.note)

    async def get(self, owner: Caller, id: PathId) -> Template:
        """A template with its newest content."""
        if not owner.terms.own_prompts:
            return await self._of_link(owner, id)
        if (content := starter(id)) is not None:
            return _starter(id, content, owner)
        return _template(await self._store.call(self._store.template, owner.id, id), owner)

    async def change(self, owner: Caller, id: PathId, body: TemplateBody) -> Template:
        """Store a new version. 403 for a template that comes with the app, and for a shared one unless the
        caller is an operator; 409 if it was changed in the meantime."""
        await self._check_changeable(owner, id)
        content = await _checked(await self._reviewed(owner, body.content))
        _may_share(owner, body.scope)
        changed = await self._store.call(
            self._store.change_template,
            owner.id,
            id,
            content,
            based_on=body.based_on,
            scope=body.scope,
            note=body.note,
            operates=owner.operates,
        )
        return _template(changed, owner)

    async def delete(self, owner: Caller, id: PathId) -> None:
        """Delete a template; it can be restored for a while. 403 for one that comes with the app, and
        for a shared one unless the caller is an operator."""
        await self._check_changeable(owner, id)
        await self._store.call(self._store.delete_template, owner.id, id, operates=owner.operates)

    async def restore(self, owner: Caller, id: PathId) -> Template:
        """Restore a deleted template."""
        _may_write(owner)
        back = await self._store.call(self._store.restore_template, owner.id, id, operates=owner.operates)
        return _template(back, owner)

    async def versions(self, owner: Caller, id: PathId) -> TemplateVersionList:
        """The versions of a template, the newest first."""
        _may_write(owner)
        if starter(id) is not None:
            return TemplateVersionList(items=(_STARTER_VERSION,))
        found = await self._store.call(self._store.template_versions, owner.id, id)
        return TemplateVersionList.of({"items": found})

    async def version(self, owner: Caller, id: PathId, number: Annotated[int, Path()]) -> TemplateVersion:
        """A version of a template, with its content."""
        _may_write(owner)
        if (content := starter(id)) is not None:
            if number != 1:
                raise not_found()
            return TemplateVersion.of({**dict(_STARTER_VERSION), "content": content})
        return TemplateVersion.of(await self._store.call(self._store.template_version, owner.id, id, number))

    async def duplicate(self, owner: Caller, id: PathId, body: DuplicateBody, language: Language) -> Template:
        """Copy a template as a personal one."""
        _may_write(owner)
        content = (await self._library.find(owner.id, id)).content
        name = body.name
        if name is None:
            suffix = _COPY[language]
            name = content.name[: NAME_CHARS - len(suffix)] + suffix
        else:
            name = await self._review.text(_written(owner), name)
        try:
            copy = TemplateContent.model_validate({**dict(content), "name": name})
        except ValidationError as error:  # a longer name than was written: a moderator masked it
            raise invalid(error) from None
        return await self._create(owner, await _checked(copy), "personal", "")

    async def render(self, owner: Caller, body: RenderBody) -> RenderedTemplate:
        """Fill in a template, stored or not."""
        if not owner.terms.own_prompts:
            return await self._rendered_of_link(owner, body)
        content = body.content
        if content is None:
            assert body.id is not None
            content = (await self._library.find(owner.id, body.id, body.version)).content
        texts = await render_texts(self._sandbox, content, body.values, owner.id)
        return RenderedTemplate(system=texts.system, user=texts.user)

    async def export(
        self,
        owner: Caller,
        id: PathId,
        form: Annotated[Literal["yaml", "json"], Query(alias="format")] = "yaml",
    ) -> Response:
        """A template as a file."""
        _may_write(owner)
        content = (await self._library.find(owner.id, id)).content
        text = yaml_file(content) if form == "yaml" else json_file(content)
        return Response(
            text.encode("utf-8", "replace"),
            headers={
                "content-disposition": disposition(content.name, f".{form}"),
                "cache-control": "no-store",
            },
            media_type="application/yaml" if form == "yaml" else "application/json",
        )

    async def import_file(self, owner: Caller, body: ImportBody) -> Template:
        """Import a template from a file as a personal one."""
        _may_write(owner)
        # In a thread: a large file takes a while, and the server has others to answer.
        content = await asyncio.to_thread(read_file, body.text)
        return await self._create(owner, await _checked(await self._reviewed(owner, content)), "personal", "")

    async def _reviewed(self, owner: Owner, content: TemplateContent) -> TemplateContent:
        """A content as moderation lets it be stored; what an operator writes is the house's own. Raises
        `MessageBlocked`."""
        if owner.operates:
            return content
        context = _written(owner)
        await self._review.text(context, "\n".join(_strings([dict(one) for one in content.variables])))
        texts = {
            name: await self._review.text(context, text)
            for name, text in (
                ("name", content.name),
                ("description", content.description),
                ("system", content.system),
                ("user", content.user),
            )
        }
        return content if texts.items() <= dict(content).items() else content.model_copy(update=texts)

    async def _create(
        self, owner: Owner, content: Mapping[str, JsonValue], scope: TemplateScope, note: str
    ) -> Template:
        made = await self._store.call(self._store.create_template, owner.id, content, scope=scope, note=note)
        return _template(made, owner)

    async def _only(self, owner: Owner) -> Sequence[ListedTemplate]:
        """The templates of a guest who may use one at most."""
        if owner.terms.template is None:
            return ()
        try:
            return ((await self._of_link(owner, owner.terms.template)).listed(),)
        except NotFound:  # the operator deleted it
            return ()

    async def _of_link(self, owner: Owner, wanted: str) -> Template:
        """The only template of a guest, with the system prompt left out if their link does not show it.
        Raises `ApiError` for any other."""
        if wanted != owner.terms.template:
            raise not_found()
        if (content := starter(wanted)) is not None:
            found = _starter(wanted, content, owner)
        else:
            found = _template(await self._store.call(self._store.template, owner.id, wanted), owner)
        if owner.terms.system_prompt:
            return found
        text = found.content.model_copy(update={"system": ""})
        return found.model_copy(update={"content": text, "has_system": False})

    async def _rendered_of_link(self, owner: Owner, body: RenderBody) -> RenderedTemplate:
        if body.content is not None or body.id is None or body.id != owner.terms.template:
            raise not_found()
        content = (await self._library.find(owner.id, body.id)).content
        texts = await render_texts(self._sandbox, content, body.values, owner.id)
        return RenderedTemplate(system=texts.system if owner.terms.system_prompt else "", user=texts.user)

    async def _check_changeable(self, owner: Owner, wanted: str) -> None:
        """Raises `NotFound` for what they do not see, `ApiError` for what they see and may not change."""
        _may_write(owner)
        if starter(wanted) is not None:
            raise ApiError(
                403,
                "template_read_only",
                "This template comes with the app and can't be changed.",
                "Duplicate it, then change the copy.",
            )
        found = await self._store.call(self._store.template, owner.id, wanted)
        _may_share(owner, found.scope)


def _may_write(owner: Owner) -> None:
    """Raises `ApiError` for a guest whose link names the only template."""
    if not owner.terms.own_prompts:
        raise not_found()


def _listed(found: ListedRecord, owner: Owner) -> ListedTemplate:
    return ListedTemplate.of(
        {
            **_known(found, owner),
            "content": TemplateName.of(found),
            "has_system": found.has_system,
            "has_user": found.has_user,
        }
    )


def _template(found: PromptTemplate, owner: Owner) -> Template:
    text = TemplateText.of(found.content)
    has = {"has_system": bool(text.system.strip()), "has_user": bool(text.user.strip())}
    return Template.of({**_known(found, owner), "content": text, **has})


def _starter(id: str, content: TemplateContent, owner: Owner) -> Template:
    found = PromptTemplate(id, "", "shared", 1, _STARTER_TIME, _STARTER_TIME, None, content.json_value())
    return _template(found, owner).model_copy(update={"may_change": False})


def _known(found: ListedRecord | PromptTemplate, owner: Owner) -> dict[str, object]:
    return {
        "id": found.id,
        "scope": found.scope,
        "mine": found.owner_id == owner.id,
        "may_change": owner.operates or found.scope == "personal",
        "version": found.version,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def _written(owner: Owner) -> Context:
    return Context("input", owner.id, counts=False, profile=owner.terms.moderation_profile)


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _strings(part)


async def _checked(content: TemplateContent) -> dict[str, JsonValue]:
    """What is stored of a content whose texts can be rendered. Raises `BadTemplate`."""
    # In a thread: long texts take a while to read, and the server has others to answer.
    await asyncio.to_thread(check_content, content)
    return content.json_value()


def _may_share(owner: Owner, scope: TemplateScope | None) -> None:
    if scope == "shared" and not owner.operates:
        raise ApiError(
            403,
            "not_operator",
            "Only the operator can change shared templates.",
            "Duplicate it, then change the copy.",
        )


def _matching(items: Iterable[ListedTemplate], wanted: str) -> Iterable[ListedTemplate]:
    for item in items:
        if wanted in item.content.name.casefold() or wanted in item.content.description.casefold():
            yield item


def _place(item: ListedTemplate) -> tuple[str, str]:
    return item.content.name.casefold(), item.id
