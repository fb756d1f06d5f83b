"""Imports of files, and where conversations came from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from webchat.api.wire.base import Answer, Body, Time
from webchat.store.import_records import ImportState, OnBad


class ImportProblem(Answer):
    """place: the file in the zip and the entry. code: of a sentence, translated with `params`. lost: the
    entry is not imported."""

    place: str
    code: str
    params: dict[str, str | int]
    lost: bool


class Import(Answer):
    """size, received: bytes of the file. done: entries dealt with; entries: how many there are, once that is
    known. counts: what was found, and what was done. problems: the first of them. first_id: the first
    conversation it brought. failure: the code of what went wrong."""

    id: str
    name: str
    size: int
    received: int
    state: ImportState
    on_bad: OnBad
    done: int
    entries: int | None
    counts: dict[str, int]
    problems: tuple[ImportProblem, ...]
    first_id: str | None
    failure: str | None
    created_at: Time


class ImportList(Answer):
    """products: names of the products, by their keys in `counts`."""

    items: tuple[Import, ...]
    products: dict[str, str]


class Origin(Answer):
    """Where a conversation was imported from. details: what the file said of it beside its messages."""

    product: str
    name: str
    at: Time
    details: dict[str, JsonValue]


class NewImportBody(Body):
    """size: of the file, in bytes."""

    name: Annotated[str, Field(min_length=1, max_length=300)]
    size: Annotated[int, Field(ge=1, le=2**40)]


class StartImportBody(Body):
    on_bad: Literal["skip", "refuse"] = "skip"
