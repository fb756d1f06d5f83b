"""Prompt templates."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from webchat.api.wire.base import Answer, Body, Id, Note, Scalar, Time
from webchat.api.wire.conversations import Sampling
from webchat.prompts.content import TemplateContent, VariableType
from webchat.prompts.files import FILE_CHARS
from webchat.store.template_records import TemplateScope

NAME_CHARS = 100

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class TemplateName(Answer):
    name: str
    description: str


class TemplateVariable(Answer):
    """A field of the form. default: its initial value."""

    name: str
    label: str
    type: VariableType
    default: Scalar
    required: bool
    choices: tuple[str, ...]
    hint: str


class TemplateText(TemplateName):
    """The texts of a template. model: the one it was written for."""

    system: str
    user: str
    variables: tuple[TemplateVariable, ...]
    sampling: Sampling
    model: str | None


class ListedTemplate(Answer):
    """has_system, has_user: which of its texts are not empty."""

    id: str
    scope: TemplateScope
    mine: bool
    may_change: bool
    version: int
    created_at: Time
    updated_at: Time
    content: TemplateName
    has_system: bool
    has_user: bool


class Template(ListedTemplate):
    content: TemplateText

    def listed(self) -> ListedTemplate:
        content = TemplateName(name=self.content.name, description=self.content.description)
        return ListedTemplate.of({**dict(self), "content": content})


class TemplateList(Answer):
    items: tuple[ListedTemplate, ...]


class ListedTemplateVersion(Answer):
    """author: the name of the person who saved it."""

    number: int
    created_at: Time
    author: str
    note: str


class TemplateVersion(ListedTemplateVersion):
    content: TemplateText


class TemplateVersionList(Answer):
    """The newest first."""

    items: tuple[ListedTemplateVersion, ...]


class RenderedTemplate(Answer):
    system: str
    user: str
    problems: tuple[str, ...] = ()


class NewTemplateBody(Body):
    content: TemplateContent
    scope: TemplateScope = "personal"
    note: Note = ""


class TemplateBody(Body):
    """based_on: the version that was changed; rejected if there is a newer one."""

    content: TemplateContent
    based_on: Version
    scope: TemplateScope | None = None
    note: Note = ""


class DuplicateBody(Body):
    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS)] | None = None


class RenderBody(Body):
    """Either a content or the id of a template."""

    content: TemplateContent | None = None
    id: Id | None = None
    version: Version | None = None
    values: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.content is None) == (self.id is None):
            raise ValueError("either a content or an id")
        return self


class ImportBody(Body):
    """text: the content of the file."""

    text: Annotated[str, Field(max_length=FILE_CHARS)]
