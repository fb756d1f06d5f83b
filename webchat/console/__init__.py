"""The operator's console and other pages made of `gr.Blocks`, with handlers in Python.

`mount_blocks` puts one behind the door, to people who have its role; `console` is our own. Handlers call the
same services as the routes of `webchat.api`.
"""

from webchat.console.mounting import MountedBlocks, mount_blocks
from webchat.console.page import PATH, create_console
from webchat.console.queue import EVENT_BODY, is_event

__all__ = ["EVENT_BODY", "PATH", "MountedBlocks", "create_console", "is_event", "mount_blocks"]
