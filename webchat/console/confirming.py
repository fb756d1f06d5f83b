"""The question before what can't be undone: what it would do, and the buttons to do it or not."""

from __future__ import annotations

from typing import Any

import gradio as gr

from webchat.console.asking import QUIET, Caller, handler
from webchat.console.labels import Labels


def asked(id: str, words: str) -> list[Any]:
    """The new values of a question's parts: about what, and in which words."""
    return [id, gr.Column(visible=True), gr.Markdown(words)]


def unasked() -> list[Any]:
    return ["", gr.Column(visible=False), gr.Markdown("")]


class Question:
    """The components. parts: what `asked` and `unasked` give values to; the first is what was asked about.
    It ends when something else is chosen."""

    def __init__(self, label: Labels, prefix: str, yes: str, choice: gr.Dropdown | gr.State) -> None:
        with gr.Column(visible=False, elem_id=f"wc-{prefix}-question") as column:
            words = gr.Markdown()
            with gr.Row(elem_classes=["wc-buttons"]):
                self.yes = gr.Button(label(yes), variant="stop", min_width=0)
                no = gr.Button(label("console.keep"), min_width=0)
        self.about = gr.State("")
        self.parts: list[Any] = [self.about, column, words]
        gr.on([choice.change, no.click], handler("operator", keep), None, self.parts, **QUIET)


async def keep(caller: Caller) -> list[Any]:
    return unasked()
