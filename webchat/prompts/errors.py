"""Why a template or its values were rejected.

    TemplateError
    ├── BadTemplate   the text cannot be rendered: `where`, `line` and `reason` say what is wrong
    ├── BadValues     a value does not fit its variable
    └── BadFile       a file that holds no template

    PromptOfLinkGone  the one template of a link cannot be rendered

No message holds anything of the server's insides.
"""

from __future__ import annotations

from typing import Literal

from backends.errors import ExplainedError

Where = Literal["system", "user"]
Reason = Literal["syntax", "unknown_variable", "not_allowed", "values", "too_long", "too_much"]


class TemplateError(ExplainedError):
    """Base of all errors about templates."""

    code = "template_error"
    status = 422


class BadTemplate(TemplateError):
    """A text that cannot be rendered. `line` counts from 1; 0 if no line is to blame. `name`: the offending
    word in the template, if there is one."""

    code = "template_broken"
    cure = "Correct the template."

    def __init__(self, reason: Reason, message: str, line: int = 0, name: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.line = line
        self.name = name
        self._place("system")

    def within(self, where: Where) -> BadTemplate:
        """The same error, located in that text."""
        self._place(where)
        return self

    def _place(self, where: Where) -> None:
        self.where = where
        self.params = {"line": self.line, "where": where, "reason": self.reason, "name": self.name}


class BadValues(TemplateError):
    """A value that does not fit its variable. `field` is the variable's name."""

    code = "template_values"
    cure = "Correct the value."

    def __init__(self, field: str, label: str, problem: str, reason: str) -> None:
        super().__init__(f"{label}: {problem}", params={"field": field, "label": label, "reason": reason})


class BadFile(TemplateError):
    """A file that does not contain a template."""

    code = "template_file"
    cure = "Choose a YAML or JSON file that was exported here."

    def __init__(self, problem: str) -> None:
        super().__init__(f"This file is not a template: {problem}", params={"problem": problem})


class PromptOfLinkGone(ExplainedError):
    """The system prompt that a link prescribes is deleted or broken. Its people get no reply without it."""

    code = "link_prompt"
    status = 409
    message = "This link needs a template that can't be used at the moment."
    cure = "Your message is saved. Tell the person who gave you the link."
