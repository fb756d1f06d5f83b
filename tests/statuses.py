"""The HTTP statuses of error codes, read from the code: error classes, and answers made on the spot."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import get_args

import webchat.app  # noqa: F401  imports every module that defines an error class
from backends.errors import ExplainedError
from tests.clean_environment import ROOT
from webchat.auth.answers import no_owner
from webchat.auth.owners import Refusal


@cache
def statuses() -> Mapping[str, list[int]]:
    """The statuses each code comes with. A code that is missing here never answers a request: it is the
    failure of a reply, or the page's own."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    for code, status in (*_of_classes(ExplainedError), *_of_calls(), *_of_visitors()):
        found[code].add(status)
    return {code: sorted(known) for code, known in found.items()}


def _of_classes(base: type[ExplainedError]) -> Iterator[tuple[str, int]]:
    for kind in base.__subclasses__():
        if kind.code != ExplainedError.code:
            yield kind.code, kind.status
        yield from _of_classes(kind)


def _of_calls() -> Iterator[tuple[str, int]]:
    """Calls such as `ApiError(409, "other_owner", ...)`."""
    for path in (ROOT / "webchat").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from _of_arguments(node.args)


def _of_arguments(arguments: Iterable[ast.expr]) -> Iterator[tuple[str, int]]:
    match list(arguments):
        case [ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_] if 400 <= status < 600:
            yield code, status


def _of_visitors() -> Iterator[tuple[str, int]]:
    """Why a visitor is not let in."""
    for refusal in get_args(Refusal):
        answer = no_owner(refusal)
        yield json.loads(bytes(answer.body))["error"]["code"], answer.status_code
