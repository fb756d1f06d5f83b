"""Passes the tokens of one row to its reader, and reports how the reply ended."""

from __future__ import annotations

from collections.abc import Callable

from backends.bridge import Line
from backends.local.engine import failure
from backends.local.engines import Taken
from backends.local.replies import Reply
from backends.local.rows import Row
from backends.local.sampling import Choice
from backends.types import Event, Finished, Logprobs, TokenLogprob, Usage


class LineSpeaker:
    """Turns tokens into events; see `Speaker`. batched: whether the engine generates the row."""

    def __init__(
        self, line: Line[Event], reply: Reply, model: str, taken: Taken, *, seed: int, batched: bool
    ) -> None:
        self._line = line
        self._reply = reply
        self._model = model
        self._loaded = taken.shared.opened.loaded
        self._variant = taken.variant
        self._seed = seed
        self._batched = batched

    @property
    def cancelled(self) -> bool:
        return self._line.cancelled.is_set()

    def token(self, choice: Choice) -> bool:
        if choice.logprob is not None and choice.token not in self._variant.end_ids:
            self._line.emit(Logprobs((self._logprob(choice, choice.logprob),)))
        return self._reply.feed(choice.token)

    def _logprob(self, choice: Choice, logprob: float) -> TokenLogprob:
        text: Callable[[list[int]], str] = self._loaded.tokenizer.decode
        others = tuple((text([token]), value) for token, value in choice.alternatives)
        return TokenLogprob(text([choice.token]), logprob, others)

    def cut(self) -> None:
        self._reply.ended = True  # for the reason it has from the start, its length

    def finish(self, row: Row, error: BaseException | None) -> None:
        try:
            self._reply.flush()
            if error is None and self._reply.ended:
                self._line.emit(Usage(row.prompt, self._reply.count, row.cached))
                self._line.emit(self._finished(row))
        except Exception as wrong:
            error = error or failure(wrong, self._model)
        finally:
            self._line.finish(error)

    def _finished(self, row: Row) -> Finished:
        placement, adapter = self._loaded.placement, self._variant.adapter
        details: dict[str, str | int | float | bool | None] = {
            "device": placement.device,
            "dtype": placement.dtype,
            "quantization": placement.quantization,
            "dtype_reason": placement.reason,
            "batched": self._batched,
            "chat_template": self._variant.source,
            **row.timings(),
        }
        return Finished(
            self._reply.reason,
            model=self._model,
            revision=self._loaded.revision,
            adapter=None if adapter is None else f"{adapter.name} {adapter.hash}",
            seed=self._seed,
            details=details,
        )
