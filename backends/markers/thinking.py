"""Turns text as models send it into text fit to show: whole characters, and reasoning apart from the
answer."""

from __future__ import annotations

import re

from backends.markers.harmony import HarmonyTokens
from backends.markers.marks import TABLE, Mark, Marks, Table
from backends.markers.place import Place
from backends.types import ReasoningDelta, TextDelta, TextWasReasoning

_ENDS = ".!?…。！？"
"""What a sentence ends with."""
_BEHIND_MENTION = ".,;:!?)]}'\"`*_~’”»」』）。，；：、！？"
"""What comes right behind a mark that a text only mentions."""
_LOOKAHEAD = 256
"""Characters of whitespace that are looked past, or dropped behind reasoning."""

_Delta = TextDelta | ReasoningDelta | TextWasReasoning


def storable(text: str, limit: int | None = None) -> str:
    """A name from outside in a form that any page and database accepts: no lone surrogates, no NUL."""
    return text[:limit].encode("utf-8", "replace").decode("utf-8").replace("\0", "")


class Characters:
    """Joins halves of characters across pieces: servers that escape JSON may split a surrogate pair.

    A half without its counterpart becomes U+FFFD. NUL is dropped: no page shows it and no database accepts
    it.
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


class AllText:
    """In place of a `ThinkingSplitter` for what follows a bare prompt: every character of it is text."""

    unseen: Marks | None = None

    def reasoned(self) -> None:
        """Nothing: reasoning that a server tells apart stays apart."""

    def feed(self, text: str) -> list[_Delta]:
        return [TextDelta(text)] if text else []

    def flush(self, *, cut: bool = False) -> list[_Delta]:
        return []


class ThinkingSplitter:
    """Separates the reasoning in a reply from its answer, however the text is split into pieces.

    An answer may mention such marks, so a mark counts only where models put it: at the start of a reply,
    directly after other reasoning, at the start of a line outside code and, once there was reasoning, after a
    sentence. A closing mark without an opening one means that the template opened it, and that all text
    before it was reasoning; it counts at the start of a line or after a sentence, and is simply dropped if
    nothing precedes or follows it. Whitespace around reasoning is dropped.

    prompt: the model's input, if known: some templates open the reasoning themselves, at the end of the
    prompt. unseen: if it is not known, the marks whose reasoning the model's last reply started inside (its
    `unseen`). If such a reply then has no end of reasoning, it is repeated as an answer.
    """

    def __init__(self, prompt: str = "", table: Table = TABLE, unseen: Marks | None = None) -> None:
        self._table = table
        self._first = re.compile(f"[{re.escape(table.firsts)}]")
        self._held = ""
        # Whitespace that begins a text: joined once, so that much of it costs no more.
        self._blank: list[str] = []
        self._place = Place()
        self.unseen = unseen
        self._assumed: list[str] | None = None if unseen is None else []  # what is taken for reasoning
        self._inside = unseen or table.opened_by(prompt)  # whose reasoning we are in
        self._used = self._inside  # whose marks the reply has
        self._fresh = True  # nothing is said since the reply, its reasoning or its answer began
        self._trims = self._inside is not None  # the next whitespace is dropped
        self._reasoned = self._trims
        self._answered = False  # there is an answer in front of the last reasoning
        self._nested = False  # a block was opened inside another
        self._mentioned = 0  # opening marks in the answer that nothing has closed
        self._thought = False  # some reasoning was said
        self._parts = ""  # goes between two blocks
        self._tokens: HarmonyTokens | None = None if self._inside else HarmonyTokens()

    def reasoned(self) -> None:
        """Reasoning has arrived in a field of its own."""
        self._reasoned = self._thought = True
        if self._assumed is not None and self._fresh and not self._held:
            self.unseen = self._assumed = self._inside = None

    def feed(self, text: str) -> list[_Delta]:
        if self._tokens is not None:
            text = self._tokens.feed(text)
            self._tokens = None if self._tokens.done else self._tokens
        if self._held or self._inside is not None:
            return self._read(text, last=False)
        if self._fresh and not self._trims and (not text or text.isspace()):
            self._blank.append(text)
            return []
        if not self._fresh and not self._first.search(text):
            return self._say(text)
        return self._read(text, last=False)

    def flush(self, *, cut: bool = False) -> list[_Delta]:
        """Returns what was held back. cut: the reply hit its length limit, so an end of reasoning may be
        missing."""
        rest = "" if self._tokens is None else self._tokens.flush()
        deltas = self._read(rest, last=True)
        if self._assumed and not cut:
            self.unseen = None
            answer = "".join(self._assumed)
            return [*deltas, TextDelta(answer)] if answer else deltas
        rest = "".join(self._blank)
        self._blank.clear()
        return [*deltas, TextDelta(rest)] if rest else deltas

    def _read(self, text: str, *, last: bool) -> list[_Delta]:
        self._held += text
        deltas: list[_Delta] = []
        while self._held:
            before = len(self._held)
            deltas += self._reasoning(last) if self._inside is not None else self._answer(last)
            if len(self._held) == before:
                break
        return deltas

    # Each works off the front of what is held, or leaves it where it has to wait.

    def _reasoning(self, last: bool) -> list[_Delta]:
        if self._trims:
            self._held = self._held.lstrip()
        found = self._first.search(self._held)
        place = found.start() if found else len(self._held)
        mark = self._table.at(self._held, place) if found else not last
        end = _end(self._held[:place])
        if mark is True and not last:
            said, self._held = self._held[:end], self._held[end:]
        elif isinstance(mark, Mark) and self._ends(mark):
            said, self._held = self._held[:end], self._held[mark.end :]
            return [*self._think(said), *self._begin_answer()]
        elif isinstance(mark, Mark) and self._goes_deeper(mark, said=bool(end)):
            said, self._held = self._held[:end], self._held[mark.end :]
        elif found is None:
            said, self._held = self._held[:end], ""
        else:
            said, self._held = self._held[: place + 1], self._held[place + 1 :]
        return self._think(said)

    def _ends(self, mark: Mark) -> bool:
        return mark.marks is self._inside and mark.kind != "opening"

    def _goes_deeper(self, mark: Mark, *, said: bool) -> bool:
        """Whether a mark inside reasoning opens nested reasoning, rather than being part of its words."""
        if mark.marks is not self._inside:
            return False
        self._nested = self._nested or not mark.marks.always
        return mark.marks.always or (self._fresh and not said)

    def _think(self, text: str) -> list[_Delta]:
        if not text:
            return []
        front = self._parts if self._fresh and self._thought else ""
        self._fresh = self._trims = False
        self._thought = True
        if self._assumed is not None:
            self._assumed.append(text)
        return [ReasoningDelta(front + text)]

    def _begin_answer(self) -> list[_Delta]:
        parted = self._inside is not None and self._inside.always
        self._parts = "\n\n" if parted else ""
        self._inside, self._fresh, self._trims, self._reasoned = None, True, True, True
        self._mentioned = 0
        self._assumed = None
        return []

    def _answer(self, last: bool) -> list[_Delta]:
        held = self._held
        found = self._first.search(held)
        place = found.start() if found else len(held)
        if place:
            self._held = held[place:]
            return self._say(held[:place])
        mark = self._table.at(held, 0)
        if mark is True and not last:
            return []
        if isinstance(mark, Mark):
            counts = self._counts(mark, last)
            if counts is None:
                return []
            if counts:
                self._held = held[mark.end :]
                return self._take(mark, held[mark.end : mark.end + _LOOKAHEAD])
        self._held = held[1:]
        return self._say(held[0])

    def _say(self, text: str) -> list[_Delta]:
        if self._trims:
            word = text.lstrip()
            if len(word) < len(text):
                self._parts = "\n\n"
            text = word
        if not text:
            return []
        if self._fresh:
            if text.isspace():
                self._blank.append(text)
                return []
            text = "".join((*self._blank, text))
            self._blank.clear()
        self._fresh = self._trims = False
        self._place.feed(text)
        return [TextDelta(text)]

    def _counts(self, mark: Mark, last: bool) -> bool | None:
        """Whether a mark in the answer is a real one. `None`: depends on the text that follows."""
        if mark.marks is self._used and (mark.marks.always or mark.kind == "answer"):
            return True
        if self._place.in_block:
            return False
        if self._fresh:
            return True
        if mark.kind == "answer":
            return False
        behind = self._held[mark.end : mark.end + _LOOKAHEAD]
        if not last and not behind.strip() and len(behind) < _LOOKAHEAD:
            return None
        return self._opens(behind) if mark.kind == "opening" else self._closes(behind)

    def _opens(self, behind: str) -> bool:
        place = self._place
        if place.starts_line:
            return True
        if self._ends_sentence() and not place.spaced and (self._reasoned or not behind.strip()):
            return True
        self._mentioned += not place.in_span
        return False

    def _closes(self, behind: str) -> bool:
        place = self._place
        if self._mentioned and not place.in_span:
            self._mentioned -= 1
            return False
        if place.starts_line:
            return True
        word = behind.lstrip()
        sentence, tight = self._ends_sentence(), not place.spaced
        if not word or "\n" in behind[: len(behind) - len(word)]:
            return tight or sentence
        joined = tight and word is behind and word[0] not in _BEHIND_MENTION
        return joined and (sentence or self._nested) and not place.in_span

    def _ends_sentence(self) -> bool:
        return self._place.before != "" and self._place.before in _ENDS

    def _take(self, mark: Mark, behind: str) -> list[_Delta]:
        first, self._used = mark.marks is not self._used, mark.marks
        if mark.kind == "opening":
            self._answered = self._answered or not self._fresh
            self._parts = self._parts if self._fresh else "\n\n"
            self._inside, self._fresh, self._trims = mark.marks, True, True
            self._blank.clear()
            return []
        said = not (self._fresh or self._answered)
        moves = mark.kind == "closing" and said and (first or not mark.marks.always)
        self._trims = self._trims or self._fresh or mark.kind == "closing"
        self._blank.clear()
        if not moves or not behind.strip():
            return []
        self._place, self._thought, self.unseen = Place(), True, mark.marks
        return [TextWasReasoning(), *self._begin_answer()]


def _end(text: str) -> int:
    """Where the trailing whitespace of a text starts."""
    return max(len(text.rstrip()), len(text) - _LOOKAHEAD)
