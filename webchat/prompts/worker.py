"""Renders templates in a process of its own, which may be killed at any moment; see `backends.bounded`.

Imported there by itself, never as part of the package: it imports nothing of ours, so that it starts quickly
and holds nothing worth stealing. What is asked and answered:

    {"source": ..., "values": {...}}  ->  {"text": ...} or {"reason": ..., "line": ...}

What templates may say is decided in `sandbox.py` before; this process does not rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_CHARS = 100_000
"""Maximum length of a rendered text."""

FILTERS = (
    "abs", "capitalize", "d", "default", "first", "float", "indent", "int", "join", "last", "length", "list",
    "lower", "replace", "reverse", "round", "sort", "string", "title", "trim", "truncate", "unique", "upper",
    "wordcount",
)  # fmt: skip
TESTS = (
    "defined", "divisibleby", "even", "false", "in", "none", "number", "odd", "string", "true", "undefined",
)  # fmt: skip
MOST_RANGE = 1000


def environment() -> Any:
    """A jinja2 environment that contains nothing but texts, numbers and booleans."""

    class Environment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

        def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
            return as_lines(super().preprocess(source, name, filename))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            texts = isinstance(left, str) and isinstance(right, str)
            if operator == "**" or not ((_number(left) and _number(right)) or (operator == "+" and texts)):
                raise SecurityError(operator)
            return super().call_binop(context, operator, left, right)

    made = Environment(
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
        cache_size=0,
    )
    made.filters = {name: made.filters[name] for name in FILTERS} | {"lines": _lines}
    made.tests = {name: test for name, test in made.tests.items() if name in TESTS}
    made.globals.clear()
    made.globals["range"] = _range
    return made


def as_lines(source: str) -> str:
    """The source, so marked that a line of nothing but tags leaves no line behind, and every other line
    keeps its beginning and its end. (jinja2's own `trim_blocks` takes the line's end after any tag.)"""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if ("{%" not in source and "{#" not in source) or "raw" in source:
        return source
    return "\n".join(line if _only_tags(line) else _kept(line) for line in source.split("\n"))


def _only_tags(line: str) -> bool:
    rest = line.strip()
    while rest.endswith(("%}", "#}")):
        rest = rest[: max(rest.rfind("{%"), rest.rfind("{#"), 0)].rstrip()
    return not rest


def _kept(line: str) -> str:
    if line.endswith(("%}", "#}")) and line[-3:-2] not in "+-":
        line = f"{line[:-2]}+{line[-2:]}"
    begun = len(line) - len(line.lstrip())
    if begun and line.startswith(("{%", "{#"), begun) and line[begun + 2 : begun + 3] not in "+-":
        line = f"{line[: begun + 2]}+{line[begun + 2 :]}"
    return line


def shown(value: object) -> object:
    """The text for a value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def answer(request: Mapping[str, object]) -> dict[str, Any]:
    return render(_environment(), request)


@lru_cache(maxsize=1)
def _environment() -> Any:
    return environment()


def render(made: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """The rendered text, or the error and its line."""
    try:
        template = made.from_string(request["source"])
        return {"text": "".join(_limited(template.generate(request["values"])))}
    except _TooLong:
        return {"reason": "too_long", "line": 0}
    except TemplateSyntaxError as error:
        return {"reason": "syntax", "line": error.lineno}
    except SecurityError as error:
        return {"reason": "not_allowed", "line": _line(error.__traceback__)}
    except (MemoryError, RecursionError):
        return {"reason": "too_much", "line": 0}
    except Exception as error:
        return {"reason": "values", "line": _line(error.__traceback__)}


class _TooLong(Exception):
    pass


def _limited(pieces: Iterator[str]) -> Iterator[str]:
    left = MOST_CHARS
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise _TooLong
        yield piece


def _number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= 1e100


def _range(*numbers: int) -> range:
    made = range(*numbers)
    if len(made) > MOST_RANGE:
        raise OverflowError
    return made


def _lines(text: str) -> list[str]:
    """The non-empty lines of a text, as a filter."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _line(trace: TracebackType | None) -> int:
    """Line of the template an error occurred in."""
    found = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
