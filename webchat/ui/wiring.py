"""Every listener of the page, in one place. All of them run in the browser: none asks Gradio's queue."""

from __future__ import annotations

import gradio as gr

from webchat.ui.layout import Layout


def wire(page: Layout) -> None:
    """Connects the components with the page's modules, which hang on `window.webchat`."""
    composer, drawer = page.composer, page.drawer
    composer.send.click(fn=None, js="() => window.webchat.send()")
    composer.stop.click(fn=None, js="() => window.webchat.stop()")
    fields: tuple[gr.Textbox | gr.Number, ...] = (drawer.system_prompt, drawer.stop, *drawer.sampling)
    for field in fields:
        field.input(fn=None, js="() => window.webchat.saveSettings()")
    drawer.reset.click(fn=None, js="() => window.webchat.resetSettings()")
