"""A conversation as a line that trainers read, in pieces: the texts of the active branch, with the system
prompt and without reasoning. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator

from webchat.api.exporting.markdown import shown_branch, with_media_named
from webchat.api.wire.conversations import settings_for
from webchat.store import ExportedConversation
from webchat.store.records import Owner

_FROM = {"user": "human", "assistant": "gpt", "system": "system"}


def openai_line(exported: ExportedConversation, language: str, reader: Owner) -> Iterator[str]:
    """The line of OpenAI's fine-tuning, which allows no other fields. Nothing of a conversation without
    texts. language: `en` or `zh-CN`, for the names of pictures."""
    said = ({"role": role, "content": text} for role, text in _said(exported, language, reader))
    yield from _line('{"messages": [', said)


def sharegpt_line(exported: ExportedConversation, language: str, reader: Owner) -> Iterator[str]:
    """The line of ShareGPT, with an id and a title. Nothing of a conversation without texts."""
    conversation = exported.conversation
    about = json.dumps({"id": conversation.id, "title": conversation.title}, ensure_ascii=False)
    said = ({"from": _FROM[role], "value": text} for role, text in _said(exported, language, reader))
    yield from _line(about[:-1] + ', "conversations": [', said)


def _said(exported: ExportedConversation, language: str, reader: Owner) -> Iterator[tuple[str, str]]:
    """Roles and texts; nothing if only the system prompt is written."""
    prompt = settings_for(exported.conversation.settings, reader).system_prompt or ""
    for message in shown_branch(exported):
        if message.role not in _FROM or not message.text.strip():
            continue  # fine-tuning refuses empty replies, and results of tools without their calls
        if prompt.strip():
            yield "system", prompt
            prompt = ""
        yield message.role, with_media_named(message.text, language)


def _line(head: str, said: Iterator[dict[str, str]]) -> Iterator[str]:
    separator = head
    for one in said:
        yield separator + json.dumps(one, ensure_ascii=False)
        separator = ", "
    if separator != head:
        yield "]}\n"
