"""Models behind one interface. Usable on its own: nothing here imports `webchat`.

A backend turns a `Request` into an async stream of typed events (see `backends.base` for the contract).
"""

from backends.base import Backend, Capabilities, LoadProgress, collect
from backends.errors import BackendError
from backends.types import (
    Event,
    Finished,
    ImagePart,
    Media,
    Message,
    NamedTool,
    Options,
    ReasoningDelta,
    Request,
    ResponseFormat,
    Sampling,
    Sent,
    TextDelta,
    TextPart,
    TextWasReasoning,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)

__all__ = [
    "Backend",
    "BackendError",
    "Capabilities",
    "Event",
    "Finished",
    "ImagePart",
    "LoadProgress",
    "Media",
    "Message",
    "NamedTool",
    "Options",
    "ReasoningDelta",
    "Request",
    "ResponseFormat",
    "Sampling",
    "Sent",
    "TextDelta",
    "TextPart",
    "TextWasReasoning",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "collect",
]
