"""Renders one chat template in a process of its own, which is killed when it takes too long.

Run as a script by `chat_templates.rendered`: reads `{"template", "messages", "special"}` as JSON and writes
`{"text"}` or `{"problem", "line"}`. Imports nothing but jinja2, so that it starts at once. The environment
is that of transformers (`utils/chat_template_utils.py`): the same filters, functions and tags.
"""

from __future__ import annotations

import json
import sys
import traceback
from datetime import datetime
from typing import Any

MOST_CHARS = 1_000_000
MOST_BYTES = 512 * 2**20
MOST_SECONDS = 3


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    _limit()
    asked = json.loads(sys.stdin.buffer.readline())
    try:
        told: dict[str, Any] = {"text": render(asked["template"], asked["messages"], asked["special"])}
    except MemoryError:
        told = {"problem": "It takes too much memory.", "line": None}
    except Exception as error:
        told = {"problem": str(error) or type(error).__name__, "line": line_of(error)}
    sys.stdout.write(json.dumps(told))


def _limit() -> None:
    try:
        import resource
    except ImportError:  # not on this system: the parent's clock is what is left
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def render(template: str, messages: list[dict[str, Any]], special: dict[str, str]) -> str:
    """The conversation as the template writes it, up to the beginning of a reply. Raises what jinja2
    raises, and `ValueError` for a text without an end."""
    pieces, size = [], 0
    made = _environment().from_string(template)
    for piece in made.generate(messages=messages, add_generation_prompt=True, **special):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_CHARS:
            raise ValueError(f"The text becomes longer than {MOST_CHARS} characters.")
    return "".join(pieces)


def line_of(error: BaseException) -> int | None:
    """The line of the template where it went wrong, from 1 on."""
    if isinstance(line := getattr(error, "lineno", None), int):
        return line
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"
    ]
    return lines[-1] if lines else None


def _environment() -> Any:
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what a model is trained on; for reading it is what it encloses."""

        tags = {"generation"}  # noqa: RUF012  jinja2's way

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **options})

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


if __name__ == "__main__":
    main()
