"""One reply: prompt to ids, ids to tokens, tokens to events. Runs in a worker's thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from backends._holdback import StopCutter
from backends._thinking import ThinkingSplitter
from backends.errors import BackendError, BadRequest, ContextTooLong, Unavailable
from backends.local import devices
from backends.local.loading import Loaded, is_out_of_memory
from backends.local.sampling import settings_of
from backends.types import Event, Finished, FinishReason, Request, Usage

_LONGEST_CHARACTER = 4
"""Tokens: one for each byte."""

_log = logging.getLogger(__name__)


class _Stop(Exception):
    """Enough: the reader has left, or a stop string was said."""


def generate(
    loaded: Loaded,
    request: Request,
    *,
    model_name: str,
    seed: int,
    emit: Callable[[Event], None],
    cancelled: threading.Event,
) -> None:
    """Answer `request`, handing each event to `emit`; returns without `Finished` once `cancelled` is set.

    Raises `BackendError`.
    """
    try:
        _answer(loaded, request, model_name, seed, emit, cancelled)
    except BackendError:
        raise
    except Exception as error:
        raise _failure(error, loaded, model_name) from error


def _answer(
    loaded: Loaded,
    request: Request,
    model_name: str,
    seed: int,
    emit: Callable[[Event], None],
    cancelled: threading.Event,
) -> None:
    prompt = _prompt(loaded, request)
    ids = loaded.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    count = int(ids.shape[1])
    settings = settings_of(loaded, request.sampling, _room(loaded, count), seed)
    before = ids[0].tolist() if request.continue_final else ()
    reply = _Reply(
        emit,
        cancelled,
        Detokenizer(loaded.tokenizer, before),
        StopCutter(request.sampling.stop),
        ThinkingSplitter(prompt),
        loaded.end_ids,
    )
    try:
        _run(loaded, ids, settings, reply)
    except _Stop:
        if cancelled.is_set():
            return
    finally:
        reply.flush()  # what was held back has been said, whatever happened then
    emit(Usage(count, reply.count))
    details: dict[str, str | int | float | bool | None] = {
        "device": loaded.placement.device,
        "dtype": loaded.placement.dtype,
        "dtype_reason": loaded.placement.reason,
    }
    emit(Finished(reply.reason, model=model_name, revision=loaded.revision, seed=seed, details=details))


def _run(loaded: Loaded, ids: Any, settings: dict[str, Any], reply: _Reply) -> None:
    """Raises `_Stop`, and whatever torch does."""
    import torch

    ids = ids.to(loaded.model.device)
    # Called before each step and each piece of the prompt.
    hook = loaded.model.register_forward_pre_hook(lambda *_: reply.look())
    try:
        loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            streamer=reply,
            tokenizer=loaded.tokenizer,
            **settings,
        )
    finally:
        hook.remove()


def _prompt(loaded: Loaded, request: Request) -> str:
    from jinja2 import TemplateError

    # Half a character, which old text may have, is refused by the tokenizer.
    messages = [
        {"role": message.role, "content": message.text.encode("utf-8", "replace").decode()}
        for message in request.messages
    ]
    try:
        if not request.continue_final:
            return _render(loaded, messages, add_generation_prompt=True)
        try:
            return _render(loaded, messages, continue_final_message=True)
        except ValueError:
            # The template changes the last message (strips it, say), so its end cannot be found.
            return _render(loaded, messages[:-1], add_generation_prompt=True) + messages[-1]["content"]
    except TemplateError as error:
        raise BadRequest(
            f"The model's chat template refuses this conversation: {str(error)[:200]}.",
            cure="Check the order of the roles and the system prompt.",
        ) from error


def _render(loaded: Loaded, messages: list[dict[str, str]], **options: bool) -> str:
    text: str = loaded.tokenizer.apply_chat_template(
        messages, chat_template=loaded.template, tokenize=False, **options
    )
    return text


def _room(loaded: Loaded, count: int) -> int | None:
    """Tokens left for the reply. Raises `ContextTooLong` when there are none."""
    limit = loaded.context_length
    if limit is not None and count >= limit:
        raise ContextTooLong(
            f"The conversation has {count} tokens and this model reads {limit}.",
            cure="Shorten it, or start a new conversation.",
            params={"tokens": count, "limit": limit},
        )
    return None if limit is None else limit - count


class _Reply:
    """The streamer that `generate` hands its tokens to; says events."""

    def __init__(
        self,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
        decoder: Detokenizer,
        cutter: StopCutter,
        thinking: ThinkingSplitter,
        end_ids: frozenset[int],
    ) -> None:
        self.count = 0
        self.reason: FinishReason = "length"
        self._emit = emit
        self._cancelled = cancelled
        self._decoder = decoder
        self._cutter = cutter
        self._thinking = thinking
        self._end_ids = end_ids
        self._prompt_seen = False

    def look(self) -> None:
        """Raises `_Stop` once the reader has left."""
        if self._cancelled.is_set():
            raise _Stop

    def put(self, tokens: Any) -> None:
        """Called by `generate`: first with the prompt, then with each new token."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for token in tokens.flatten().tolist():
            self.look()
            self.count += 1
            if token in self._end_ids:
                self.reason = "stop"
                raise _Stop
            self._say(self._cutter.feed(self._decoder.feed(token)))
            if self._cutter.stopped:
                self.reason = "stop"
                raise _Stop

    def end(self) -> None:
        """Called by `generate` at the end; `flush` does the work, as a stop string ends otherwise."""

    def flush(self) -> None:
        self._say(self._cutter.feed(self._decoder.flush()) + self._cutter.flush())
        for event in self._thinking.flush():
            self._emit(event)

    def _say(self, text: str) -> None:
        for event in self._thinking.feed(text) if text else ():
            self._emit(event)


class Detokenizer:
    """Token by token into text, whole characters only.

    Tokens are decoded together with those right before them: some tokenizers write a word's space into its
    own token but drop it at the beginning of a text. `before` are the ids a continued text stands behind.
    Bytes that are no character, which a model may say, are left out.
    """

    def __init__(self, tokenizer: Any, before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = list(before)[-8:]
        self._shown = len(self._ids)

    def feed(self, token: int) -> str:
        self._ids.append(token)
        known = self._decode(self._ids[: self._shown])
        text = self._decode(self._ids)
        half = text.endswith("\ufffd") and len(self._ids) - self._shown < _LONGEST_CHARACTER
        if half or len(text) <= len(known):
            return ""
        # What was shown is the context of what comes; what was context before is needed no more.
        self._ids, self._shown = self._ids[self._shown :], len(self._ids) - self._shown
        return text[len(known) :].replace("\ufffd", "")

    def flush(self) -> str:
        """What is left at the end: whole characters in front of half a one, which is dropped."""
        rest = self._decode(self._ids)[len(self._decode(self._ids[: self._shown])) :]
        self._shown = len(self._ids)
        return rest.replace("\ufffd", "")

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def _failure(error: Exception, loaded: Loaded, model_name: str) -> BackendError:
    if is_out_of_memory(error):
        return devices.out_of_memory(f"This reply of {model_name}", loaded.placement)
    _log.warning("generating failed", exc_info=error)
    return Unavailable(
        f"{model_name} failed while it wrote the reply ({type(error).__name__}).", cure="Try again."
    )
