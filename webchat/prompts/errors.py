"""Why a template or the values for it were not taken.

    TemplateError
    ├── BadTemplate   the text cannot be rendered: `where`, `line` and `reason` say what is wrong
    ├── BadValues     a value does not fit its variable
    └── BadFile       a file that holds no template

`code`, `params`, `message` and `cure` are as with every error of ours. No message holds anything of the
server's insides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

Where = Literal["system", "user"]
Reason = Literal["syntax", "unknown_variable", "not_allowed", "values", "too_long", "too_much"]


class TemplateError(Exception):
    """Base of what templates are refused with."""

    code: ClassVar[str] = "template_error"

    def __init__(
        self, message: str, cure: str = "", params: Mapping[str, str | int | float] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.params: Mapping[str, str | int | float] = dict(params or {})


class BadTemplate(TemplateError):
    """A text that cannot be rendered. `line` counts from 1; 0 where no line is to blame. `name`: the word
    in the template that is wrong, where there is one."""

    code = "template_broken"

    def __init__(self, reason: Reason, message: str, line: int = 0, name: str = "") -> None:
        super().__init__(message, "Correct the template.")
        self.reason = reason
        self.line = line
        self.name = name
        self._place("system")

    def within(self, where: Where) -> BadTemplate:
        """The same, of that text."""
        self._place(where)
        return self

    def _place(self, where: Where) -> None:
        self.where = where
        self.params = {"line": self.line, "where": where, "reason": self.reason, "name": self.name}


class BadValues(TemplateError):
    """A value that does not fit its variable. `field` is the variable's name."""

    code = "template_values"

    def __init__(self, field: str, label: str, problem: str, reason: str) -> None:
        super().__init__(
            f"{label}: {problem}", "Correct the value.", {"field": field, "label": label, "reason": reason}
        )


class BadFile(TemplateError):
    """A file that holds no template."""

    code = "template_file"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"This file is not a template: {problem}",
            "Choose a YAML or JSON file that was exported here.",
            {"problem": problem},
        )
