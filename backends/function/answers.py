"""From what a function returns or yields to events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backends.errors import FunctionAnswer, FunctionRewrote
from backends.types import (
    Event,
    Finished,
    Media,
    ReasoningDelta,
    TextDelta,
    TextWasReasoning,
    ToolCallDelta,
    Usage,
)

_EVENTS = (TextDelta, ReasoningDelta, TextWasReasoning, ToolCallDelta, Media, Usage, Finished)


class Answer:
    """Turns values into events as they come: a text is the reply so far, and each must begin with the last.

    name: the function's, for errors. rewrites: the reply is held until the end, and the last value counts.
    `usage` and `finished` hold the function's own, if it yields them.
    """

    def __init__(self, name: str, *, rewrites: bool = False) -> None:
        self._name = name
        self._rewrites = rewrites
        self._text = self._reasoning = ""
        self._held: tuple[str, str] | None = None
        self.usage: Usage | None = None
        self.finished: Finished | None = None

    def feed(self, value: object) -> Iterator[Event]:
        """The events of one value. Raises `FunctionRewrote` and `FunctionAnswer`."""
        match value:
            case None:
                pass
            case Usage():
                self.usage = value
            case Finished():
                self.finished = value
            case TextDelta() | ReasoningDelta():
                yield from self._added(value)
            case _ if isinstance(value, _EVENTS):
                yield value
            case _:
                reasoning, text = self._said(value)
                if self._rewrites:
                    self._held = reasoning, text
                else:
                    yield from self._grown(reasoning, text)

    def rest(self) -> Iterator[Event]:
        """What was held until the end."""
        if self._held is not None:
            yield from self._grown(*self._held)

    def _added(self, delta: TextDelta | ReasoningDelta) -> Iterator[Event]:
        if not delta.text:
            return
        if isinstance(delta, TextDelta):
            self._text += delta.text
            yield TextDelta(_whole(delta.text))
        else:
            self._reasoning += delta.text
            yield ReasoningDelta(_whole(delta.text))

    def _grown(self, reasoning: str, text: str) -> Iterator[Event]:
        for before, now in ((self._reasoning, reasoning), (self._text, text)):
            if not now.startswith(before):
                raise FunctionRewrote(
                    f"The function {self._name} yielded text that does not begin with the text before.",
                    cure="Yield the whole reply so far each time. If it revises its reply, set"
                    " rewrites = true: the reply is then shown when the function ends.",
                    params={"model": self._name},
                )
        if more := reasoning[len(self._reasoning) :]:
            self._reasoning = reasoning
            yield ReasoningDelta(_whole(more))
        if more := text[len(self._text) :]:
            self._text = text
            yield TextDelta(_whole(more))

    def _said(self, value: object) -> tuple[str, str]:
        """Reasoning and text of a value: text, a message as a dict or `gr.ChatMessage`, or a list of them. A
        message with a title is a thought."""
        values = value if isinstance(value, list) else [value]
        thoughts, texts = list[str](), list[str]()
        for one in values:
            content, metadata = _message(one)
            title = metadata.get("title") if isinstance(metadata, Mapping) else None
            text = self._content(content)
            if title:
                thoughts.append(f"{title}\n{text}".strip())
            else:
                texts.append(text)
        return "\n\n".join(thoughts), "\n\n".join(texts)

    def _content(self, content: object) -> str:
        match content:
            case str():
                return content
            case {"type": "text", "text": str(text)}:
                return text
            case [*parts]:
                return "\n\n".join(self._content(part) for part in parts)
            case _:
                raise FunctionAnswer(
                    f"The function {self._name} returned a value of type {type(content).__name__}.",
                    cure="Return text, yield the text so far, or yield events of backends.types.",
                    params={"model": self._name},
                )


def _message(value: object) -> tuple[object, Any]:
    """Content and metadata of a message."""
    if isinstance(value, Mapping) and "content" in value:
        return value["content"], value.get("metadata")
    if hasattr(value, "content") and isinstance(value.content, str | Sequence):
        return value.content, getattr(value, "metadata", None)
    return value, None


def _whole(text: str) -> str:
    """Without halves of characters, which no page can show."""
    return text.encode("utf-8", "replace").decode()
