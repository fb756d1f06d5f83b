"""What replays gave, as a file."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from webchat.api.filenames import disposition
from webchat.api.reading import Language, Operator, PathId
from webchat.api.services import Services
from webchat.feedback.replay import report


class Replays:
    def __init__(self, services: Services) -> None:
        self._store = services.store

    async def report(self, operator: Operator, id: PathId, language: Language) -> Response:
        """The results of a replay set as one HTML file without scripts."""
        found = await self._store.call(self._store.replay_set, operator.id, id)
        runs = await self._store.call(self._store.replay_runs, operator.id, found.id)
        # A plain iterator: it is read in a thread, since rendering takes long.
        pieces = report(self._store, operator.id, found, runs, language)
        return StreamingResponse(
            pieces,
            media_type="text/html; charset=utf-8",
            headers={
                "content-disposition": disposition(f"replay {found.name}", ".html"),
                "cache-control": "no-store",
            },
        )
