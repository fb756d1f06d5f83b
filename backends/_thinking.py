"""Text as models send it, made fit to show: whole characters, and reasoning apart from the answer."""

from __future__ import annotations

from backends._holdback import held_length
from backends.types import ReasoningDelta, TextDelta

TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reason>": "</reason>",
    "<reasoning>": "</reasoning>",
    "<thought>": "</thought>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}


def storable(text: str, limit: int | None = None) -> str:
    """A name or the like from outside, as any page and database takes it: no half characters, no NUL."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8").replace("\0", "")


class Characters:
    """Joins halves of characters over pieces: servers that escape JSON may cut a surrogate pair in two.

    A half without its other half becomes U+FFFD. NUL is dropped: no page shows it, no database takes it.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        if not self._half and text.isascii():
            return text.replace("\0", "") if "\0" in text else text
        text, self._half = (self._half + text).replace("\0", ""), ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def flush(self) -> str:
        half, self._half = self._half, ""
        return "\ufffd" if half else ""


class ThinkingSplitter:
    """Takes `<think>…</think>` and its kin at the beginning of a reply apart, wherever the pieces are split.

    Only there: an answer may well write about such tags. The whitespace around them is dropped. prompt: what
    the model was given, where it is known: some templates open the reasoning themselves, at the prompt's end.
    """

    def __init__(self, prompt: str = "") -> None:
        self._held = ""
        # Whitespace that begins a text: joined once, so that much of it costs no more.
        self._blank: list[str] = []
        end = prompt.rstrip()
        # The tag that ends the reasoning we are in.
        self._closing = next((closing for opening, closing in TAGS.items() if end.endswith(opening)), "")
        self._answering = False
        self._trim = False  # we are right behind a tag

    def feed(self, text: str) -> list[TextDelta | ReasoningDelta]:
        if self._answering and not self._trim:
            return [TextDelta(text)] if text else []
        if not self._held and not self._closing:
            if not text or text.isspace():
                self._blank.append(text)
                return []
            text = "".join((*self._blank, text))
            self._blank.clear()
        self._held += text
        deltas: list[TextDelta | ReasoningDelta] = []
        while self._held:
            before = self._held
            delta = self._reasoning() if self._closing else self._answer()
            if delta is not None and delta.text:
                deltas.append(delta)
            if self._held == before:
                break
        return deltas

    def flush(self) -> list[TextDelta | ReasoningDelta]:
        text, self._held = "".join((*self._blank, self._held)), ""
        self._blank.clear()
        if not text or (self._trim and text.isspace()):
            return []
        return [ReasoningDelta(text) if self._closing else TextDelta(text)]

    def _reasoning(self) -> ReasoningDelta | None:
        self._drop_space()
        inside, tag, behind = self._held.partition(self._closing)
        if tag:
            self._held, self._closing, self._trim = behind, "", True
            return ReasoningDelta(inside)
        shown = len(inside) - held_length(inside, (self._closing,))
        self._held = inside[shown:]
        self._trim = self._trim and not shown
        return ReasoningDelta(inside[:shown])

    def _answer(self) -> TextDelta | None:
        if not self._answering:
            begun = self._held.lstrip()
            for opening, closing in TAGS.items():
                if begun.startswith(opening):
                    self._held, self._closing, self._trim = begun[len(opening) :], closing, True
                    return None
            if any(opening.startswith(begun) for opening in TAGS):
                return None  # nothing yet, or perhaps half a tag
            self._answering = True
        self._drop_space()
        text, self._held = self._held, ""
        self._trim = self._trim and not text
        return TextDelta(text)

    def _drop_space(self) -> None:
        if self._trim:
            self._held = self._held.lstrip()
