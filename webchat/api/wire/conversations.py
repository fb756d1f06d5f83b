"""Conversations, their settings, and searching them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from backends.inputs import TEXT_CHARS
from backends.types import InputValue
from webchat.api.wire.base import Answer, Body, Id, ModelName, Scalar, Time, absent
from webchat.prompts.content import MOST_VARIABLES, VALUE_CHARS, SamplingContent
from webchat.prompts.personas import Said
from webchat.store import records


class Sampling(Answer):
    """Only chosen values; a missing field means the model's default."""

    temperature: float | None = Field(default=None, exclude_if=absent)
    top_p: float | None = Field(default=None, exclude_if=absent)
    top_k: int | None = Field(default=None, exclude_if=absent)
    min_p: float | None = Field(default=None, exclude_if=absent)
    repetition_penalty: float | None = Field(default=None, exclude_if=absent)
    max_tokens: int | None = Field(default=None, exclude_if=absent)
    seed: int | None = Field(default=None, exclude_if=absent)
    stop: tuple[str, ...] = Field(default=(), exclude_if=absent)


class TemplateUse(Answer):
    """The version of a prompt template that a text was made from."""

    id: str
    version: int
    name: str


class Persona(TemplateUse):
    """values: the values of its variables."""

    values: dict[str, Scalar]


class Settings(Answer):
    """`null` means the model's default."""

    model: str | None
    system_prompt: str | None
    sampling: Sampling
    persona: Persona | None
    inputs: dict[str, InputValue] = Field(default_factory=dict, exclude_if=absent)


class KeptConversation(Answer):
    """Fields that lists and files have in common."""

    id: str
    title: str
    title_by: Literal["auto", "model", "user"]
    pinned: bool
    archived: bool
    created_at: Time
    updated_at: Time
    active_leaf_id: str | None


class ListedConversation(KeptConversation):
    running: bool


def settings_for(
    settings: records.ConversationSettings, reader: records.Owner
) -> records.ConversationSettings:
    """Settings as the reader's link shows them."""
    terms = reader.terms
    if not terms.system_prompt:
        settings = replace(settings, system_prompt=None, persona=None, inputs={})
    return replace(settings, model=terms.shows_model(settings.model))


def _as_reader_may(found: object, info: ValidationInfo) -> object:
    reader = info.context
    if not (isinstance(reader, records.Owner) and isinstance(found, records.ConversationSettings)):
        return found
    return settings_for(found, reader)


class Conversation(ListedConversation):
    settings: Annotated[Settings, BeforeValidator(_as_reader_may)]


class ConversationPage(Answer):
    """next: cursor of the next page, `null` at the end."""

    items: tuple[ListedConversation, ...]
    next: str | None


class DeletedConversations(Answer):
    """conversations: how many."""

    conversations: int


class SearchHit(Answer):
    """ranges: of the matches within `snippet`, in characters. message_id: `null` if the title matched."""

    conversation_id: str
    message_id: str | None
    title: str
    snippet: str
    ranges: tuple[tuple[int, int], ...]
    at: Time


class SearchPage(Answer):
    """whole: whether all conversations were searched."""

    items: tuple[SearchHit, ...]
    next: str | None
    whole: bool


class TemplateUseBody(Body):
    """values: scalars of the variables' types."""

    id: Id
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    name: Annotated[str, Field(max_length=300)] = ""
    values: Annotated[
        dict[str, bool | int | float | Annotated[str, Field(max_length=VALUE_CHARS)] | None],
        Field(max_length=MOST_VARIABLES),
    ] = Field(default_factory=dict)

    def record(self) -> records.TemplateUse:
        return records.TemplateUse(self.id, self.version, self.name, self.values)


MOST_INPUTS = 100
MOST_CHOICES = 200

InputName = Annotated[str, Field(max_length=100)]
InputText = Annotated[str, Field(max_length=TEXT_CHARS)]
InputBody = bool | int | float | InputText | Annotated[tuple[InputText, ...], Field(max_length=MOST_CHOICES)]


class SettingsBody(Body):
    model: ModelName | None = None
    system_prompt: Annotated[str, Field(max_length=100_000)] | None = None
    sampling: SamplingContent = SamplingContent()
    persona: TemplateUseBody | None = None
    inputs: Annotated[dict[InputName, InputBody | None], Field(max_length=MOST_INPUTS)] = Field(
        default_factory=dict
    )

    def record(self) -> records.ConversationSettings:
        """Without the persona: whether it made the system prompt is not known yet, see `prompts.personas`."""
        inputs = {name: value for name, value in self.inputs.items() if value is not None}
        return records.ConversationSettings(
            self.model, self.system_prompt, self.sampling.record(), inputs=inputs
        )

    def said(self) -> Said:
        """The persona the page names."""
        if "persona" not in self.model_fields_set:
            return "nothing"
        return None if self.persona is None else self.persona.record()


class ConversationBody(Body):
    """Missing fields stay unchanged."""

    title: Annotated[str, Field(max_length=300)] | None = None
    pinned: bool | None = None
    archived: bool | None = None
    settings: SettingsBody | None = None
