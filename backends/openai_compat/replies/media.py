"""Pictures and sound in a reply: kept, and named in its text as Markdown, instead of being dropped or shown
as base64.

What came is written `![picture](data:image/png;size=15360;id=abcdefghijklmnop,)`: what kind it is, how many
bytes it has and, where they are kept, the name of the `Media` that holds them. In the text, because that is
what is reviewed, stored, searched, sent back to models and drawn.

Source: the references of OpenAI (`audio`), OpenRouter (`images`), Gemini's and LiteLLM's compatible answers.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from typing import Any
from urllib.parse import unquote_to_bytes

from backends.media import KEPT_BYTES, KEPT_IN_REPLY, KEPT_REPLY_BYTES, checked_type, name_of
from backends.openai_compat.replies.held import KEPT_CHARS, base64_chars
from backends.types import Media

SHORT = 1000
"""Characters of base64 that stay as they are, unless Markdown links to them: an icon in somebody's code."""

_HEAD = re.compile(r"data:([\w.+-]{1,40}/[\w.+-]{1,60})(?:;[\w.=+-]{1,60}){0,4};base64,")
# The end of a text that may be the beginning of such a head.
_HELD = re.compile(r"data:[\w.+/;=-]{0,350}\Z")
_BODY = re.compile(r"[A-Za-z0-9+/=_%-]*")
_ADDRESS = re.compile(r"https?://[^\s()<>]{1,2000}")
_LINKED = ("](", "](<")
_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)")
_LINE = 80  # characters of a line that tell whether it is a fence
_PICTURES = ("image", "output_image", "image_url", "input_image")
_ADDRESSES = ("image_url", "url", "b64_json", "data", "result")
_SOUND = ("audio", "output_audio", "input_audio", "audio_url")
_WORD = re.compile(r"[a-z0-9][\w.+-]{0,29}")

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def stand_in(media_type: str, size: int, name: str = "") -> str:
    """The URL that replaces the data. size: in bytes. name: of the `Media`, if it is kept."""
    return f"data:{media_type};size={size}{f';id={name}' if name else ''},"


class Body:
    """Base64 that arrives in pieces. Holds no more of it than can be kept."""

    def __init__(self) -> None:
        self.size = 0  # characters
        self._held = bytearray()
        self._whole = True

    def add(self, piece: str) -> None:
        chars = base64_chars(piece)
        self.size += chars
        self._whole = self._whole and chars == len(piece) and self.size <= KEPT_CHARS
        if self._whole:
            self._held += piece.encode("ascii", "replace")
        else:
            self._held.clear()

    def decoded(self) -> bytes | None:
        """The data; `None` if it is not base64 or too large. Each piece may have its own padding."""
        body = unquote_to_bytes(bytes(self._held)) if b"%" in self._held else bytes(self._held)
        parts = [part for part in re.split(rb"=+", body.translate(_URL_SAFE, b" \t\r\n")) if part]
        try:
            data = b"".join(b64decode(part + b"=" * (-len(part) % 4), validate=True) for part in parts)
        except ValueError:
            return None
        return data if 0 < len(data) <= KEPT_BYTES else None


