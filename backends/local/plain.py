"""One reply with transformers' own `generate`: for models the engine cannot pack, and for messages with
images."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from backends.local.loading.model import Loaded
from backends.local.rows import Row, Speaker
from backends.local.sampling import Draw, plain_config


class _Enough(Exception):
    """The reply has ended, or nobody listens any more."""


class _Streamer:
    """Receives the tokens of `generate`."""

    def __init__(self, take: Callable[[int], bool]) -> None:
        self._take = take
        self._prompt_seen = False

    def put(self, tokens: Any) -> None:
        """Called first with the prompt, then with each new token."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for token in tokens.flatten().tolist():
            if self._take(token):
                raise _Enough

    def end(self) -> None:
        """Does nothing: a stop string ends the reply elsewhere."""


def write(
    loaded: Loaded,
    row: Row,
    *,
    chunk: int,
    lock: threading.Lock,
    extra: Mapping[str, Any] | None = None,
    adapted: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Generate a row's reply, passing each token to its speaker; returns when it has ended or nobody listens
    any more.

    chunk: tokens of a prompt read at once. lock: held during each forward pass. extra: inputs of the model in
    addition to the ids. adapted: entered for each forward pass. Raises whatever torch raises.
    """
    import torch

    model, draw = loaded.model, Draw(row.sampler)
    turn = _Turn(lock, adapted, row.speaker)
    hooks = [
        model.register_forward_pre_hook(turn.begin),
        model.register_forward_hook(turn.end, always_call=True),
    ]
    row.admitted = time.monotonic()
    ids = torch.tensor([row.ids], device=model.device)

    def take(token: int) -> bool:
        row.first = row.first or time.monotonic()
        return row.speaker.token(draw.choice)

    try:
        with torch.inference_mode():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                **(extra or {}),
                streamer=_Streamer(take),
                generation_config=plain_config(model.generation_config, row.limit, chunk),
                logits_processor=[draw],
            )
    except _Enough:
        pass
    finally:
        for hook in hooks:
            hook.remove()


class _Turn:
    """Serializes a forward pass with all other users of the model."""

    def __init__(
        self, lock: threading.Lock, adapted: Callable[[], AbstractContextManager[Any]], speaker: Speaker
    ) -> None:
        self._lock = lock
        self._adapted = adapted
        self._speaker = speaker
        self._held: AbstractContextManager[Any] | None = None
        self._thread = threading.get_ident()

    def begin(self, *_: Any) -> None:
        if threading.get_ident() != self._thread:
            return  # the engine's pass, or another reply's
        if self._speaker.cancelled:
            raise _Enough
        self._lock.acquire()
        self._held = self._adapted()
        self._held.__enter__()

    def end(self, *_: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        held, self._held = self._held, None
        if held is not None:  # a pass that was refused has none
            held.__exit__(None, None, None)
            self._lock.release()
