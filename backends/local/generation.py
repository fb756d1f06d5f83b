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
from backends.types import Event, Finished, FinishReason, Request, Sampling, Usage

PREFILL_CHUNK = {"cpu": 64}
LONGEST_PREFILL_CHUNK = 512
"""Tokens of a prompt between two looks at the stop flag, by family of device: well under half a second."""

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
    import torch

    text = _prompt(loaded, request)
    ids = loaded.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    count = int(ids.shape[1])
    room = _room(loaded, count)
    config = _config(loaded, request.sampling, room)
    reply = _Reply(loaded, request, emit, cancelled, ids[0].tolist() if request.continue_final else [])

    def look(*_: object) -> None:
        if cancelled.is_set():
            raise _Stop

    ids = ids.to(loaded.model.device)
    hook = loaded.model.register_forward_pre_hook(look)
    try:
        torch.manual_seed(seed)
        loaded.model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config, streamer=reply
        )
    except _Stop:
        if cancelled.is_set():
            return
    except Exception as error:
        raise _failure(error, loaded, model_name) from error
    finally:
        hook.remove()
    reply.flush()
    emit(Usage(count, reply.count))
    details: dict[str, str | int | float | bool | None] = {
        "device": loaded.placement.device,
        "dtype": loaded.placement.dtype,
        "dtype_reason": loaded.placement.reason,
    }
    emit(
        Finished(reply.reason, model=model_name, revision=loaded.revision, seed=seed, details=details),
    )


def _prompt(loaded: Loaded, request: Request) -> str:
    from jinja2 import TemplateError

    messages = [{"role": message.role, "content": message.text} for message in request.messages]
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


def _config(loaded: Loaded, sampling: Sampling, room: int | None) -> Any:
    """The model's own generation settings with the request's on top."""
    from transformers import GenerationConfig

    config = GenerationConfig.from_dict(loaded.model.generation_config.to_dict())
    wanted = [tokens for tokens in (sampling.max_tokens, room) if tokens is not None]
    config.max_length = None
    config.max_new_tokens = min(wanted, default=2048)
    config.prefill_chunk_size = PREFILL_CHUNK.get(loaded.placement.family, LONGEST_PREFILL_CHUNK)
    if config.pad_token_id is None:
        eos = config.eos_token_id
        config.pad_token_id = eos[0] if isinstance(eos, list) else eos
    given = {
        name: value
        for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
        if (value := getattr(sampling, name)) is not None
    }
    if given.get("temperature") == 0:
        config.do_sample = False
    elif given.keys() - {"repetition_penalty"}:
        config.do_sample = True
    for name, value in given.items():
        setattr(config, name, value)
    if not config.do_sample:
        for name in ("temperature", "top_p", "top_k", "min_p"):
            setattr(config, name, None)
    return config


class _Reply:
    """The streamer that `generate` hands its tokens to; says events."""

    def __init__(
        self,
        loaded: Loaded,
        request: Request,
        emit: Callable[[Event], None],
        cancelled: threading.Event,
        before: Sequence[int],
    ) -> None:
        self.count = 0
        self.reason: FinishReason = "length"
        self._emit = emit
        self._cancelled = cancelled
        self._decoder = Detokenizer(loaded.tokenizer, before)
        self._cutter = StopCutter(request.sampling.stop)
        self._thinking = ThinkingSplitter()
        self._ends = _end_ids(loaded)
        self._prompt_seen = False

    def put(self, tokens: Any) -> None:
        """Called by `generate`: first with the prompt, then with each new token."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for token in tokens.flatten().tolist():
            if self._cancelled.is_set():
                raise _Stop
            self.count += 1
            if token in self._ends:
                self.reason = "stop"
                return
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
    """

    def __init__(self, tokenizer: Any, before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._ids = list(before)[-8:]
        self._shown = len(self._ids)

    def feed(self, token: int) -> str:
        self._ids.append(token)
        known = self._decode(self._ids[: self._shown])
        text = self._decode(self._ids)
        if text.endswith("\ufffd") or len(text) <= len(known):
            return ""
        # What was shown is the context of what comes; what was context before is needed no more.
        self._ids, self._shown = self._ids[self._shown :], len(self._ids) - self._shown
        return text[len(known) :]

    def flush(self) -> str:
        """What is left at the end: whole characters in front of half a one, which is dropped."""
        rest = self._decode(self._ids)[len(self._decode(self._ids[: self._shown])) :]
        self._shown = len(self._ids)
        return rest.rstrip("\ufffd")

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def _end_ids(loaded: Loaded) -> frozenset[int]:
    ends = loaded.model.generation_config.eos_token_id
    if ends is None:
        ends = loaded.tokenizer.eos_token_id
    return frozenset(ends if isinstance(ends, list) else () if ends is None else (ends,))


def _failure(error: Exception, loaded: Loaded, model_name: str) -> BackendError:
    if isinstance(error, BackendError):
        return error
    if is_out_of_memory(error):
        return devices.out_of_memory(f"This reply of {model_name}", loaded.placement)
    _log.warning("generating failed", exc_info=error)
    return Unavailable(
        f"{model_name} failed while it wrote the reply ({type(error).__name__}).", cure="Try again."
    )
