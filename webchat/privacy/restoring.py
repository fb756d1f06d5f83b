"""Restores the values of placeholders in a model's output.

A model alters what it was given: case, brackets, an escaped underscore. `[PHONE_1]`, `[Phone 1]`,
`【PHONE_1】`, `<phone_1>` and `PHONE_1` are all recognized; round brackets are kept, because they are often
ordinary ones. Ordinary words (`phone 1`) are not touched, nor are placeholders that were not assigned in this
conversation.

Nothing is inserted into an address (see `addresses`), because a page or a click would send it there. Only an
address that the person wrote and that was masked as a whole is restored, and only with nothing before or
after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial

from backends.types import ReasoningDelta, TextDelta, TextWasReasoning, ToolCallDelta
from webchat.privacy.addresses import Addresses
from webchat.privacy.placeholders import URL_CHAR, mention

Piece = TextDelta | ReasoningDelta | TextWasReasoning | ToolCallDelta
"""Of a reply."""

LONGEST = 32
"""Characters that are held back at most: the longest placeholder, brackets and all, and what may follow one
of a whole address."""

_NUMBER = "[1-9][0-9]{0,4}"
_MARKS = "[.,;:!?)\"'*_]{0,3}"
_GOES_ON = re.compile(rf"(?![)\n])(?!{_MARKS}(?!{URL_CHAR}))")


class Restorer:
    """A text in pieces, with its placeholders replaced. The output depends only on the text so far.

    values: by word and number. so_far: what was shown before of a reply that is continued.
    """

    def __init__(self, values: Mapping[tuple[str, int], str], so_far: str = "") -> None:
        self._values = values
        words = tuple(sorted({word for word, _ in values}))
        self._forms = _forms(words) if words else None
        self._addresses = Addresses()
        self._addresses.feed(so_far[-4096:])
        self._before = so_far[-1:]
        self.held = ""

    def feed(self, text: str) -> str:
        return self._look(text, last=False)

    def finish(self) -> str:
        return self._look("", last=True)

    def _look(self, text: str, *, last: bool) -> str:
        if self._forms is None:
            return text
        whole, begins = self._forms
        window = self._before + self.held + text
        begin = at = len(self._before)
        opened = len(window)
        if not last:
            begun = begins.search(window, max(begin, len(window) - LONGEST))
            opened = opened if begun is None else begun.start()
        released: list[str] = []
        while (match := whole.search(window, at)) is not None and match.start() < opened:
            released += [self._say(window[at : match.start()]), self._say(self._restored(window, match))]
            at = match.end()
        end = max(at, opened)
        released.append(self._say(window[at:end]))
        self._before = window[max(0, end - 1) : end]
        self.held = window[end:]
        return "".join(released)

    def _say(self, text: str) -> str:
        self._addresses.feed(text)
        return text

    def _restored(self, window: str, match: re.Match[str]) -> str:
        key = mention(match)
        value = self._values.get(key)
        if value is None:
            return match[0]
        if key[0] == "LINK":
            alone = self._addresses.fresh or not self._addresses.takes(value)
            return match[0] if not alone or _GOES_ON.match(window, match.end()) else value
        return match[0] if self._addresses.takes(value) else value


class ReplyRestorer:
    """The pieces of a reply, with placeholder values restored. Arguments of tools are unchanged, because
    whoever runs a tool is not a reader."""

    def __init__(self, values: Mapping[tuple[str, int], str], so_far: str = "") -> None:
        self._new = partial(Restorer, values)
        self._answer = Restorer(values, so_far)
        self._reasoning: Restorer | None = None

    def feed(self, delta: Piece) -> list[Piece]:
        match delta:
            case ReasoningDelta():
                self._reasoning = self._reasoning or self._new()
                text = self._reasoning.feed(delta.text)
                return [ReasoningDelta(text)] if text else []
            case TextDelta():
                ended = self._end_reasoning()
                text = self._answer.feed(delta.text)
                # It is told that the reasoning ended, even where nothing can be said yet.
                return [*(ended or ()), TextDelta(text)] if text or ended is not None else []
            case TextWasReasoning():
                held, self._answer = self.finish(), self._new()
                return [*held, delta]
            case _:
                return [delta]

    def finish(self) -> list[Piece]:
        rest = self._answer.finish()
        return [*(self._end_reasoning() or ()), *([TextDelta(rest)] if rest else [])]

    def _end_reasoning(self) -> list[Piece] | None:
        """What the reasoning still held; `None` if there was none."""
        if self._reasoning is None:
            return None
        rest, self._reasoning = self._reasoning.finish(), None
        return [ReasoningDelta(rest)] if rest else []


@lru_cache(maxsize=128)
def _forms(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The pattern of a placeholder of these words, and of what may become one at the end of a text."""
    word = "|".join(words)
    part = rf"({word})(?:\\?_|[ -])({_NUMBER})"
    whole = (
        rf"[\[【［<] ?{part} ?[\]】］>]"
        rf"|\\\[{part}\\\]"
        rf"|(?<![A-Za-z0-9_\\])({word})\\?_({_NUMBER})(?![A-Za-z0-9_])"
    )
    bracketed = "|".join(
        _begin(one, rf"(?:\\|\\?_(?:{_NUMBER})?|[ -](?:{_NUMBER})?)(?: |\\)?") for one in words
    )
    bare = "|".join(_begin(one, rf"(?:\\|\\?_(?:{_NUMBER})?)") for one in words)
    begun = rf"(?:\\?\[|[【［<]) ?(?:{bracketed})?$|\\$|(?<![A-Za-z0-9_\\])(?:{bare})$"
    if "LINK" in words:
        link = rf"LINK(?:\\?_|[ -]){_NUMBER}"
        begun += rf"|(?:[\[【［<] ?{link} ?[\]】］>]|\\\[{link}\\\]|(?<![A-Za-z0-9_\\]){link}){_MARKS}$"
    return re.compile(f"(?i:{whole})"), re.compile(f"(?i:{begun})")


def _begin(word: str, rest: str) -> str:
    """Every prefix of a word, or the word and `rest`, which is optional."""
    nested = f"(?:{rest})?"
    for char in reversed(word[1:]):
        nested = f"(?:{char}{nested})?"
    return word[0] + nested
