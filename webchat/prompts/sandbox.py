"""Rendering templates that anybody may have written, without trusting any.

    text without tags, or with nothing but variables  ->  put together here
    anything else                                     ->  checked here, rendered by `worker.py` in a process
                                                          with little memory and processor time

Both stand on their own. The check reads the parsed template and allows only what is listed: no attributes, no
calls, no filters that reach into objects or grow texts (published escapes from jinja2's sandbox went through
`attr`, `format`, `xmlattr` and attributes of objects: CVE-2024-56201, CVE-2024-56326, CVE-2025-27516). The
process is killed when it computes for too long, and another takes its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes

from backends.bounded import Pool, TooMuch, folder_of
from webchat.prompts import worker
from webchat.prompts.content import Value
from webchat.prompts.errors import BadTemplate, Reason
from webchat.slots import Slots

SECONDS = 0.7
"""Of processor time for one rendering."""

PROCESSES = 2
"""How many texts are rendered at once, one per person; others wait in the queue."""
MEMORY_BYTES = 384 * 2**20

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.For,
    nodes.Assign, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Not, nodes.And, nodes.Or, nodes.Compare,
    nodes.Operand, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg,
    nodes.Pos, nodes.Concat, nodes.List, nodes.Tuple, nodes.Keyword, nodes.Slice, nodes.Getattr,
    nodes.Getitem, nodes.Call,
)  # fmt: skip
_LOOP = frozenset(("index", "index0", "revindex", "revindex0", "first", "last", "length"))
_ARGUMENTS = {"join": 1, "sort": 1, "unique": 1}
"""The arguments after these take the name of an attribute."""
_TESTS = {*worker.TESTS, "eq", "ne", "lt", "le", "gt", "ge"}
_MOST_CONST = 1_000_000
_MOST_DEPTH = 30

_SENTENCES: dict[Reason, str] = {
    "syntax": "The template cannot be read.",
    "not_allowed": "The template contains something that is not allowed.",
    "values": "The template can't be rendered with these values.",
    "too_long": f"The text is longer than {worker.MOST_CHARS} characters.",
    "too_much": "The template takes too much time or memory.",
}


def parse(source: str, variables: Sequence[str]) -> nodes.Template:
    """The template, read and found harmless. Raises `BadTemplate`."""
    try:
        tree: nodes.Template = _environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise BadTemplate("syntax", _sentence("syntax", error.lineno), error.lineno) from None
    except (RecursionError, ValueError, MemoryError):
        raise BadTemplate("syntax", _SENTENCES["syntax"]) from None
    _check(tree, {*variables, "range", *_set_in(tree)}, 0)
    return tree


def is_plain(source: str) -> bool:
    """Whether a text has nothing to fill in."""
    return not any(mark in source for mark in ("{{", "{%", "{#"))


class Sandbox:
    """Renders texts. One per server, on one event loop; processes are started on first use. End with
    `aclose`.

    seconds: of processor time per text.
    """

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._slots = Slots(PROCESSES)
        place = Path(worker.__file__)
        folders = [folder_of(jinja2), str(place.parent)]
        self._pool = Pool(place.stem, folders, seconds=seconds, memory=MEMORY_BYTES, processes=PROCESSES)

    async def render(self, source: str, values: Mapping[str, Value], owner: str = "") -> str:
        """The text with its variables filled in, without surrounding whitespace. Values are never treated as
        templates. owner: the person it is for. Raises `BadTemplate`, `Crowded`."""
        if is_plain(source):
            return _limited(worker.as_lines(source))
        async with self._slots.place(owner):
            # A long template takes a tenth of a second to read, and the server has others to answer.
            tree = await asyncio.to_thread(parse, source, list(values))
            if (text := _put_together(tree, values)) is not None:
                return _limited(text)
            return _limited(await self._run(source, values))

    async def run(self, source: str, values: Mapping[str, Value], owner: str = "") -> str:
        """Render in a process, even if it is plain. Raises `BadTemplate`, `Crowded`."""
        async with self._slots.place(owner):
            return await self._run(source, values)

    async def _run(self, source: str, values: Mapping[str, Value]) -> str:
        try:
            answer = await self._pool.asked({"source": source, "values": dict(values)})
        except TooMuch:
            answer = {"reason": "too_much", "line": 0}
        if "text" in answer:
            return str(answer["text"])
        reason, line = answer["reason"], answer["line"]
        raise BadTemplate(reason, _sentence(reason, line), line)

    async def aclose(self) -> None:
        """Stop all processes."""
        await self._pool.aclose()


def _put_together(tree: nodes.Template, values: Mapping[str, Value]) -> str | None:
    """The text of a template that contains only variables; `None` for any other. Raises `BadTemplate` as soon
    as it is too long: one long value may occur in it thousands of times."""
    pieces: list[str] = []
    left = worker.MOST_CHARS
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                pieces.append(node.data)
            elif isinstance(node, nodes.Name) and node.name in values:
                pieces.append(str(worker.shown(values[node.name])))
            else:
                return None
            left -= len(pieces[-1])
            if left < 0:
                raise _too_long()
    return "".join(pieces)


def _check(node: nodes.Node, known: set[str], depth: int) -> None:
    """Raises `BadTemplate` for anything not listed as harmless."""
    line = node.lineno
    if depth > _MOST_DEPTH:
        raise BadTemplate("too_much", _SENTENCES["too_much"], line)
    if not isinstance(node, _ALLOWED):
        raise _not_allowed(_word(node), line)
    match node:
        case nodes.Name() if node.ctx == "load" and node.name not in known:
            raise BadTemplate(
                "unknown_variable", f"Line {line}: there is no variable named {node.name!r}.", line, node.name
            )
        case nodes.Name() if node.ctx == "store" and (node.name == "loop" or node.name.startswith("_")):
            raise _not_allowed(node.name, line)
        case nodes.Const() if _large(node.value):
            raise _not_allowed(str(node.value)[:20], line)
        case nodes.Filter() if not _harmless(node):
            raise _not_allowed(node.name, line)
        case nodes.Test() if node.name not in _TESTS:
            raise _not_allowed(node.name, line)
        case nodes.For() if node.recursive:
            raise _not_allowed("recursive", line)
        case nodes.Getattr() if not (_is_name(node.node, "loop") and node.attr in _LOOP):
            raise _not_allowed(f".{node.attr}", line)
        case nodes.Getitem() if not isinstance(node.arg, nodes.Slice) and not _is_number(node.arg):
            raise _not_allowed("[ ]", line)
        case nodes.Call() if not _is_name(node.node, "range") or node.dyn_args or node.dyn_kwargs:
            raise _not_allowed("( )", line)
    inner = {*known, "loop"} if isinstance(node, nodes.For) else known
    for child in node.iter_child_nodes():
        _check(child, inner, depth + 1)


def _set_in(tree: nodes.Template) -> Iterator[str]:
    """Names that the template itself assigns. Not recursive, since its depth is not known yet."""
    waiting: list[nodes.Node] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, nodes.Name) and node.ctx == "store":
            yield node.name
        waiting.extend(node.iter_child_nodes())


def _large(value: object) -> bool:
    return isinstance(value, int | float) and not abs(value) <= _MOST_CONST


def _harmless(node: nodes.Filter) -> bool:
    """A listed filter, without the arguments that reach into objects."""
    if node.node is None or node.name not in {*worker.FILTERS, "lines"} or node.dyn_args or node.dyn_kwargs:
        return False
    attribute = any(keyword.key == "attribute" for keyword in node.kwargs)
    return not attribute and len(node.args) <= _ARGUMENTS.get(node.name, 9)


def _is_name(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _is_number(node: nodes.Node) -> bool:
    inner = node.node if isinstance(node, nodes.Neg) else node
    return isinstance(inner, nodes.Const) and isinstance(inner.value, int)


def _word(node: nodes.Node) -> str:
    """The name its author would use for it."""
    name = type(node).__name__.lower()
    return {"pow": "**", "callblock": "call", "filterblock": "filter", "fromimport": "import"}.get(name, name)


def _not_allowed(name: str, line: int) -> BadTemplate:
    return BadTemplate("not_allowed", f"Line {line}: {name} is not allowed in a template.", line, name)


def _sentence(reason: Reason, line: int) -> str:
    return f"Line {line}: {_SENTENCES[reason]}" if line else _SENTENCES[reason]


def _limited(text: str) -> str:
    text = text.strip()
    if len(text) > worker.MOST_CHARS:
        raise _too_long()
    return text


def _too_long() -> BadTemplate:
    return BadTemplate("too_long", _SENTENCES["too_long"])


@lru_cache(1)
def _environment() -> Any:
    return worker.environment()
