"""Prompt templates: list, write, keep versions of, render, bring and take as files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from webchat.api.errors import ApiError, not_found
from webchat.api.filenames import disposition
from webchat.api.library import Library
from webchat.api.reading import (
    Body,
    Id,
    body_of,
    id_of,
    json_answer,
    language_of,
    owner_of,
    query_choice,
    query_text,
)
from webchat.api.services import Services
from webchat.api.wire import Json, time_json
from webchat.moderation import Context
from webchat.prompts.files import FILE_CHARS, json_file, read_file, yaml_file
from webchat.prompts.starters import starter, starters
from webchat.prompts.templates import TemplateContent
from webchat.prompts.texts import check_content, render_texts
from webchat.store.records import ListedTemplate, ListedVersion, Owner, PromptTemplate

NAME_CHARS = 100
_STARTER_TIME = "2026-11-24T00:00:00.000000Z"
_STARTER_AUTHOR = "webchat"
_STARTER_VERSION = {"number": 1, "created_at": _STARTER_TIME, "author": _STARTER_AUTHOR, "note": ""}
_COPY = {"en": " (copy)", "zh-CN": "（副本）"}

Scope = Literal["personal", "shared"]
Note = Annotated[str, Field(max_length=500)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class NewBody(Body):
    content: TemplateContent
    scope: Scope = "personal"
    note: Note = ""


class ChangeBody(Body):
    content: TemplateContent
    based_on: Version
    scope: Scope | None = None
    note: Note = ""


class DuplicateBody(Body):
    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS)] | None = None


class RenderBody(Body):
    content: TemplateContent | None = None
    id: Id | None = None
    version: Version | None = None
    values: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.content is None) == (self.id is None):
            raise ValueError("either a content or an id")
        return self


class ImportBody(Body):
    text: Annotated[str, Field(max_length=FILE_CHARS)]


class Templates:
    """The routes under /api/templates."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._sandbox = services.sandbox
        self._starters = services.starters
        self._library = Library(services.store)
        self._turns = services.turns

    async def list(self, request: Request) -> Response:
        owner, wanted = owner_of(request), query_text(request, "q").strip().casefold()
        items = [
            listed_json(found, owner)
            for found in await self._store.call(self._store.list_templates, owner.id)
        ]
        if self._starters:
            own = starters()[language_of(request)]
            items += [_brief(starter_json(template_id, content)) for template_id, content in own.items()]
        return json_answer({"items": sorted(_matching(items, wanted), key=_place)})

    async def create(self, request: Request) -> Response:
        owner, body = owner_of(request), await body_of(request, NewBody)
        content = await _checked(await self._reviewed(owner, body.content))
        _may_share(owner, body.scope)
        return await self._create(owner, content, body.scope, body.note)

    async def get(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        if (content := starter(wanted)) is not None:
            return json_answer(starter_json(wanted, content))
        return json_answer(
            template_json(await self._store.call(self._store.template, owner.id, wanted), owner)
        )

    async def change(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        body = await body_of(request, ChangeBody)
        await self._check_changeable(owner, wanted)
        content = await _checked(await self._reviewed(owner, body.content))
        _may_share(owner, body.scope)
        changed = await self._store.call(
            self._store.change_template,
            owner.id,
            wanted,
            content,
            based_on=body.based_on,
            scope=body.scope,
            note=body.note,
            operates=owner.operates,
        )
        return json_answer(template_json(changed, owner))

    async def delete(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        await self._check_changeable(owner, wanted)
        await self._store.call(self._store.delete_template, owner.id, wanted, operates=owner.operates)
        return Response(status_code=204)

    async def restore(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        back = await self._store.call(self._store.restore_template, owner.id, wanted, operates=owner.operates)
        return json_answer(template_json(back, owner))

    async def versions(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        if starter(wanted) is not None:
            return json_answer({"items": [_STARTER_VERSION]})
        found = await self._store.call(self._store.template_versions, owner.id, wanted)
        return json_answer({"items": [version_json(version) for version in found]})

    async def version(self, request: Request) -> Response:
        """One of them, with its content."""
        owner, wanted, number = owner_of(request), id_of(request), request.path_params["number"]
        if (content := starter(wanted)) is not None:
            if number != 1:
                raise not_found()
            return json_answer({**_STARTER_VERSION, "content": content.json_value()})
        found = await self._store.call(self._store.template_version, owner.id, wanted, number)
        return json_answer({**version_json(found), "content": dict(found.content)})

    async def duplicate(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        body = await body_of(request, DuplicateBody)
        content = (await self._library.find(owner.id, wanted)).content
        name = body.name
        if name is None:
            suffix = _COPY[language_of(request)]
            name = content.name[: NAME_CHARS - len(suffix)] + suffix
        else:
            name = await self._turns.review(_written(owner), name)
        copy = TemplateContent.model_validate({**dict(content), "name": name})
        return await self._create(owner, await _checked(copy), "personal", "")

    async def render(self, request: Request) -> Response:
        owner, body = owner_of(request), await body_of(request, RenderBody)
        content = body.content
        if content is None:
            assert body.id is not None
            content = (await self._library.find(owner.id, body.id, body.version)).content
        texts = await render_texts(self._sandbox, content, body.values, owner.id)
        return json_answer({"system": texts.system, "user": texts.user, "problems": []})

    async def export(self, request: Request) -> Response:
        owner, wanted = owner_of(request), id_of(request)
        form = query_choice(request, "format", "yaml", "json")
        content = (await self._library.find(owner.id, wanted)).content
        text = yaml_file(content) if form == "yaml" else json_file(content)
        return Response(
            text.encode("utf-8", "replace"),
            headers={
                "content-disposition": disposition(content.name, f".{form}"),
                "cache-control": "no-store",
            },
            media_type="application/yaml" if form == "yaml" else "application/json",
        )

    async def bring(self, request: Request) -> Response:
        """A template from a file, as a personal one."""
        owner, body = owner_of(request), await body_of(request, ImportBody)
        # In a thread: a large file takes a while, and the server has others to answer.
        content = await asyncio.to_thread(read_file, body.text)
        return await self._create(owner, await _checked(await self._reviewed(owner, content)), "personal", "")

    async def _reviewed(self, owner: Owner, content: TemplateContent) -> TemplateContent:
        """A content as moderation lets it be stored; what an operator writes is the house's own. Raises
        `MessageBlocked`."""
        if owner.operates:
            return content
        context = _written(owner)
        await self._turns.review(context, "\n".join(_strings([dict(one) for one in content.variables])))
        texts = {
            name: await self._turns.review(context, text)
            for name, text in (
                ("name", content.name),
                ("description", content.description),
                ("system", content.system),
                ("user", content.user),
            )
        }
        return content if texts.items() <= dict(content).items() else content.model_copy(update=texts)

    async def _create(self, owner: Owner, content: Json, scope: Scope, note: str) -> Response:
        made = await self._store.call(self._store.create_template, owner.id, content, scope=scope, note=note)
        return json_answer(template_json(made, owner), 201)

    async def _check_changeable(self, owner: Owner, wanted: str) -> None:
        """Raises `NotFound` for what they do not see, `ApiError` for what they see and may not change."""
        if starter(wanted) is not None:
            raise ApiError(
                403,
                "template_read_only",
                "This template comes with the app and can't be changed.",
                "Duplicate it, then change the copy.",
            )
        found = await self._store.call(self._store.template, owner.id, wanted)
        _may_share(owner, found.scope)


def listed_json(found: ListedTemplate, owner: Owner) -> Json:
    """What a list says of a template: of its content name and description."""
    return {
        **_record_json(found, owner),
        "content": {"name": found.name, "description": found.description},
        "has_system": found.has_system,
        "has_user": found.has_user,
    }


def _record_json(found: ListedTemplate | PromptTemplate, owner: Owner) -> Json:
    return {
        "id": found.id,
        "scope": found.scope,
        "mine": found.owner_id == owner.id,
        "may_change": owner.operates or found.scope == "personal",
        "version": found.version,
        "created_at": time_json(found.created_at),
        "updated_at": time_json(found.updated_at),
    }


def _brief(template: Json) -> Json:
    content = template["content"]
    return {**template, "content": {name: content[name] for name in ("name", "description")}}


def template_json(found: PromptTemplate, owner: Owner) -> Json:
    return {
        **_record_json(found, owner),
        **_content_json(dict(found.content)),
    }


def starter_json(template_id: str, content: TemplateContent) -> Json:
    return {
        "id": template_id,
        "scope": "shared",
        "mine": False,
        "may_change": False,
        "version": 1,
        "created_at": _STARTER_TIME,
        "updated_at": _STARTER_TIME,
        **_content_json(content.json_value()),
    }


def version_json(version: ListedVersion) -> Json:
    return {
        "number": version.number,
        "created_at": time_json(version.created_at),
        "author": version.author,
        "note": version.note,
    }


def _content_json(content: Json) -> Json:
    return {
        "content": content,
        "has_system": bool(content["system"].strip()),
        "has_user": bool(content["user"].strip()),
    }


def _written(owner: Owner) -> Context:
    return Context("input", owner.id, counts=False)


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _strings(part)


async def _checked(content: TemplateContent) -> Json:
    """What is stored of a content whose texts can be rendered. Raises `BadTemplate`."""
    # In a thread: long texts take a while to read, and the server has others to answer.
    await asyncio.to_thread(check_content, content)
    return content.json_value()


def _may_share(owner: Owner, scope: Scope | None) -> None:
    if scope == "shared" and not owner.operates:
        raise ApiError(
            403,
            "not_operator",
            "Only the operator can change shared templates.",
            "Duplicate it, then change the copy.",
        )


def _matching(items: Iterable[Json], wanted: str) -> Iterable[Json]:
    for item in items:
        content = item["content"]
        if wanted in content["name"].casefold() or wanted in content["description"].casefold():
            yield item


def _place(item: Json) -> tuple[str, str]:
    return item["content"]["name"].casefold(), item["id"]
