"""Text files as people's editors write them: in UTF-8, or as their byte order mark says."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class NotText(ValueError):
    """The bytes are not text. The message completes a sentence that starts with the file's name."""

    def __init__(self) -> None:
        super().__init__("is not UTF-8 text; save it in that encoding")


def read_text(path: Path) -> str:
    """The text without its byte order mark, with line feeds only. Raises `OSError` and `NotText`."""
    return decoded(path.read_bytes())


def decoded(raw: bytes) -> str:
    """The same for bytes already in memory. Raises `NotText`."""
    mark, encoding = next((one for one in _MARKS if raw.startswith(one[0])), (b"", "utf-8"))
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        raise NotText from None
    if "\0" in text:  # UTF-16 without a mark, or no text at all
        raise NotText
    return text.replace("\r\n", "\n").replace("\r", "\n")
