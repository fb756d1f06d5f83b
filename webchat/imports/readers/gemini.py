"""Gemini, from Google Takeout's My Activity: one row per prompt, newest first, its replies as HTML. Newer
rows name their conversation; older ones do not, and are put together by day."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from webchat.imports.html_text import markdown_of
from webchat.imports.readers.runs import Part, messages_of
from webchat.imports.values import Object, digest, mapping, moment, objects, sequence, text
from webchat.store.import_records import ImportedConversation

PRODUCT = "gemini"
_CONVERSATION = re.compile(r"/app/([0-9a-f]{8,40})")
_PROMPTED = ("Prompted ", "Said ", "Asked ", "送信したメッセージ: ", "送信したメッセージ：")
_LEARNED_FROM = 3
"""Prompts whose titles must begin alike before that beginning is taken for the localised "Prompted"."""


def is_row(value: object) -> bool:
    row = mapping(value)
    return isinstance(row.get("header"), str) and "time" in row and "title" in row


def read(rows: Sequence[Object]) -> Iterator[ImportedConversation]:
    """The conversations of all rows of a file."""
    asked = [
        row
        for row in rows
        if objects(row.get("safeHtmlItem")) or text(row.get("title")).startswith(_PROMPTED)
    ]
    begins = _beginning([text(row.get("title")) for row in asked])
    groups: dict[str, list[Object]] = {}
    for row in sorted(asked, key=lambda row: moment(row.get("time")) or datetime.max.replace(tzinfo=UTC)):
        groups.setdefault(_group(row), []).append(row)
    for group, some in groups.items():
        yield _conversation(group, some, begins)


def _beginning(titles: list[str]) -> str:
    """What a title has before the prompt."""
    known = next((begin for begin in _PROMPTED if titles and titles[0].startswith(begin)), "")
    if known or len(set(titles)) < _LEARNED_FROM:
        return known
    common = os.path.commonprefix(titles)  # noqa: RUF071  they are no paths
    ends = [common.rfind(mark) + 1 for mark in (" ", ":", "：")]
    return common[: max(ends)]


def _group(row: Object) -> str:
    for detail in objects(row.get("details")):
        if found := _CONVERSATION.search(text(detail.get("url"))):
            return found.group(1)
    if found := _CONVERSATION.search(text(row.get("titleUrl"))):
        return found.group(1)
    at = moment(row.get("time"))
    return f"{at:%Y-%m-%d}" if at else "undated"


def _conversation(group: str, rows: list[Object], begins: str) -> ImportedConversation:
    parts: list[Part] = []
    before: str | None = None
    for row in rows:
        at, title = moment(row.get("time")), text(row.get("title"))
        key = digest(row.get("time"), title)[:24]
        files = tuple(text(one) for one in sequence(row.get("attachedFiles")) if text(one))
        parts.append(Part(key, before, True, title.removeprefix(begins), at=at, files=files))
        before = key
        for number, item in enumerate(objects(row.get("safeHtmlItem"))):
            reply = markdown_of(text(item.get("html")))
            if reply:
                id = f"{key}.{number}"
                parts.append(Part(id, key, False, reply, at=at, model="Gemini", alone=True))
                before = id if before == key else before
    return ImportedConversation(
        product=PRODUCT,
        source=group,
        title=group if re.fullmatch(r"\d{4}-\d\d-\d\d", group) else "",
        messages=messages_of(parts),
        leaf=before,
    )
