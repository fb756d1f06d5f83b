"""What a page is, and the pages of installed packages."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import get_args

import gradio as gr

from webchat.console.roles import Role
from webchat.pages.services import PageServices
from webchat.sentences import LANGUAGES

log = logging.getLogger(__name__)

GROUP = "webchat.pages"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_MOST_TITLE = 60


@dataclass(frozen=True, slots=True)
class Page:
    """A page beside the chat.

    name: of its address, `/pages/<name>`: letters a to z, digits and hyphens. title: in the menu, in English
    or by language (`en`, `zh-CN`). create: makes its components, once, when the server starts. role: who may
    open it: `operator`, `member` (people who sign in, and operators), or `anyone` with access to the chat.
    texts: of labels, by language, for components that name them by key with `gr.I18n`. Raises ValueError.
    """

    name: str
    title: str | Mapping[str, str]
    create: Callable[[PageServices], gr.Blocks]
    role: Role = "operator"
    texts: gr.I18n | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a page can't be named {self.name!r}: use a to z, 0 to 9 and hyphens, at most 40"
            )
        if self.role not in get_args(Role):
            raise ValueError(
                f"page {self.name}: the role {self.role!r} is not one of {', '.join(get_args(Role))}"
            )
        titles = self.titles
        if not all(0 < len(title) <= _MOST_TITLE for title in titles.values()):
            raise ValueError(f"page {self.name}: give a title of at most {_MOST_TITLE} characters")

    @property
    def titles(self) -> dict[str, str]:
        """By language."""
        if isinstance(self.title, str):
            return dict.fromkeys(LANGUAGES, self.title)
        return {name: self.title.get(name, self.title.get("en", "")) for name in LANGUAGES}


def installed() -> Iterator[Page]:
    """The pages of installed packages. One that cannot be loaded is logged and left out: it must not keep the
    chat from starting."""
    for entry in entry_points(group=GROUP):
        try:
            page = entry.load()
            if not isinstance(page, Page):
                raise TypeError("it is not a webchat.pages.Page")
        except Exception:
            log.exception("the page %s (%s) cannot be loaded", entry.name, entry.value)
        else:
            yield page
