"""The Harmony format without its control tokens, as sent by servers that drop them when decoding:
`analysisThe user asks …assistantfinalHello`."""

from __future__ import annotations

import re

from backends.markers.holdback import held_length

_BEGIN = "analysis"
_CHANNELS = ("final", "analysis", "commentary")
_HEADS = tuple(f"assistant{channel}" for channel in _CHANNELS)
_HEAD = re.compile("|".join(_HEADS))


class HarmonyTokens:
    """Restores the tokens, however the text is split into pieces. Feed it a reply from the first piece; once
    `done`, the rest passes through unchanged."""

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False
        self.done = False

    def feed(self, text: str) -> str:
        text, self._held = self._held + text, ""
        return self._inside(text) if self._thinking else self._begin(text)

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held

    def _begin(self, text: str) -> str:
        word = text.lstrip()
        if len(word) <= len(_BEGIN) and _BEGIN.startswith(word):
            self._held = word
            return text[: len(text) - len(word)]
        # A word may begin like that; a sentence that is glued to it does not.
        glued = word[len(_BEGIN) : len(_BEGIN) + 1]
        if not word.startswith(_BEGIN) or not glued.isalnum() or glued.islower():
            self.done = True
            return text
        self._thinking = True
        return f"<|channel|>{_BEGIN}<|message|>" + self._inside(word[len(_BEGIN) :])

    def _inside(self, text: str) -> str:
        out = ""
        while (head := _HEAD.search(text)) is not None:
            channel = head[0].removeprefix("assistant")
            out += f"{text[: head.start()]}<|end|><|start|>assistant<|channel|>{channel}"
            text = text[head.end() :]
            if channel == "final":
                self.done = True
                return f"{out}<|message|>{text}"
            out += "<|message|>" if channel == "analysis" else " to=a tool<|message|>"
        shown = len(text) - held_length(text, _HEADS)
        self._held = text[shown:]
        return out + text[:shown]
