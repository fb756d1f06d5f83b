"""Inputs that a model takes beside the conversation: what a form shows, and which values are accepted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from backends.types import InputValue

InputKind = Literal["text", "number", "slider", "checkbox", "choice", "choices"]

TEXT_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    name: unique among a model's inputs. label, about: text for people. default: its value where nobody chose
    one. choices: label and value of each, for `choice` and `choices`. minimum, maximum: of a number or
    slider; integer: whether it is a whole number. lines: height of a text's field.
    """

    name: str
    label: str
    kind: InputKind
    default: InputValue = None
    about: str = ""
    choices: tuple[tuple[str, str | int | float], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    integer: bool = False
    lines: int = 1
    max_chars: int = TEXT_CHARS

    def checked(self, value: InputValue) -> InputValue:
        """The value as the model receives it. Raises `ValueError` with what is accepted."""
        match self.kind:
            case "text" if isinstance(value, str) and len(value) <= self.max_chars:
                return value
            case "text":
                raise ValueError(f"a text of up to {self.max_chars} characters")
            case "checkbox" if isinstance(value, bool):
                return value
            case "checkbox":
                raise ValueError("true or false")
            case "choice" if any(_same(value, choice) for _, choice in self.choices):
                return value
            case "choice" if value is None and self.default is None:
                return None
            case "choices" if isinstance(value, tuple) and set(value) <= {one for _, one in self.choices}:
                return value
            case "choice" | "choices":
                raise ValueError("one of " + ", ".join(str(choice) for _, choice in self.choices[:20]))
            case _:
                return self._number(value)

    def _number(self, value: InputValue) -> InputValue:
        if value is None and self.default is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not isinstance(value, int | float) or not self._within(value):
            raise ValueError(self._range())
        if self.integer:
            return int(value)
        return value

    def _within(self, value: float) -> bool:
        try:
            if not math.isfinite(value):
                return False
        except OverflowError:  # a whole number beyond all floats
            return False
        low = self.minimum is None or value >= self.minimum
        high = self.maximum is None or value <= self.maximum
        return low and high and (not self.integer or value == int(value))

    def _range(self) -> str:
        what = "a whole number" if self.integer else "a number"
        low = "" if self.minimum is None else f" from {self.minimum:g}"
        return what + low + ("" if self.maximum is None else f" to {self.maximum:g}")


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that is passed in the place of an input that no form can show."""

    value: object


def _same(value: InputValue, choice: str | int | float) -> bool:
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)
