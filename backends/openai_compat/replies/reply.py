"""One reply, read from its chunks without the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.errors import BackendError, BadResponse
from backends.markers.holdback import StopCutter
from backends.markers.marks import TABLE, Marks, Table
from backends.markers.thinking import AllText, Characters, ThinkingSplitter, storable
from backends.openai_compat.limits import NAME_CHARS
from backends.openai_compat.refusals.errors import error_in, failed
from backends.openai_compat.refusals.refusal import Refusal, message_in
from backends.openai_compat.replies.chunks import (
    choices_in,
    finish_reason,
    index_of,
    logprobs_in,
    parsed,
    tool_call,
    usage_of,
)
from backends.openai_compat.replies.media import DataCutter, Keeper, MediaReader
from backends.openai_compat.replies.repeats import RepeatCutter
from backends.openai_compat.replies.thoughts import parts_of, reasoning_in
from backends.types import Event, Finished, ReasoningDelta, Usage

_DONE = "[DONE]"
_NO_REASON = ("", "null", "none")
_GAVE_UP = ("error", "abort")

_OTHER_CHOICES = 3
"""Chunks of other choices that are kept until choice 0 comes; if it does not, theirs is the reply."""


class Reply:
    """Reads the chunks of one reply and remembers how it ended. Everything unknown is passed over.

    Give it `data` or `chunk`, then `take` the events: those of one read of the network at once, so text in
    many chunks makes one event. When the stream is over, `rest` and `end`.

    An end that is told counts as long as nothing comes after it: some servers send a reason to end first, or
    with every chunk. stop: the strings that were asked to end it. Some servers send them along, with what
    follows in the same token, and some take none; so they are looked for here. table, unseen: of the marks of
    reasoning, see `ThinkingSplitter`; without a table all of it is text.
    """

    def __init__(
        self,
        key: str | None,
        stop: Sequence[str] = (),
        *,
        table: Table | None = TABLE,
        unseen: Marks | None = None,
    ) -> None:
        self._key = key
        self._cutter = StopCutter(stop)
        self._repeats = RepeatCutter()
        self._reasoning_repeats = RepeatCutter()
        self._characters = Characters()
        self._reasoning_characters = Characters()
        self._kept = Keeper()
        self._media = MediaReader(self._kept)
        self._data = DataCutter(self._kept)
        self._thinking: AllText | ThinkingSplitter = (
            AllText() if table is None else ThinkingSplitter(table=table, unseen=unseen)
        )
        self._text: list[str] = []  # that no event has yet
        self._events: list[Event] = []
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._taken_back: set[str] = set()  # words that were no reason to end
        self._choice: int | None = None
        self._others: list[dict[str, Any]] = []
        self._in_deltas = False
        self._said = False
        self._words: Refusal | None = None  # the last ones that were no chunk
        self._model: str | None = None
        self._fingerprint: str | None = None
        self.done = False  # "[DONE]" came, or what else is surely the last
        self.ended = False  # an end was told, and nothing came after it
        self.counted = False  # the usage came after that
        self.said_something = False
        self.told_logprobs = False

    @property
    def cut(self) -> bool:
        """Whether a stop string has ended it; anything after that is ignored."""
        return self._cutter.stopped

    @property
    def unseen(self) -> Marks | None:
        """The marks whose reasoning it started inside, without an opening one."""
        return self._thinking.unseen

    @property
    def trusted(self) -> bool:
        """Whether its server has never continued after reporting an end."""
        return not self._taken_back and self.said_something

    def data(self, data: str) -> None:
        """The data of one server-sent event. Raises the error that an error object in it stands for, or
        `BadResponse`."""
        try:
            chunk = parsed(data)
        except (ValueError, RecursionError):
            self._no_json(data)
        else:
            self.chunk(chunk)

    def words(self, said: str) -> None:
        """What a server sent in place of a chunk: nothing if it continues, else why it does not."""
        if said:
            self._words = Refusal(None, said)

    def _no_json(self, data: str) -> None:
        words = data.strip()
        lines = words.split("\n")
        if len(lines) > 1:  # a server that does not put blank lines between its events
            for line in lines:
                self.data(line)
        elif words[:5].lower() == "data:":
            self.data(words[5:])
        elif words.upper() == _DONE:
            self._finish()
        elif words.startswith(("{", "[{")):
            raise BadResponse("The endpoint sent invalid JSON.", cure="Try again, or check the endpoint.")
        else:
            self.words(words)

    def _finish(self) -> None:
        """Some servers start with what should be the end."""
        self.done = self.ended or self._said

    def chunk(self, chunk: object) -> None:
        """One chunk of a stream, or a whole completion. Raises the error that an error object in it stands
        for."""
        if isinstance(chunk, str):
            self._no_json(chunk)
        if not isinstance(chunk, dict):
            return
        choices = chunk.get("choices")
        if type(choices) is not list:
            choices = choices_in(chunk)
        if (not choices or "error" in chunk or chunk.get("object") == "error") and (
            error := error_in(chunk, key=self._key)
        ) is not None:
            raise error
        if choices is None:
            inner = next((part for part in chunk.values() if choices_in(part)), None)
            if inner is not None:
                self.chunk(inner)
                return
            if "type" not in chunk and "usage" not in chunk:
                self._words = Refusal(None, message_in(chunk), chunk)
        if self._model is None and isinstance(model := chunk.get("model"), str):
            self._model = storable(model, NAME_CHARS)
            fingerprint = chunk.get("system_fingerprint")
            self._fingerprint = storable(fingerprint, NAME_CHARS) if isinstance(fingerprint, str) else None
        for at, choice in enumerate(choices or ()):
            if isinstance(choice, dict):
                self._one_of(choice, at)
        if chunk.get("usage"):
            self._usage = usage_of(chunk["usage"]) or self._usage
            if not choices:
                self.counted = self.ended
                self.ended = True

    def _one_of(self, choice: dict[str, Any], at: int) -> None:
        """A choice, if it is the one that is read: 0, or the one there is."""
        index = index_of(choice.get("index"), at)
        if index == 0 and self._choice != 0:
            self._choice = 0
            self._others.clear()
        if index == self._choice:
            self._read(choice)
        elif self._choice is None:
            self._others.append(choice)
            if len(self._others) == _OTHER_CHOICES:
                self._take_other()

    def _take_other(self) -> None:
        """Choice 0 does not arrive: read the one that arrived first."""
        others, self._others = self._others, []
        self._choice = index_of(others[0].get("index"), 0)
        for other in others:
            if index_of(other.get("index"), 0) == self._choice:
                self._read(other)

    def _read(self, choice: dict[str, Any]) -> None:
        delta, message = choice.get("delta"), choice.get("message")
        if delta is None and message is None:  # a server of completions without a chat
            delta = choice.get("text")
        if isinstance(delta, str):
            delta = {"content": delta}
        said = isinstance(delta, dict) and self._delta(delta, whole=False)
        if isinstance(message, dict) and not said:
            said = self._delta(message, whole=True)
        if (told := logprobs_in(choice)) is not None:
            self._events.append(told)
            self.told_logprobs = True
        self._said = self._said or said
        if said and self.ended:
            self.ended = self.counted = False
            self._taken_back.add(self._reason or "")
            self._reason = None
        if choice.get("error") and (error := error_in(choice, key=self._key)) is not None:
            raise error
        reason = choice.get("finish_reason")
        if reason is None:
            reason = choice.get("stop_reason") or choice.get("done_reason")
            if reason is None and isinstance(delta, dict):
                reason = delta.get("finish_reason")
        if isinstance(reason, str):
            self._end_reported(storable(reason, NAME_CHARS))

    def _end_reported(self, reason: str) -> None:
        word = reason.strip().lower()
        if word not in _NO_REASON and (finish_reason(word) is not None or reason not in self._taken_back):
            self._reason, self.ended = reason, True

    def _delta(self, delta: dict[str, Any], *, whole: bool) -> bool:
        """Whether it contains anything."""
        content = delta.get("content")
        reasoning = reasoning_in(delta)
        if isinstance(content, dict):
            content = [content]
        if isinstance(content, list):
            content, in_parts = parts_of(content)
            reasoning = reasoning or in_parts
        said = False
        if reasoning:
            self._reasoning(self._new(self._reasoning_repeats, reasoning, whole))
            said = True
        if isinstance(content, str) and content:
            if text := self._new(self._repeats, content, whole):
                self._text.append(text)
            said = said or not content.isspace()
        if named := self._media.read(delta):
            self._text.append(named)
            said = True
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._text.append(refusal)
            said = True
        if isinstance(calls := delta.get("tool_calls"), list):
            self._flush_text()
            self._events += [tool_call(call, at) for at, call in enumerate(calls) if isinstance(call, dict)]
            said = said or bool(calls)
        self._in_deltas = self._in_deltas or (said and not whole)
        return said

    def _new(self, repeats: RepeatCutter, text: str, whole: bool) -> str:
        return repeats.feed_whole(text, pieces=self._in_deltas) if whole else repeats.feed(text)

    def _reasoning(self, text: str) -> None:
        if text and (text := self._reasoning_characters.feed(text)):
            self._flush_text()
            self._thinking.reasoned()
            self._events.append(ReasoningDelta(text))

    def _flush_text(self) -> None:
        if not self._text:
            return
        text = self._text[0] if len(self._text) == 1 else "".join(self._text)
        self._text.clear()
        text = self._data.feed(self._characters.feed(text))
        self._events += self._kept.take()
        self._events += self._thinking.feed(self._cutter.feed(text))

    def _failed(self, sentence: str, cure: str) -> BackendError:
        if self._words is None:
            return BadResponse(f"{sentence}.", cure=cure)
        return failed(self._words, sentence, cure, key=self._key)

    def take(self) -> list[Event]:
        """The events since the last call."""
        self._flush_text()
        events, self._events = self._events, []
        if events:
            self.said_something = True
        return events

    def rest(self) -> list[Event]:
        """What was held back in case more followed."""
        if self._others:
            self._take_other()
        self._reasoning(self._reasoning_repeats.flush())
        if half := self._reasoning_characters.flush():
            self._events.append(ReasoningDelta(half))
        self._text += [self._repeats.flush(), self._media.rest()]
        held = self.take()
        text = self._data.feed(self._characters.flush()) + self._data.flush()
        text = self._cutter.feed(text) + self._cutter.flush()
        cut = not (self.ended or self.done) or finish_reason((self._reason or "").strip().lower()) == "length"
        held += [*self._kept.take(), *self._thinking.feed(text), *self._thinking.flush(cut=cut)]
        self.said_something = self.said_something or bool(held)
        return held

    def end(self) -> list[Event]:
        """The usage and `Finished`, after `rest`. Raises `BadResponse` if the reply was cut off."""
        reason = "stop" if self.cut else self._reason
        word = (reason or "").strip().lower()
        if word in _GAVE_UP:
            raise BadResponse("The endpoint stopped during the reply.", cure="Try again.")
        if reason is None and not self.said_something and (self.done or self._words):
            raise self._failed("The endpoint answered with nothing", "Try again.")
        if not (self.ended or self.done or self.cut):
            raise self._failed("The reply was cut off before it finished", "Continue it, or try again.")
        if reason is None and not self.said_something:
            raise self._failed("The endpoint answered with nothing", "Try again.")
        kind = finish_reason(word)
        details: dict[str, str | int | float | bool | None] = {}
        if kind is None:
            details["finish_reason"] = reason
        usage: list[Event] = [] if self._usage is None else [self._usage]
        return [*usage, Finished(kind or "stop", self._model, self._fingerprint, details=details)]
