"""Whether the process is alive, and whether it can work. Neither reveals anything else to strangers."""

from __future__ import annotations

import logging

from starlette.responses import Response

from webchat.api.reading import json_answer
from webchat.api.services import Services
from webchat.api.wire.people import Health as State

log = logging.getLogger(__name__)


class Health:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def alive(self) -> State:
        """Whether the process runs."""
        return State(status="ok")

    async def ready(self) -> Response:
        """200 while the server accepts messages and can reach its database, else 503."""
        services = self._services
        if not services.turns.accepting:
            return json_answer(State(status="stopping"), 503)
        try:
            await services.store.call(services.store.list_conversations, "", limit=1)
        except Exception:
            log.warning("the database does not respond", exc_info=True)
            return json_answer(State(status="database"), 503)
        return json_answer(State(status="ok"))
