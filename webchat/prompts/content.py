"""A prompt template: a system text, a user text, and the variables in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from backends.types import Sampling
from webchat.prompts.errors import BadValues

MOST_VARIABLES = 50
MOST_CHOICES = 200
TEXT_CHARS = 20_000
VALUE_CHARS = 100_000

RESERVED = frozenset((
    "and", "as", "block", "break", "call", "caller", "continue", "do", "elif", "else", "endblock",
    "endcall", "endfilter", "endfor", "endif", "endmacro", "endraw", "endset", "endtrans", "endwith",
    "extends", "false", "False", "filter", "for", "from", "if", "import", "in", "include", "is", "kwargs",
    "loop", "macro", "missing", "none", "None", "not", "or", "pluralize", "print", "range", "raw",
    "recursive", "scoped", "self", "set", "trans", "true", "True", "varargs", "with", "without",
))  # fmt: skip
"""Reserved words in templates."""

VariableType = Literal["text", "long_text", "number", "choice", "date", "yes_no"]
Value = str | int | float | bool

_LINE_CHARS = 1000
_MOST_NUMBER = 10**15


class Strict(BaseModel):
    """Data from outside: no unknown fields, no conversion, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SamplingContent(Strict):
    """Sampling parameters as people send them; a missing one means the model's default."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=16)] = Field(
        default_factory=list
    )

    def record(self) -> Sampling:
        return Sampling(**{**self.model_dump(exclude={"stop"}), "stop": tuple(self.stop)})


class Variable(Strict):
    """A field of the form. default: its initial value, `None` for none."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    label: Annotated[str, Field(max_length=200)] = ""
    type: VariableType = "text"
    default: bool | int | float | Annotated[str, Field(max_length=TEXT_CHARS)] | None = None
    required: bool = False
    choices: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=MOST_CHOICES)
    ] = Field(default_factory=list)
    hint: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="before")
    @classmethod
    def _labelled(cls, data: object) -> object:
        if isinstance(data, Mapping) and not data.get("label"):
            return {**data, "label": data.get("name")}
        return data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        name = self.name
        if not name.isidentifier() or name.startswith("_") or unicodedata.normalize("NFKC", name) != name:
            raise ValueError(
                f"{name!r} is not a valid variable name: use letters, digits and _, and start with a letter"
            )
        if name in RESERVED:
            raise ValueError(f"{name!r} is a reserved word in templates: choose another name")
        if self.type == "choice" and not self.choices:
            raise ValueError(f"{name!r} is a choice and needs choices")
        if self.type != "choice" and self.choices:
            raise ValueError(f"{name!r} has choices but is not of type choice")
        if len(set(self.choices)) != len(self.choices):
            raise ValueError(f"{name!r} has duplicate choices")
        if self.default is not None:
            try:
                self.read(self.default)
            except BadValues as error:
                raise ValueError(f"the default of {name!r} does not fit: {error.message}") from None
        return self

    def read(self, value: object) -> Value:
        """The value, if it is valid for this variable. Raises `BadValues`."""
        match self.type:
            case "text" | "long_text":
                most = _LINE_CHARS if self.type == "text" else VALUE_CHARS
                if not isinstance(value, str):
                    raise self._bad("it is not text.", "type")
                if len(value) > most:
                    raise self._bad(f"it has {len(value)} characters; {most} are allowed.", "long")
            case "number":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise self._bad("it is not a number.", "type")
                if not abs(value) <= _MOST_NUMBER:  # NaN too
                    raise self._bad("the number is too large.", "long")
            case "choice":
                if value not in self.choices:
                    raise self._bad("it is not one of the choices.", "choice")
            case "date":
                if not isinstance(value, str) or not _is_date(value):
                    raise self._bad("it is not a date; write YYYY-MM-DD.", "type")
            case "yes_no":
                if not isinstance(value, bool):
                    raise self._bad("it must be yes or no.", "type")
        assert isinstance(value, str | int | float)
        return value

    @property
    def blank(self) -> Value:
        """The text for an empty value."""
        return False if self.type == "yes_no" else ""

    def fill(self, value: object) -> Value:
        """The value, or the default if there is none. Raises `BadValues`, also for a missing required
        value."""
        if value is None or (isinstance(value, str) and not value.strip() and self.type != "choice"):
            if self.required:
                raise self._bad("it is required.", "missing")
            return self.blank
        return self.read(value)

    def _bad(self, problem: str, reason: str) -> BadValues:
        return BadValues(self.name, self.label or self.name, problem, reason)


class TemplateContent(Strict):
    """One version of a template. At least one of its texts is not empty. model: the one it was written
    for."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=500)] = ""
    system: Annotated[str, Field(max_length=TEXT_CHARS)] = ""
    user: Annotated[str, Field(max_length=TEXT_CHARS)] = ""
    variables: Annotated[list[Variable], Field(max_length=MOST_VARIABLES)] = Field(default_factory=list)
    sampling: SamplingContent = SamplingContent()
    model: Annotated[str, Field(max_length=300)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.name.strip():
            raise ValueError("a template needs a name")
        if not self.system.strip() and not self.user.strip():
            raise ValueError("a template needs a system text or a user text")
        names = [variable.name for variable in self.variables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two variables are named {twice[0]!r}")
        return self

    def json_value(self) -> dict[str, JsonValue]:
        """The content as JSON values, with only the sampling parameters that are set."""
        whole: dict[str, Any] = self.model_dump(mode="json")
        whole["sampling"] = {k: v for k, v in whole["sampling"].items() if v is not None and v != []}
        return whole


def fill_values(variables: Sequence[Variable], values: Mapping[str, object]) -> dict[str, Value]:
    """A value for each variable: the given one, else its default, else empty. Raises `BadValues`."""
    known = {variable.name: variable for variable in variables}
    for name in values:
        if name not in known:
            raise BadValues(name[:64], name[:64], "the template has no such variable.", "unknown")
    return {name: variable.fill(values.get(name, variable.default)) for name, variable in known.items()}


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and text.isascii() and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
