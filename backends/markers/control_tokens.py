"""Finds control tokens in what people write, so that they are read as words and never as structure.

A tokenizer takes `<|im_end|>` for the end of a turn wherever it occurs. So each control token in a message is
broken by a character that no message contains, before the chat template is applied. What the template itself
writes stays intact. The prompt is then split into parts: structure with ordinary words, and words that must
be read without control tokens. Splits are only made next to control tokens, where tokenizers split as well,
so that the parts have the same tokens as the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise

from backends.markers.marks import MARKS
from backends.types import Message, TextPart

_BRACKETED = re.compile(r"[<\[◁{＜].*[>\]▷}＞]", re.DOTALL)
_SPACE = re.compile(r"\s*")
_ELEMENT = re.compile(r"</?[A-Za-z][A-Za-z0-9]*>")
_REASONING = frozenset(text for marks in MARKS for text in (*marks.opening, *marks.closing))
_INVISIBLE = "\u200b"
_FIRST_BREAK = 0xFDD0
"""The first of the characters that Unicode gives to nobody."""


def is_structure(token: str) -> bool:
    """Whether a token that the tokenizer matches in any text, though not marked as a control token, still
    belongs to the conversation format: true for `<tool_call>` and `<think>`, false for added words, runs of
    spaces and HTML elements."""
    if token in _REASONING:
        return True
    return bool(_BRACKETED.fullmatch(token)) and not _ELEMENT.fullmatch(token)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a prompt. words: read it without control tokens. pieces: the same text, split so that no
    piece contains a whole control token, for tokenizers that match some of them in words too."""

    text: str
    words: bool = False
    pieces: tuple[str, ...] = ()


class ControlTokens:
    """The control tokens of one tokenizer. strips: those that absorb the surrounding whitespace."""

    def __init__(self, tokens: Iterable[str], strips: Mapping[str, tuple[bool, bool]] | None = None) -> None:
        self.tokens = frozenset(token for token in tokens if token.strip())
        self._strips = strips or {}
        sizes: dict[str, set[int]] = {}
        for token in self.tokens:
            sizes.setdefault(token[0], set()).add(len(token))
        self._sizes = {first: sorted(found, reverse=True) for first, found in sizes.items()}
        self._firsts = re.compile(f"[{re.escape(''.join(sorted(sizes)))}]") if sizes else re.compile(r"(?!)")
        self._heads = frozenset(token[:end] for token in self.tokens for end in range(1, len(token)))
        self._tails = frozenset(token[begin:] for token in self.tokens for begin in range(1, len(token)))
        self._longest = max(map(len, self.tokens), default=0)

    def broken(self, messages: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
        """The messages with each control token in their words broken, and the character used; empty if there
        are none."""
        texts = [text for message in messages for text in _texts(message)]
        if not any(self._places(text) for text in texts):
            return tuple(messages), ""
        letters = set("".join(texts))
        by = next(char for code in count(_FIRST_BREAK) if (char := chr(code)) not in letters)
        return tuple(
            _changed(message, lambda text: _broken(text, self._places(text), by)) for message in messages
        ), by

    def hidden(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages with an invisible character inside each control token, for readers that take the whole
        prompt as one text."""
        return tuple(
            _changed(message, lambda text: _broken(text, [at + 1 for at, _ in self._found(text)], _INVISIBLE))
            for message in messages
        )

    def parts(self, rendered: str, by: str) -> list[Part]:
        """A prompt in parts, without the breaking characters."""
        ends = [0, len(rendered)]
        for begin, end in self._whole(rendered):
            ends += self._stretched(rendered, begin, end)
        made: list[Part] = []
        for text in _between(rendered, sorted(ends)):
            words = by in text
            if made and not words and not made[-1].words:
                made[-1] = Part(made[-1].text + text)
            else:
                made.append(
                    Part(text.replace(by, ""), words, tuple(filter(None, text.split(by))) if words else ())
                )
        return made

    def _places(self, text: str) -> list[int]:
        """Where a text must be broken: inside each control token, and where text that a template writes
        before or after it could complete one."""
        places = {place + 1 for place, _ in self._found(text)}
        words = text.strip()
        begin = text.index(words)
        inside = len(words) < self._longest and any(words in token for token in self.tokens)
        if words and (inside or any(words[:size] in self._tails for size in range(1, self._longest))):
            places.add(begin)
        if words and (inside or any(words[-size:] in self._heads for size in range(1, self._longest))):
            places.add(begin + len(words))
        return sorted(places)

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each control token; they may overlap."""
        for first in self._firsts.finditer(text):
            at = first.start()
            for size in self._sizes[text[at]]:
                if text[at : at + size] in self.tokens:
                    yield at, at + size
                    break

    def _whole(self, text: str) -> Iterator[tuple[int, int]]:
        """The same as a tokenizer matches them: without overlaps."""
        last = 0
        for begin, end in self._found(text):
            if begin >= last:
                last = end
                yield begin, end

    def _stretched(self, text: str, begin: int, end: int) -> tuple[int, int]:
        """Extended by the whitespace it absorbs."""
        before, behind = self._strips.get(text[begin:end], (False, False))
        while before and begin and text[begin - 1].isspace():
            begin -= 1
        return begin, _SPACE.match(text, end).end() if behind else end  # type: ignore[union-attr]


def _texts(message: Message) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    return [part.text for part in message.content if isinstance(part, TextPart)]


def _changed(message: Message, change: Callable[[str], str]) -> Message:
    if isinstance(message.content, str):
        return replace(message, content=change(message.content))
    return replace(
        message,
        content=tuple(
            TextPart(change(part.text)) if isinstance(part, TextPart) else part for part in message.content
        ),
    )


def _broken(text: str, places: Sequence[int], by: str) -> str:
    return by.join(text[a:b] for a, b in pairwise([0, *places, len(text)]))


def _between(text: str, ends: Sequence[int]) -> Iterator[str]:
    for begin, end in pairwise(ends):
        if begin < end:
            yield text[begin:end]
