"""Any OpenAI-compatible endpoint, in the order of a request.

`address` builds its URLs, `models` finds out what it serves, `wire` writes the body and reads the chunks,
`sse` splits the stream into events, `errors` says what a refusal means; `backend` is the whole.
"""

from backends.openai_compat.address import Address
from backends.openai_compat.backend import OpenAICompatBackend, Timeouts
from backends.openai_compat.listing import RemoteModel
from backends.openai_compat.models import list_models

__all__ = ["Address", "OpenAICompatBackend", "RemoteModel", "Timeouts", "list_models"]
