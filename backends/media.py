"""Pictures and sounds that are kept: how many and how large, and what their data says of itself."""

from __future__ import annotations

import hashlib
import re

from backends.types import SURE_MEDIA

KEPT_BYTES = 4 << 20
"""Of a picture or sound that is kept: a PNG of 1024 by 1024 has 1 to 3 MB, four minutes of MP3 have 4. What
is larger is only named."""

KEPT_REPLY_BYTES = 16 << 20
"""Of all that is kept of one reply."""

KEPT_IN_REPLY = 16
"""Pictures and sounds that are kept of one reply."""

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")

_SIGNS = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("audio/wav", re.compile(rb"RIFF.{4}WAVE", re.DOTALL)),
    ("audio/ogg", re.compile(rb"OggS")),
    ("audio/mpeg", re.compile(rb"ID3|\xff[\xf2\xf3\xfa\xfb]")),
)
"""How files of `SURE_MEDIA` begin. Without it no server is believed."""


def name_of(data: bytes) -> str:
    """The name under which data is kept. It has no digits, so that code looking for numbers in a text finds
    none."""
    return hashlib.sha256(data).hexdigest()[:16].translate(_LETTERS)


def checked_type(told: str, data: bytes) -> str:
    """The type of the data according to its first bytes, or else as reported, unless that type would have
    matching first bytes."""
    for media_type, sign in _SIGNS:
        if sign.match(data):
            return media_type
    return f"{told.partition('/')[0]}/unknown" if told in SURE_MEDIA else told
