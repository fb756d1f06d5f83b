"""Writes conversations as chat templates have it, in a process of `bounded.Pool`.

Takes `{"template", "messages", "values"}` and gives `{"text"}`, `{"problem", "line"}` or, where the memory is
too little, `{"endless"}`. Imports nothing but
jinja2, so that it starts at once. The environment is that of transformers (`utils/chat_template_utils.py`):
the same filters, functions and tags.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

MOST_CHARS = 4_000_000


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"text": render(asked["template"], asked["messages"], asked["values"])}
    except MemoryError:
        return {"endless": True}
    except Exception as error:
        return {"problem": (str(error) or type(error).__name__)[:1000], "line": line_of(error)}


def render(template: str, messages: list[dict[str, Any]], values: Mapping[str, object]) -> str:
    """The conversation as rendered by the template. Raises what jinja2 raises, and `ValueError` for unbounded
    output."""
    pieces, size = [], 0
    for piece in _compiled(template).generate(
        **{"messages": messages, "tools": None, "documents": None, **values}
    ):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_CHARS:
            raise ValueError(f"The text is longer than {MOST_CHARS} characters.")
    return "".join(pieces)


@lru_cache(maxsize=8)
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


def line_of(error: BaseException) -> int | None:
    """The line of the template where the error occurred, counted from 1."""
    if isinstance(line := getattr(error, "lineno", None), int):
        return line
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"
    ]
    return lines[-1] if lines else None


def _environment() -> Any:
    import jinja2
    from jinja2 import utils
    from jinja2.exceptions import SecurityError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what a model is trained on; when rendering, it outputs its content."""

        tags = {"generation"}  # noqa: RUF012  jinja2's way

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Dict:
        """`dict` without access to its class."""

        def __call__(self, *args: object, **values: Any) -> dict[Any, Any]:
            return dict(*args, **values)

        def fromkeys(self, *args: Any) -> dict[Any, Any]:
            return dict.fromkeys(*args)

    class Namespace(utils.Namespace):
        """A namespace whose names cannot reach Python's internals."""

        def __init__(*args: object, **values: Any) -> None:  # so that `self` may be a name
            made, *given = args
            content = dict(*given, **values)
            for name in content:
                checked(name)
            utils.Namespace.__init__(made, content)

        def __setitem__(self, name: str, value: object) -> None:
            checked(name)
            super().__setitem__(name, value)

    def checked(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"{name!r} is not a valid attribute name of a namespace.")

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(value: object, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **options})

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["dict"] = Dict()
    environment.globals["namespace"] = Namespace
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment
