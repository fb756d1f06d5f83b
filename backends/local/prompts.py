"""From a request to the ids a model reads, rejecting everything that would fail later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backends._sent import Span, marked, spans
from backends.errors import BadRequest, ContextTooLong
from backends.local.loading.chat_format import render
from backends.local.loading.model import Loaded
from backends.local.token_texts import decoded, pieces_of
from backends.local.vision import has_images, inputs_of
from backends.types import Request


@dataclass(frozen=True, slots=True)
class Prompt:
    """text: as rendered by the chat template. ids: its tokens. room: tokens left in the context window for
    the reply, `None` if unknown. extra: the model's inputs in addition to the ids, for images. pieces: what
    each token adds to the text, and spans: the position of each message in it; both only on request."""

    text: str
    ids: list[int]
    room: int | None
    extra: Mapping[str, Any] = field(default_factory=dict)
    pieces: tuple[str, ...] = ()
    spans: tuple[Span | None, ...] = ()


def prompt_of(loaded: Loaded, template: str, request: Request, window: int | None) -> Prompt:
    """Raises `BadRequest` for anything the template or the model does not support, `ContextTooLong`."""
    extra: Mapping[str, Any] = {}
    bare = request.options.bare_prompt
    if bare:
        text, ids = _bare(loaded, request.messages[-1].text)
    elif has_images(request.messages):
        inputs = inputs_of(loaded, request.messages, template=template, continue_final=request.continue_final)
        text, ids, extra = inputs.text, inputs.ids, inputs.extra
    else:
        text, ids = _read(loaded, template, request)
    if not ids and bare:
        raise BadRequest("The prompt is empty.", cure="Write one.")
    if not ids:
        raise BadRequest(
            "The chat template renders this conversation as an empty prompt.",
            cure="Write a message, or check the chat template.",
        )
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    if max(ids) >= vocabulary:
        raise BadRequest(
            f"The tokenizer produced token {max(ids)}, but the model has {vocabulary} tokens: they do not"
            " belong together.",
            cure="Use the tokenizer that came with the model.",
            params={"token": max(ids), "limit": vocabulary},
        )
    if window is not None and len(ids) >= window:
        raise ContextTooLong(
            f"The conversation has {len(ids)} tokens; this model can read {window}.",
            cure="Shorten it, or start a new conversation.",
            params={"tokens": len(ids), "limit": window},
        )
    pieces: tuple[str, ...] = ()
    found: tuple[Span | None, ...] = ()
    if request.trace:
        # An image stands for many tokens, which are in no text but that of the tokens.
        read = extra or bare  # a tokenizer puts tokens of its own in front of a bare prompt
        pieces = decoded(loaded.tokenizer, ids) if read else pieces_of(loaded.tokenizer, text, ids)
        if bare:
            end = len("".join(pieces))
            found = ((end - len(text), end) if "".join(pieces).endswith(text) else None,)
        elif not extra:
            found = _spans(loaded, template, request, text)
    return Prompt(text, ids, None if window is None else window - len(ids), extra, pieces, found)


def _bare(loaded: Loaded, text: str) -> tuple[str, list[int]]:
    """A prompt without a template, as the tokenizer reads any text. Before an empty one is what begins a
    text."""
    text = text.encode("utf-8", "replace").decode()
    tokenizer = loaded.tokenizer
    ids: list[int] = tokenizer(text)["input_ids"]
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return text, ids or ([] if first is None else [first])


def _read(loaded: Loaded, template: str, request: Request) -> tuple[str, list[int]]:
    """The text rendered by a template and its tokens, with no control tokens from people's words."""
    messages, by = loaded.words.control.broken(request.messages)
    text = _text(loaded, template, replace(request, messages=messages))
    if not by:
        return text, loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    parts = loaded.words.control.parts(text, by)
    return "".join(part.text for part in parts), loaded.words.ids(parts)


def _text(loaded: Loaded, template: str, request: Request) -> str:
    return render(
        loaded.renderer,
        loaded.tokenizer,
        template,
        request.messages,
        continue_final=request.continue_final,
        parts=loaded.parts,
    )


def _spans(loaded: Loaded, template: str, request: Request, text: str) -> tuple[Span | None, ...]:
    try:
        outline = _text(loaded, template, replace(request, messages=marked(request.messages)))
    except BadRequest:  # it refuses other words
        return ()
    return spans(outline, text, request.messages)
