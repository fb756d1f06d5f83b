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
    """A prompt template with its newest content, as JSON values; `webchat.prompts` knows what is in them."""

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
    """What a list says of a prompt template: nothing that is long. has_system, has_user: which of its texts
    have words."""

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
    """One of the saves of a prompt template. author: name of whoever saved it."""

    template_id: str
    number: int
    created_at: datetime
    author: str
    note: str


@dataclass(frozen=True, slots=True)
class TemplateVersion(ListedVersion):
    """What a prompt template was then."""

    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A version of the chat template that the operator gave a model; `text` is `None` where it went back to
    its own. author: a name, empty for the owner of a loopback start."""

    model: str
    number: int
    created_at: datetime
    author: str
    note: str
    text: str | None
