"""Which addresses a link may have. Follows `links.js`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, image, link

FOLLOWED = re.compile(r"(?:https?:|mailto:)", re.IGNORECASE)
_DEFINED = re.compile(r"(?:https?:|mailto:)|[/.#]", re.IGNORECASE)
_CALLED = re.compile(r"[A-Za-z0-9_)\]]")


class Following:
    """What kind of link an address is read for decides which are links."""

    def __init__(self) -> None:
        self._within = ""

    def allows(self, url: str) -> bool:
        if self._within == "link":
            return bool(url)
        return (_DEFINED if self._within == "definition" else FOLLOWED).search(url) is not None

    @contextmanager
    def during(self, kind: str) -> Iterator[None]:
        before, self._within = self._within, kind
        try:
            yield
        finally:
            self._within = before


def links(md: MarkdownIt, following: Following) -> None:
    def read_link(state: StateInline, silent: bool) -> bool:
        before = state.src[state.pos - 1 : state.pos]
        called = _CALLED.match(before) is not None  # handlers[0](event) is no link
        with following.during("" if called else "link"):
            return link(state, silent)

    def read_image(state: StateInline, silent: bool) -> bool:
        with following.during("link"):
            return image(state, silent)

    md.validateLink = following.allows  # type: ignore[method-assign]
    md.inline.ruler.at("link", read_link)
    md.inline.ruler.at("image", read_image)
    md.core.ruler.push("links", _unlink)


def _unlink(state: StateCore) -> None:
    """Links to where this page cannot go are drawn as their words, with the address as title."""
    for token in state.tokens:
        words = False
        for child in token.children or ():
            if child.type == "link_open":
                href = str(child.attrGet("href") or "")
                words = not FOLLOWED.match(href)
                if words:
                    child.attrs = {"class": "wc-unlinked", "title": href}
            if words and child.type in ("link_open", "link_close"):
                child.tag = "span"
