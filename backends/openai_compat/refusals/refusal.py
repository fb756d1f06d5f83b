"""What a server says when it rejects a request, however it is wrapped, and which of our features it names.

Envelopes differ (OpenAI's, FastAPI's list, Gemini's list, nested ones, plain text, a web page), and so do
words and languages. The message is taken from where these formats put it, else from all the text there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from html import unescape

from backends.openai_compat.limits import NAME_CHARS, SAID_CHARS

_MOST_TEXTS = 50
_DEEPEST = 8

_QUOTED = frozenset({"input", "request", "body", "messages", "url"})
"""Keys under which servers give back what they were sent."""
_LABELS = frozenset({"type", "code", "status", "object", "param", "loc", "field", "path", "request_id", "id"})
"""Keys whose texts are no sentences."""

_SPELLED = {
    "stream_options": r"stream[_ -]?options|include_usage",
    "system": r"system|developer|roles?|角色",
    "opening": r"roles?|alternat\w*|(?:first|start|begin)\w*|assistant|角色|交替|第一条",
    "turns": r"roles?|alternat\w*|consecutive|角色|交替",
    "top_k": r"top[_ -]?k",
    "min_p": r"min[_ -]?p",
    "repetition_penalty": r"repeat[_ -]?penalty|repetition[_ -]?penalty",
    "max_tokens": r"max[_ -]?(?:new[_ -]?|output[_ -]?)?tokens",
    "max_completion_tokens": r"max[_ -]?completion[_ -]?tokens",
    "top_logprobs": r"top[_ -]?log[_ -]?probs",
    "logprobs": r"log[_ -]?probs",
    "seed": r"seed",
    "top_p": r"top[_ -]?p",
    "temperature": r"temperature",
    "stop": r"stop(?:[_ -]?(?:sequences?|words?|strings?))?",
    "prefill": r"continue_final_message|add_generation_prompt|prefill\w*",
    "cache_prompt": r"cache[_ -]?prompt",
    "parts": r"content",
    "stream": r"stream(?:ing)?",
}
"""How servers spell a feature. In a sentence of any script: a letter of another script ends a word."""
_NAMES = {
    feature: re.compile(rf"(?<![A-Za-z0-9_])(?:{spelled})(?![A-Za-z0-9_])", re.I | re.A)
    for feature, spelled in _SPELLED.items()
}

_PLACES = re.compile(r"line \d+ column \d+|\[\d+\]|\.\d+\.")
_NUMBER = re.compile(r"(?<![\w.-])-?\d{1,12}(?:\.\d{1,6})?(?![\w-])", re.A)
_WORD = re.compile(r"[\w-]+")
_DIGIT = re.compile(r"\d")


class Refusal(Exception):
    """An answer that rejects a request: the cause of the `BackendError` raised for it.

    status: of HTTP, or as stated by an error inside a 200; `None` if it states none. said: its message in the
    server's own words, unchanged. labels: its codes and types. where: the parts of the request that it points
    to. words: all text in it except what is quoted from the request.
    """

    def __init__(self, status: int | None, said: str, parsed: object = None) -> None:
        super().__init__(f"status {status}")  # not the words: a server may repeat the key in them
        self.status = status
        self.said = said
        self.parsed = parsed
        self.labels = " ".join(_found(parsed, ("code", "type", "status")))
        self.where = tuple(_found(parsed, ("param", "loc", "field", "path")))
        self.words = " ".join([said, *_texts(parsed)])[:SAID_CHARS]

    def same_as(self, other: Refusal) -> bool:
        """Whether it says the same as another, ignoring words with digits: ids, counts, times."""
        return self._gist == other._gist

    @property
    def _gist(self) -> tuple[int | None, tuple[str, ...], str]:
        return self.status, self.where, " ".join(w for w in _WORD.findall(self.words) if not _DIGIT.search(w))

    def names(self, present: Collection[str]) -> tuple[str, ...]:
        """Which of these features it mentions: those it points to, then in the order of its words."""
        placed = [feature for feature in present if self.points_to(feature)]
        found = sorted(
            (match.start(), -len(match[0]), feature)
            for feature in present
            if (match := _NAMES[feature].search(self.words)) is not None
        )
        return tuple(dict.fromkeys([*placed, *(feature for _, _, feature in found)]))

    def points_to(self, feature: str) -> bool:
        """Whether it points to the feature's place in the request."""
        return any(_points_to(place, feature) for place in self.where)

    @property
    def all_words(self) -> str:
        """Its words and labels, with labels as words."""
        return f"{self.labels} {self.words}".replace("_", " ")

    def numbers(self) -> tuple[float, ...]:
        """The numbers it mentions, except those in names (`gpt-4`) and positions."""
        text = _PLACES.sub(" ", self.said)
        return tuple(float(number) for number in _NUMBER.findall(text))