class Keeper:
    """Decides which pictures and sounds of one reply are kept."""

    def __init__(self) -> None:
        self._room = KEPT_REPLY_BYTES
        self._names: set[str] = set()
        self._new: list[Media] = []

    def keep(self, told: str, body: Body) -> str:
        """The URL that replaces the sent data. told: the reported type."""
        told = told.lower()
        data = body.decoded()
        if data is None or told.partition("/")[0] not in ("image", "audio"):
            return stand_in(told, body.size * 3 // 4)
        media_type = checked_type(told, data)
        name = name_of(data)
        if name not in self._names:
            if len(data) > self._room or len(self._names) == KEPT_IN_REPLY:
                return stand_in(media_type, len(data))
            self._room -= len(data)
            self._names.add(name)
            self._new.append(Media(name, media_type, data))
        return stand_in(media_type, len(data), name)

    def take(self) -> list[Media]:
        """What was kept since the last call."""
        new, self._new = self._new, []
        return new


class Fences:
    """Whether a text that arrives in pieces is inside a fenced code block."""

    def __init__(self) -> None:
        self._line = ""
        self._fence = ""

    def __bool__(self) -> bool:
        return bool(self._fence)

    def feed(self, text: str) -> None:
        *ended, text = text.split("\n") if "\n" in text else (text,)
        for line in ended:
            self._ended((self._line + line[:_LINE])[:_LINE])
            self._line = ""
        if len(self._line) < _LINE:
            self._line = (self._line + text[:_LINE])[:_LINE]

    def _ended(self, line: str) -> None:
        if (mark := _FENCE.match(line)) is None:
            return
        fence, rest = mark.groups()
        if not self._fence:
            self._fence = "" if "`" in fence and "`" in rest else fence
        elif fence.startswith(self._fence) and not rest.strip():
            self._fence = ""


class DataCutter:
    """Removes the base64 from data URLs in a text, however it is split, and passes it to the keeper. In a
    code block it stays. The cost is linear, and for a URL that may stay, at most `SHORT` characters are
    buffered."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._fences = Fences()
        self._given = ""  # the end of what was given: `](data` of a head may be in it
        self._held = ""  # a head that is not complete, or one with a body that is short so far
        self._inside = ""  # the media type of the body that is being taken out
        self._taken = Body()
        self._begun = 0  # characters of its stand-in that were given

    def feed(self, text: str) -> str:
        out: list[str] = []
        text, self._held = self._held + text, ""
        while text:
            text = self._body(text, out) if self._inside else self._outside(text, out)
        return "".join(out)

    def flush(self) -> str:
        """What was held back, once nothing more arrives."""
        held, self._held = self._held, ""
        return self._ended() if self._inside else held

    def _outside(self, text: str, out: list[str]) -> str:
        given, text = len(self._given), self._given + text
        head = _HEAD.search(text)
        if head is None:
            held = _HELD.search(text)
            given = self._give(text, given, held.start() if held else len(text), out)
            self._held = text[given:]
            return ""
        given = self._give(text, given, head.start(), out)
        end = _end_of_body(text, head.end())
        if not self._fences:
            if end - head.end() > SHORT or text.endswith(_LINKED, 0, head.start()):
                self._inside, self._begun = head[1], given - head.start()
                return text[head.end() :]
            if end == len(text):
                self._held = text[given:]
                return ""
        self._give(text, given, end, out)
        return text[end:]

    def _give(self, text: str, given: int, end: int, out: list[str]) -> int:
        end = max(given, end)
        out.append(text[given:end])
        self._fences.feed(text[given:end])
        self._given = text[:end][-8:]
        return end

    def _body(self, text: str, out: list[str]) -> str:
        end = _end_of_body(text, 0)
        self._taken.add(text[:end])
        if end < len(text):
            out.append(self._ended())
        return text[end:]

    def _ended(self) -> str:
        told = self._keeper.keep(self._inside, self._taken)[self._begun :]
        self._inside, self._taken, self._given = "", Body(), ","
        return told


def _end_of_body(text: str, start: int) -> int:
    body = _BODY.match(text, start)
    return start if body is None else body.end()


class MediaReader:
    """The media in the chunks of one reply."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._sound = Body()
        self._format = "unknown"
        self._pictures: set[str] = set()  # some servers send them again with the end

    def read(self, delta: dict[str, Any]) -> str:
        """The text for the media in a delta or a whole message."""
        found: list[Any] = []
        for name in ("images", "image", "image_url", "content"):
            told = delta.get(name)
            if told is None or (name == "content" and isinstance(told, str)):
                continue  # nearly always
            parts = told if isinstance(told, list) else [told]
            found += [part for part in parts if name != "content" or isinstance(part, dict)]
        text = "".join(self._part(part) for part in found)
        audio = delta.get("audio")
        return text + self._heard(audio) if isinstance(audio, dict) else text

    def rest(self) -> str:
        """The text for media that arrived in pieces."""
        sound, self._sound = self._sound, Body()
        return f"\n\n![audio]({self._keeper.keep('audio/' + self._format, sound)})\n\n" if sound.size else ""

    def _part(self, part: object) -> str:
        if isinstance(part, str):
            return self._picture(part)
        if not isinstance(part, dict):
            return ""
        kind = part.get("type")
        if kind in _SOUND:
            audio = part.get(kind, part)
            return self._heard(audio) if isinstance(audio, dict) else ""
        if kind is not None and kind not in _PICTURES:
            return ""
        return self._picture(next(filter(None, map(part.get, _ADDRESSES)), None))

    def _heard(self, audio: dict[str, Any]) -> str:
        data, words = audio.get("data"), audio.get("transcript")
        if isinstance(data, str):
            head = _HEAD.match(data)
            self._sound.add(data[head.end() :] if head else data)
        if isinstance(told := audio.get("format"), str) and _WORD.fullmatch(told):
            self._format = told
        return words if isinstance(words, str) else ""

    def _picture(self, told: object) -> str:
        if isinstance(told, dict):
            told = told.get("url")
        if not isinstance(told, str) or not told:
            return ""
        digest = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
        if digest in self._pictures:
            return ""
        self._pictures.add(digest)
        return f"\n\n![picture]({self._address(told)})\n\n"

    def _address(self, told: str) -> str:
        if _ADDRESS.fullmatch(told):
            return told
        head, body = _HEAD.match(told), Body()
        body.add(told[head.end() :] if head else told)
        return self._keeper.keep(head[1] if head else "image/unknown", body)
