"""A conversation as Markdown, for reading: the active branch. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from webchat.api.wire.conversations import settings_for
from webchat.auth.failures import failure_for
from webchat.store import ExportedConversation
from webchat.store.records import Message, Owner

WORDS = {
    "en": {
        "user": "You",
        "assistant": "Assistant",
        "system": "System prompt",
        "tool": "Tool",
        "call": "Called {name}",
        "reasoning": "Reasoning",
        "stopped": "stopped",
        "interrupted": "interrupted",
        "failed": "failed",
        "blocked": "held back",
        "queued": "still being written",
        "streaming": "still being written",
        "untitled": "Untitled",
        "image": "Picture: {format}, {size} kB",
        "audio": "Audio: {format}, {size} kB",
    },
    "zh-CN": {
        "user": "用户",
        "assistant": "助手",
        "system": "系统提示词",
        "tool": "工具",
        "call": "调用了 {name}",
        "reasoning": "思考过程",
        "stopped": "已停止",
        "interrupted": "已中断",
        "failed": "失败",
        "blocked": "未显示",
        "queued": "仍在生成",
        "streaming": "仍在生成",
        "untitled": "未命名",
        "image": "图片：{format}，{size} kB",
        "audio": "音频：{format}，{size} kB",
    },
}


_MEDIA = re.compile(
    r"!\[[^\]\n]{0,200}\]\(<?data:(image|audio)/([\w.+-]{1,60});size=(\d{1,12})(?:;id=[a-p]{16})?,>?\)"
)


def with_media_named(text: str, language: str) -> str:
    """A reply whose pictures and sounds, which a text file cannot contain, are named."""

    def named(found: re.Match[str]) -> str:
        kind, form, size = found.groups()
        return f"*[{WORDS[language][kind].format(format=form, size=max(1, round(int(size) / 1000)))}]*"

    return _MEDIA.sub(named, text)


def shown_branch(exported: ExportedConversation) -> list[Message]:
    """From the first message to the active leaf."""
    by_id = {message.id: message for message in exported.messages}
    branch: list[Message] = []
    at = exported.conversation.active_leaf_id
    while at is not None and (message := by_id.pop(at, None)) is not None:
        branch.append(message)
        at = message.parent_id
    return branch[::-1]


def conversation_markdown(exported: ExportedConversation, language: str, reader: Owner) -> str:
    """The text of one conversation. language: `en` or `zh-CN`. reader: who gets it."""
    words = WORDS[language]
    conversation = exported.conversation
    title = " ".join(conversation.title.split()) or words["untitled"]
    parts = [f"# {title}", f"*{conversation.created_at:%Y-%m-%d %H:%M} UTC*"]
    if prompt := settings_for(conversation.settings, reader).system_prompt:
        parts += [f"## {words['system']}", prompt.strip()]
    for message in shown_branch(exported):
        parts.extend(_message(message, language, reader))
    return "\n\n".join(parts) + "\n"


def _message(message: Message, language: str, reader: Owner) -> Iterator[str]:
    words = WORDS[language]
    notes = [reader.terms.shows_model(message.model) or "", words.get(message.state, "")]
    note = ", ".join(part for part in notes if part)
    yield f"## {words[message.role]}" + (f" ({note})" if note else "")
    if message.reasoning.strip():
        inside = message.reasoning.strip()
        yield f"<details>\n<summary>{words['reasoning']}</summary>\n\n{inside}\n\n</details>"
    if message.role == "tool":
        yield _fenced(message.text)
    elif message.text.strip():
        yield with_media_named(message.text.strip(), language)
    for call in message.tool_calls:
        title = escape(" ".join(words["call"].format(name=call.name).split()))
        yield f"<details>\n<summary>{title}</summary>\n\n{_fenced(call.arguments)}\n\n</details>"
    if message.failure is not None:
        yield f"> {failure_for(message.failure, reader, language).message}"


def _fenced(text: str) -> str:
    """The text as a block of code, with a fence that is not in it."""
    longest = max((len(ticks) for ticks in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
