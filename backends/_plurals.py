"""Sentences with numbers in them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)(?::([^|{}]*)\|([^{}]*))?\}")


def filled(text: str, params: Mapping[str, object]) -> str:
    """A text with its placeholders filled in: `{count}` by a value, `{count:chat|chats}` by the first word if
    the value is 1, else the second. Values are not looked at for placeholders; one without a value stays."""

    def value(found: re.Match[str]) -> str:
        name, one, many = found.groups()
        try:
            shown = str(params[name])
        except KeyError:
            return found[0]
        return shown if one is None else one if shown == "1" else many

    return _PLACEHOLDER.sub(value, text)


def counted(count: float, one: str, many: str = "") -> str:
    """As in `1 chat` or `2 chats`. many: the plural, if it is not `one` with an s."""
    shown = f"{count:g}" if isinstance(count, float) else str(count)
    return f"{shown} {one if count == 1 else many or one + 's'}"
