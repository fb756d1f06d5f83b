"""Tables, and pages of them: which one is shown, and the buttons to the one before and after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import gradio as gr

from webchat.console.asking import Caller
from webchat.console.labels import Labels


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a listing somebody is. passed: the cursors of the pages after the first, up to the one shown.
    next: that of the following page, if there is one."""

    passed: tuple[str, ...] = ()
    next: str | None = None

    @property
    def cursor(self) -> str | None:
        return self.passed[-1] if self.passed else None

    def older(self) -> Place:
        return self if self.next is None else Place((*self.passed, self.next))

    def newer(self) -> Place:
        return Place(self.passed[:-1])


FIRST = Place()


class Paged(ABC):
    """The handlers of a table that is searched, and shown by pages."""

    @abstractmethod
    async def show(self, caller: Caller, text: object, place: Place = FIRST) -> tuple[Any, ...]:
        """The page at `place` of what fits the text; its last values are those of `shown`."""

    async def first(self, caller: Caller, text: object) -> tuple[Any, ...]:
        return await self.show(caller, text)

    async def older(self, caller: Caller, text: object, place: Place) -> tuple[Any, ...]:
        return await self.show(caller, text, place.older())

    async def newer(self, caller: Caller, text: object, place: Place) -> tuple[Any, ...]:
        return await self.show(caller, text, place.newer())


def shown(place: Place, next: str | None) -> list[Any]:
    """The new values of a pager's parts. next: cursor of the following page."""
    return [
        Place(place.passed, next),
        gr.Button(visible=bool(place.passed)),
        gr.Button(visible=next is not None),
    ]


def create_table(id: str | None = None, *, wrap: bool = False) -> gr.Dataframe:
    """A table to read. Hidden until it has rows: Gradio numbers the columns of an empty one."""
    return gr.Dataframe(
        interactive=False, visible=False, type="array", wrap=wrap, buttons=[], show_label=False, elem_id=id
    )


class Pager:
    """The two buttons below a table. parts: what `shown` gives values to."""

    def __init__(
        self, label: Labels, prefix: str, newer: str = "console.newer", older: str = "console.older"
    ) -> None:
        self.place = gr.State(FIRST)
        with gr.Row(elem_classes=["wc-buttons"]):
            self.newer = gr.Button(label(newer), visible=False, min_width=0, elem_id=f"wc-{prefix}-newer")
            self.older = gr.Button(label(older), visible=False, min_width=0, elem_id=f"wc-{prefix}-older")

    @property
    def parts(self) -> list[Any]:
        return [self.place, self.newer, self.older]
