"""Pictures and sound in a reply: named in its text, as Markdown, instead of being dropped or shown as base64.

What came is written `![picture](data:image/png;size=15360,)`: what kind it is and how many bytes it had,
without them. In the text, because that is what is stored, searched, sent back to models and drawn.

Source: the references of OpenAI (`audio`), OpenRouter (`images`), Gemini's and LiteLLM's compatible answers.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from backends.openai_compat.held import base64_chars

SHORT = 1000
"""Characters of base64 that stay as they are: an icon in somebody's code."""

_HEAD = re.compile(r"data:([\w.+-]{1,40}/[\w.+-]{1,60})(?:;[\w.=+-]{1,60}){0,4};base64,")
# The end of a text that may be the beginning of such a head.
_HELD = re.compile(r"data:[\w.+/;=-]{0,350}\Z")
_BODY = re.compile(r"[A-Za-z0-9+/=_%-]*")
_ADDRESS = re.compile(r"https?://[^\s()<>]{1,2000}")
_PICTURES = ("image", "output_image", "image_url", "input_image")
_ADDRESSES = ("image_url", "url", "b64_json", "data", "result")
_SOUND = ("audio", "output_audio", "input_audio", "audio_url")


def stand_in(media_type: str, size: int) -> str:
    """The address in the place of data. size: in bytes."""
    return f"data:{media_type};size={size},"


class DataCutter:
    """Takes the base64 out of the data addresses in a text, however it is cut. The cost is linear, and of an
    address no more than `SHORT` characters are held."""

    def __init__(self) -> None:
        self._told = ""  # the end of what was given: `data` of a head may be in it
        self._held = ""  # a head that is not complete, or one with a body that is short so far
        self._inside: str | None = None  # the media type of the body that is being passed over
        self._size = 0  # characters of it
        self._begun = 0  # characters of its stand-in that were given

    def feed(self, text: str) -> str:
        out: list[str] = []
        text, self._held = self._held + text, ""
        while text:
            text = self._outside(text, out) if self._inside is None else self._body(text, out)
        return "".join(out)

    def flush(self) -> str:
        """What was held when nothing more comes."""
        held, self._held = self._held, ""
        return held if self._inside is None else self._ended()

    def _outside(self, text: str, out: list[str]) -> str:
        given, text = len(self._told), self._told + text
        head = _HEAD.search(text)
        if head is None:
            held = _HELD.search(text)
            self._give(text, given, held.start() if held else len(text), out)
            return self._hold(text, given, held.start() if held else len(text))
        end = _end_of_body(text, head.end())
        if end - head.end() > SHORT:
            self._give(text, given, head.start(), out)
            self._inside, self._size = head[1], 0
            self._begun = max(0, given - head.start())
            return text[head.end() :]
        if end == len(text):
            self._give(text, given, head.start(), out)
            return self._hold(text, given, head.start())
        self._give(text, given, end, out)
        return text[end:]

    def _give(self, text: str, given: int, end: int, out: list[str]) -> None:
        out.append(text[given:end])
        self._told = text[: max(given, end)][-4:]

    def _hold(self, text: str, given: int, start: int) -> str:
        self._held = text[max(given, start) :]
        return ""

    def _body(self, text: str, out: list[str]) -> str:
        end = _end_of_body(text, 0)
        self._size += base64_chars(text[:end])
        if end < len(text):
            out.append(self._ended())
        return text[end:]

    def _ended(self) -> str:
        media_type, self._inside, self._told = self._inside or "", None, ","
        return stand_in(media_type, self._size * 3 // 4)[self._begun :]


def _end_of_body(text: str, start: int) -> int:
    body = _BODY.match(text, start)
    return start if body is None else body.end()


class Media:
    """What the chunks of one reply hold beside text."""

    def __init__(self) -> None:
        self._sound = 0  # characters of base64
        self._pictures: set[str] = set()  # some servers send them again with the end

    def read(self, delta: dict[str, Any]) -> str:
        """The text for what a delta, or a whole message, holds."""
        found: list[Any] = []
        for name in ("images", "image", "image_url", "content"):
            told = delta.get(name)
            parts = told if isinstance(told, list) else [] if told is None else [told]
            found += [part for part in parts if name != "content" or isinstance(part, dict)]
        text = "".join(self._part(part) for part in found)
        audio = delta.get("audio")
        return text + self._heard(audio) if isinstance(audio, dict) else text

    def rest(self) -> str:
        """The text for what came in pieces."""
        size, self._sound = self._sound * 3 // 4, 0
        return f"\n\n![audio]({stand_in('audio/unknown', size)})\n\n" if size else ""

    def _part(self, part: Any) -> str:
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
        self._sound += base64_chars(data) if isinstance(data, str) else 0
        return words if isinstance(words, str) else ""

    def _picture(self, told: Any) -> str:
        if isinstance(told, dict):
            told = told.get("url")
        if not isinstance(told, str) or not told:
            return ""
        digest = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
        if digest in self._pictures:
            return ""
        self._pictures.add(digest)
        return f"\n\n![picture]({_address(told)})\n\n"


def _address(told: str) -> str:
    if head := _HEAD.match(told):
        return stand_in(head[1], base64_chars(told[head.end() :]) * 3 // 4)
    if _ADDRESS.fullmatch(told):
        return told
    return stand_in("image/unknown", base64_chars(told) * 3 // 4)  # base64 without a head
