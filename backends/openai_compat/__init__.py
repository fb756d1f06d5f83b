"""Any OpenAI-compatible endpoint, in the order of a request.

`address` builds its URLs, `models` and `listing` find out what it serves, `wire` writes the body, `client`
posts it, `patience` sets the time limits, `replies` reads the answer, `refusals` explains rejected requests
and detects what an endpoint does not accept; `backend` combines them.
"""

from backends.openai_compat.address import Address
from backends.openai_compat.backend import OpenAICompatBackend
from backends.openai_compat.listing import RemoteModel
from backends.openai_compat.models import list_models
from backends.openai_compat.patience import Timeouts
from backends.openai_compat.refusals.negotiation import Learned
from backends.openai_compat.refusals.variants import Feature

__all__ = ["Address", "Feature", "Learned", "OpenAICompatBackend", "RemoteModel", "Timeouts", "list_models"]
