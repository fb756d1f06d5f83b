"""Prompt templates, and the chat templates given to models, as the store hands them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

TemplateScope = Literal["personal", "shared"]
"""Who sees a prompt template: its owner, or everybody."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A prompt template with its newest content, as JSON values interpreted by `webchat.prompts`."""

    id: str
    owner_id: str
    scope: TemplateScope
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """A prompt template in a list, without anything long. has_system, has_user: which of its texts are not
    empty."""

    id: str
    owner_id: str
    scope: TemplateScope
    version: int
    created_at: datetime
    updated_at: datetime
    name: str
    description: str
    has_system: bool
    has_user: bool


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A saved version of a prompt template. author: name of the person who saved it."""

    template_id: str
    number: int
    created_at: datetime
    author: str
    note: str


@dataclass(frozen=True, slots=True)
class TemplateVersion(ListedVersion):
    """The content of a prompt template at a version."""

    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A version of the chat template the operator set for a model; `text` is `None` if it restored the
    model's own. author: a name, empty for the owner of a loopback start."""

    model: str
    number: int
    created_at: datetime
    author: str
    note: str
    text: str | None
