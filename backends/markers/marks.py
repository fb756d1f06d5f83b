"""The tags around reasoning in model output: one table, and matching them in streamed text.

Sources: the chat templates and model cards of the listed families, and OpenAI's description of the Harmony
format.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

_LONGEST_GAP = 200
_GAP = rf"(?:(?!<\|message\|>)[^\n]){{0,{_LONGEST_GAP}}}?"
_TAG = re.compile(r"<(/?)([A-Za-z_:]+)>")

Kind = Literal["opening", "closing", "answer"]


@dataclass(frozen=True, slots=True)
class Marks:
    """How a family of models marks its reasoning.

    opening, closing: around reasoning. answer: around the answer, removed from it. always: they are control
    tokens of one format; once a reply starts with one of them, each counts wherever it occurs.

    Case does not matter. `*` matches anything within a line. A tag such as `<think>` may contain spaces and
    attributes, and have a prefix (`<seed:think>`).
    """

    opening: tuple[str, ...]
    closing: tuple[str, ...]
    answer: tuple[str, ...] = ()
    always: bool = False


def marks_of(text: str) -> Marks:
    """Tags as people write them, around three dots: `<deliberate>...</deliberate>`. Raises `ValueError`."""
    opening, dots, closing = (part.strip() for part in text.partition("..."))
    if not (opening and dots and closing) or "..." in closing or opening == closing:
        raise ValueError("is not an opening and a closing tag around three dots")
    return Marks((opening,), (closing,))


MARKS: tuple[Marks, ...] = (
    # DeepSeek, Qwen, GLM (with a box), MiniMax, Nemotron, Phi, Hunyuan, ERNIE, Seed (`<seed:think>`)
    Marks(("<think>",), ("</think>",), answer=("<|begin_of_box|>", "<|end_of_box|>")),
    Marks(("<thinking>",), ("</thinking>",)),
    Marks(("<thought>",), ("</thought>",)),  # EXAONE
    Marks(("<reason>",), ("</reason>",)),
    Marks(("<reasoning>",), ("</reasoning>",)),
    Marks(("[THINK]",), ("[/THINK]",)),  # Magistral
    Marks(("◁think▷",), ("◁/think▷",)),  # Kimi
    Marks(("<|channel>thought",), ("<channel|>",)),  # Gemma
    Marks(("<unused94>thought", "<unused94>"), ("<unused95>",)),  # MedGemma
    Marks(("[unused16]",), ("[unused17]",)),  # Pangu
    Marks(
        ("<|begin_of_thought|>",),
        ("<|end_of_thought|>",),
        answer=("<|begin_of_solution|>", "<|end_of_solution|>"),  # Sky-T1, OpenThinker
    ),
    Marks(
        ("<|START_THINKING|>",),
        ("<|END_THINKING|>",),
        answer=("<|START_RESPONSE|>", "<|END_RESPONSE|>"),  # Command
    ),
    Marks(("<|inner_prefix|>",), ("<|inner_suffix|>",)),  # Apertus
    # gpt-oss. What it says to a tool is not for the person either; a preamble to that is.
    Marks(
        (
            "<|start|>*<|channel|>analysis*<|message|>",
            "<|channel|>analysis*<|message|>",
            "<|start|>*to=*<|channel|>*<|message|>",
            "<|start|>*<|channel|>commentary*to=*<|message|>",
            "<|channel|>commentary*to=*<|message|>",
        ),
        ("<|end|>", "<|return|>", "<|call|>"),
        answer=(
            "<|start|>*<|channel|>final*<|message|>",
            "<|channel|>final*<|message|>",
            "<|start|>*<|channel|>commentary*<|message|>",
            "<|channel|>commentary*<|message|>",
        ),
        always=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that was found. end: where the text continues after it."""

    kind: Kind
    marks: Marks
    end: int


@dataclass(frozen=True, slots=True)
class _Form:
    """The patterns of one mark: complete, and incomplete at the end of a text."""

    kind: Kind
    marks: Marks
    whole: re.Pattern[str]
    begun: re.Pattern[str]
    last: re.Pattern[str]


class Table:
    """The marks to look for. extra: additional ones, tried first."""

    def __init__(self, extra: Iterable[Marks] = ()) -> None:
        self.marks = (*extra, *MARKS)
        self._forms = [
            _form(kind, marks, text)
            for marks in self.marks
            for kind, texts in _by_kind(marks)
            for text in texts
        ]
        self.firsts = "".join(
            sorted(
                {
                    case
                    for marks in self.marks
                    for _, texts in _by_kind(marks)
                    for t in texts
                    for case in (t[0].lower(), t[0].upper())
                }
            )
        )
        """Characters a mark may begin with."""

    def at(self, text: str, place: int) -> Mark | bool:
        """The mark at a position in a text; true if more text could complete one, false if there is none."""
        waits = False
        for form in self._forms:
            if (found := form.whole.match(text, place)) is not None:
                # Of an earlier form more may come: that one counts.
                return waits or Mark(form.kind, form.marks, found.end())
            waits = waits or form.begun.match(text, place) is not None
        return waits

    def opened_by(self, prompt: str) -> Marks | None:
        """Marks whose reasoning a prompt opens at its very end, as some templates do."""
        end = prompt.rstrip()[-2 * _LONGEST_GAP :]
        opening = (form for form in self._forms if form.kind == "opening")
        return next((form.marks for form in opening if form.last.search(end)), None)

    def marks_among(self, tokens: Collection[str]) -> list[str]:
        """The control tokens of one tokenizer that mark reasoning, for families that it can both open and
        close."""
        found: set[str] = set()
        for marks in self.marks:
            inside = {
                kind: {token for token in tokens for text in texts if token in text}
                for kind, texts in _by_kind(marks)
            }
            if inside["opening"] and inside["closing"]:
                found.update(*inside.values())
        return sorted(found)


def _by_kind(marks: Marks) -> Iterator[tuple[Kind, tuple[str, ...]]]:
    yield "opening", marks.opening
    yield "closing", marks.closing
    yield "answer", marks.answer


def _form(kind: Kind, marks: Marks, text: str) -> _Form:
    whole, begun = _tag(*tag.groups()) if (tag := _TAG.fullmatch(text)) else _words(text)

    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE | re.ASCII)

    return _Form(kind, marks, compiled(whole), compiled(rf"(?:{begun})\Z"), compiled(rf"(?:{whole})\Z"))


def _tag(slash: str, name: str) -> tuple[str, str]:
    """A tag, complete and incomplete."""
    front = rf"<\s{{0,2}}{slash}\s{{0,2}}"
    named = rf"{front}(?:[a-z]\w{{0,20}}[:_])?{re.escape(name)}"
    inside = "" if slash else rf"(?:\s[^<>\n]{{0,{_LONGEST_GAP}}})?"
    begun = rf"<\s{{0,2}}(?:{slash}\s{{0,2}}(?:[a-z][\w:]{{0,{20 + len(name)}}})?)?"
    return rf"{named}{inside}\s{{0,2}}>", rf"{begun}|{named}{inside}\s{{0,2}}"


def _words(text: str) -> tuple[str, str]:
    """Any other mark, complete and incomplete."""
    atoms = [_GAP if char == "*" else re.escape(char) for char in text]
    begun = ""
    for atom in reversed(atoms[1:]):
        begun = f"(?:{atom}{begun})?"
    return "".join(atoms), atoms[0] + begun


TABLE = Table()
