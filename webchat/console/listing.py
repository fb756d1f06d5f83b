"""A tab's table, and the card of what is chosen in it: what is known of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import gradio as gr

from webchat.console.asking import QUIET, Method, handler, selecting
from webchat.console.labels import Labels
from webchat.console.paging import Paged, Pager, create_table

MOST_SEARCHED = 200


class Handlers(Protocol):
    """What a listing asks: the values of its table, the choice in a row of that, and those of the card."""

    @property
    def show(self) -> Method: ...

    @property
    def chosen(self) -> Method: ...

    @property
    def about(self) -> Method: ...


def create_search(label: Labels, name: str) -> gr.Textbox:
    """The field that searches a tab's table."""
    words = label(f"console.{name}.search")
    return gr.Textbox(
        placeholder=words,
        label=words,
        show_label=False,
        container=False,
        max_length=MOST_SEARCHED,
        elem_id=f"wc-{name}-search",
    )


class Listing:
    """The components. name: of the tab; one: of what it lists; buttons: of methods and their labels. search:
    the field above the table; without it there are no pages either."""

    def __init__(
        self, label: Labels, name: str, one: str, buttons: Iterable[str], search: gr.Textbox | None = None
    ) -> None:
        note = gr.Markdown(visible=False)
        self.table = create_table(f"wc-{name}-table")
        pager = None if search is None else Pager(label, name)
        with gr.Column(elem_classes=["wc-card"], visible=False) as self.card:
            self.choice = gr.Dropdown(
                choices=[], label=label(f"console.{name}.{one}"), elem_id=f"wc-{name}-{one}"
            )
            self.about = gr.Markdown(visible=False, elem_id=f"wc-{name}-about")
            with gr.Row(elem_classes=["wc-buttons"]):
                self.buttons = {
                    button: gr.Button(label(f"console.{name}.{button}"), visible=False, min_width=0)
                    for button in buttons
                }
        self._pager = pager
        self._searched: list[Any] = [] if search is None else [search]
        self.wanted: list[Any] = [*self._searched, *([] if pager is None else [pager.place])]
        parts = [] if pager is None else pager.parts
        self._listed: Any = {"outputs": [self.table, self.choice, self.card, note, *parts], **QUIET}

    def bind(self, handlers: Handlers, loads: list[Any]) -> Any:
        """Show the table after each of these events, turn its pages, and tell of what is chosen."""
        paged = handlers if isinstance(handlers, Paged) else None
        self._show = handler("operator", handlers.show)
        self._first = self._show if paged is None else handler("operator", paged.first)
        self._tell = handler("operator", handlers.about)
        if paged is not None and self._pager is not None:
            self._pager.older.click(handler("operator", paged.older), self.wanted, **self._listed)
            self._pager.newer.click(handler("operator", paged.newer), self.wanted, **self._listed)
        chosen = self.table.select(selecting("operator", handlers.chosen), None, self.choice, **QUIET)
        chosen.success(self._show, self.wanted, **self._listed)
        self.tell(self.choice.change)
        return gr.on(loads, self._first, self._searched, **self._listed)

    def renew(self, after: Any, *, first: bool = False) -> None:
        """After something was done, show the table again, from its first page if `first`, and the card."""
        show, wanted = (self._first, self._searched) if first else (self._show, self.wanted)
        self.tell(after.success(show, wanted, **self._listed).success)

    def tell(self, event: Any) -> None:
        """At that event, tell of the chosen one anew."""
        event(self._tell, [self.choice], [self.about, *self.buttons.values()], **QUIET)
