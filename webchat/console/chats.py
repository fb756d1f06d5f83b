"""Stored chats as the console shows them."""

from __future__ import annotations

import gradio as gr


def create_chat(
    *, height: int | None = None, max_height: int | None = None, elem_id: str | None = None
) -> gr.Chatbot:
    """Messages to read, without buttons. Their text is not rendered as Markdown: Gradio would put it into the
    page as HTML, see `_as_text` in `console.testers`."""
    return gr.Chatbot(
        show_label=False,
        buttons=[],
        height=height,
        max_height=max_height,
        feedback_options=None,
        render_markdown=False,
        latex_delimiters=[],
        allow_file_downloads=False,
        elem_id=elem_id,
    )
