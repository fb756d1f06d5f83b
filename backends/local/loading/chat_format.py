"""Turns a conversation into the text a model reads: with its own chat template, a given one, or the default
for base models, which only continue text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backends.chat_templates.rendering import Renderer, write
from backends.errors import BadChatTemplate
from backends.types import ImagePart, Message

_PLAIN = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'assistant' %}Assistant: {{ message['content'] }}\n"
    "{% else %}User: {{ message['content'] }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
_PLAIN_STOP = ("\nUser:", "\nAssistant:")

PLAIN_CHAT = _PLAIN.replace("}}\n{% else %}", "}}{{ eos_token }}\n{% else %}")
"""The same as a chat template for models that are yet to be taught to chat: a reply ends with a token."""


@dataclass(frozen=True, slots=True)
class Template:
    """text: Jinja. source: its origin, a sentence for the default. stop: strings that end a reply because the
    model would otherwise write the user's turn too."""

    text: str
    source: str
    stop: tuple[str, ...] = ()


def choose(tokenizer: Any, *, own: Any = None) -> Template:
    """own: the template of a processor, which precedes the tokenizer's."""
    for template in (own, tokenizer.chat_template):
        text = template.get("default") if isinstance(template, dict) else template
        if isinstance(text, str) and text.strip():
            return Template(text, "model")
    begins = tokenizer("", add_special_tokens=True)["input_ids"][:1]
    first = "{{ bos_token }}" if begins and begins[0] == tokenizer.bos_token_id else ""
    source = "default: a base model without a chat template, prompted with a plain dialogue"
    return Template(first + _PLAIN, source, _PLAIN_STOP)


def as_chat(messages: Sequence[Message], *, parts: bool) -> list[dict[str, Any]]:
    """Messages in the form chat templates expect. parts: whether the template expects lists of parts,
    including images."""
    return [{"role": message.role, "content": _content(message, parts)} for message in messages]


def _content(message: Message, parts: bool) -> Any:
    if not parts:
        return _whole(message.text)
    if isinstance(message.content, str):
        return [{"type": "text", "text": _whole(message.content)}]
    return [
        {"type": "image"} if isinstance(part, ImagePart) else {"type": "text", "text": _whole(part.text)}
        for part in message.content
    ]


def _whole(text: str) -> str:
    """Replaces lone surrogates, which old text may contain and the tokenizer rejects."""
    return text.encode("utf-8", "replace").decode()


def render(
    renderer: Renderer,
    tokenizer: Any,
    template: str,
    messages: Sequence[Message],
    *,
    continue_final: bool = False,
    parts: bool = False,
) -> str:
    """The conversation as rendered by the template; see `as_chat` and `write`."""
    chat = as_chat(messages, parts=parts)
    return write(renderer, template, chat, tokenizer.special_tokens_map, continue_final=continue_final)


def takes_parts(renderer: Renderer, tokenizer: Any, template: str) -> bool:
    """Whether a template renders the text of a list of parts, rather than the list itself."""
    text = _try(renderer, tokenizer, template, [Message("user", "probe")], parts=True)
    return text is not None and "probe" in text and "'type'" not in text and '"type"' not in text


def takes_system_role(renderer: Renderer, tokenizer: Any, template: str, *, parts: bool = False) -> bool:
    """Whether a template renders a system prompt, rather than rejecting or ignoring it."""
    text = _try(
        renderer, tokenizer, template, [Message("system", "probe"), Message("user", "U")], parts=parts
    )
    return text is not None and "probe" in text


def speaks_first(renderer: Renderer, tokenizer: Any, template: str, *, parts: bool = False) -> bool:
    """Whether a template renders a message of the assistant before any of the user."""
    messages = [Message("assistant", "probe"), Message("user", "U")]
    text = _try(renderer, tokenizer, template, messages, parts=parts)
    return text is not None and "probe" in text


def end_ids(
    renderer: Renderer, model: Any, tokenizer: Any, template: str, *, parts: bool = False
) -> frozenset[int]:
    """End tokens from the model's settings, the tokenizer and the template: checkpoints often omit one of
    them."""
    ids: set[int] = set()
    for told in (model.generation_config.eos_token_id, tokenizer.eos_token_id):
        ids.update(told if isinstance(told, list) else () if told is None else (told,))
    messages = [Message("user", "U"), Message("assistant", "the reply")]
    text = _try(renderer, tokenizer, template, messages, parts=parts)
    if text is None:
        return frozenset(ids)
    behind = tokenizer(text.rpartition("the reply")[2], add_special_tokens=False)["input_ids"]
    return frozenset(ids.union(token for token in behind[:1] if token in tokenizer.all_special_ids))


def _try(
    renderer: Renderer, tokenizer: Any, template: str, messages: Sequence[Message], *, parts: bool
) -> str | None:
    """`None` if the template rejects the messages."""
    values = {**tokenizer.special_tokens_map, "add_generation_prompt": False}
    try:
        return renderer.render(template, as_chat(messages, parts=parts), values)
    except BadChatTemplate:
        return None
