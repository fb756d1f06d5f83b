"""From a conversation to the ids a model reads, with everything refused that would break it later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backends.errors import BadRequest, ContextTooLong
from backends.local.loading import Loaded
from backends.types import Request


@dataclass(frozen=True, slots=True)
class Prompt:
    """text: as the chat template wrote it. ids: its tokens. room: tokens left in the window for the reply,
    `None` when that is not known."""

    text: str
    ids: list[int]
    room: int | None


def prompt_of(loaded: Loaded, template: str, request: Request, window: int | None) -> Prompt:
    """Raises `BadRequest` for what the template or the model cannot take, `ContextTooLong`."""
    text = render(loaded.tokenizer, template, request)
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise BadRequest(
            "Nothing is left of this conversation for the model to read.",
            cure="Write something, or check the chat template.",
        )
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    if max(ids) >= vocabulary:
        raise BadRequest(
            f"The tokenizer says a token {max(ids)} and the model knows {vocabulary} tokens: they do not"
            " belong together.",
            cure="Use the tokenizer that came with the model.",
            params={"token": max(ids), "limit": vocabulary},
        )
    if window is not None and len(ids) >= window:
        raise ContextTooLong(
            f"The conversation has {len(ids)} tokens and this model reads {window}.",
            cure="Shorten it, or start a new conversation.",
            params={"tokens": len(ids), "limit": window},
        )
    return Prompt(text, ids, None if window is None else window - len(ids))


def render(tokenizer: Any, template: str, request: Request) -> str:
    """The conversation as the model's chat template writes it. Raises `BadRequest`."""
    from jinja2 import TemplateError

    # Half a character, which old text may have, is refused by the tokenizer.
    messages = [
        {"role": message.role, "content": message.text.encode("utf-8", "replace").decode()}
        for message in request.messages
    ]

    def written(messages: list[dict[str, str]], **options: bool) -> str:
        text: str = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, **options)
        return text

    try:
        if not request.continue_final:
            return written(messages, add_generation_prompt=True)
        try:
            return written(messages, continue_final_message=True)
        except ValueError:
            # The template changes the last message (strips it, say), so its end cannot be found.
            return written(messages[:-1], add_generation_prompt=True) + messages[-1]["content"]
    except TemplateError as error:
        raise BadRequest(
            f"The model's chat template refuses this conversation: {str(error)[:200]}.",
            cure="Check the order of the roles and the system prompt.",
        ) from error