def read_refusal(status: int | None, body: bytes) -> Refusal:
    """Read an answer whose status is not 200."""
    text = body.decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text.removeprefix("data:"))
    except (ValueError, RecursionError):
        return Refusal(status, _words_of_page(text) if text.startswith("<") else text[:SAID_CHARS])
    return Refusal(status, message_in(parsed), parsed)


def message_in(parsed: object) -> str:
    """The message in an error body: OpenAI's, FastAPI's, Gemini's, TGI's, or any text in it."""
    match parsed:
        case {"error": {"metadata": {"raw": str(raw)}, **rest}} if (
            raw.strip()
        ):  # OpenRouter: what the provider said
            return f"{rest.get('message', '')}: {raw}"[:SAID_CHARS]
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)}:
            return message
        case {"detail": str(message)} | str(message):
            return message
        case {"detail": [{"msg": str(message), "loc": list(where)}, *_]}:
            return f"{'.'.join(str(step) for step in where)}: {message}"
        case [dict(first), *_]:  # Gemini wraps its error in a list
            return message_in(first)
        case _:
            return ". ".join(dict.fromkeys(_texts(parsed)))[:SAID_CHARS]


def _points_to(place: str, feature: str) -> bool:
    steps = re.split(r"[^\w]+", place.lower())
    if "role" in steps:
        return feature in ("system", "opening", "turns")
    if "messages" in steps:
        return feature == "parts" and "content" in steps
    return any(_NAMES[feature].fullmatch(step) for step in steps)


def _texts(parsed: object) -> Iterator[str]:
    """Sentences in it, up to a limit."""
    for at, text in enumerate(_walk(parsed, 0)):
        if at == _MOST_TEXTS:
            return
        yield text[:SAID_CHARS]


def _walk(parsed: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(parsed, str):
        yield parsed
    elif isinstance(parsed, list):
        for item in parsed[:_MOST_TEXTS]:
            yield from _walk(item, depth + 1)
    elif isinstance(parsed, dict):
        for key, value in parsed.items():
            if key not in _QUOTED and key not in _LABELS:
                yield from _walk(value, depth + 1)


def _found(parsed: object, keys: Collection[str], depth: int = 0) -> Iterator[str]:
    """The values under these keys; paths are written `a.b`."""
    if depth > _DEEPEST:
        return
    if isinstance(parsed, list):
        for item in parsed[:_MOST_TEXTS]:
            yield from _found(item, keys, depth + 1)
    elif isinstance(parsed, dict):
        for key, value in parsed.items():
            if key in keys and isinstance(value, str | int) and value:
                yield str(value)[:NAME_CHARS]
            elif key in keys and isinstance(value, list):
                yield ".".join(str(step)[:NAME_CHARS] for step in value[:_DEEPEST])
            elif key not in _QUOTED:
                yield from _found(value, keys, depth + 1)


def _words_of_page(page: str) -> str:
    """The text of a web page, the operator's only clue to what answered."""
    page = re.sub(r"<(script|style)\b.*?(</\1>|\Z)", " ", page[: 4 * SAID_CHARS], flags=re.I | re.S)
    return " ".join(unescape(re.sub(r"<[^>]*>?", " ", page)).split())[:SAID_CHARS]
