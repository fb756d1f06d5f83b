"""What all bodies and answers share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from webchat.prompts.content import Strict
from webchat.store.records import Owner

MODEL_CHARS = 400
"""Of a model's name, or its key: its id and some more."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ModelName = Annotated[str, Field(max_length=MODEL_CHARS)]
Note = Annotated[str, Field(max_length=500)]
Scalar = bool | int | float | str | None


def time_text(at: datetime) -> str:
    """ISO 8601 in UTC, with microseconds and `Z`, so that texts sort as times do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(time_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Body(Strict):
    """A request's JSON."""


class Answer(BaseModel):
    """A JSON answer. A field without a default is always present."""

    # What does not fit is logged: without what people wrote.
    model_config = ConfigDict(from_attributes=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def of(cls, record: object, reader: Owner | None = None) -> Self:
        """From a record with attributes of the same names, or from a mapping, as `reader` may read it."""
        return cls.model_validate(record, context=reader)


def absent(value: object) -> bool:
    """Whether an optional field is left out."""
    return value is None or value == () or value == {}
