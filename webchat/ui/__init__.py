"""The page: a Gradio shell whose transcript and conversation list are modules of our own.

`create_page` builds the Blocks, `mount` puts it and its assets into the parent app. Tokens never travel over
Gradio's queue: the modules in `assets/` speak the HTTP API of `webchat.api`.
"""

from webchat.ui.page import PageSettings, create_page, mount

__all__ = ["PageSettings", "create_page", "mount"]
