"""Imports: a file in pieces, what was found in it, and the word to go on."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request

from webchat.api.errors import ApiError
from webchat.api.reading import Caller, PathId
from webchat.api.services import Services
from webchat.api.wire.imports import Import, ImportList, NewImportBody, Origin, StartImportBody
from webchat.imports import PRODUCTS
from webchat.imports.background import Imports
from webchat.store.import_records import ImportJob
from webchat.store.records import Owner


class ImportRoutes:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._services = services

    @property
    def _imports(self) -> Imports:
        imports = self._services.imports
        if imports is None:
            raise ApiError(404, "not_found", "This server imports nothing.")
        return imports

    async def list(self, caller: Caller) -> ImportList:
        """The caller's latest imports, newest first."""
        jobs = await self._store.call(self._store.list_file_imports, caller.id)
        return ImportList.of({"items": [_shown(job) for job in jobs], "products": PRODUCTS})

    async def begin(self, caller: Caller, body: NewImportBody) -> Import:
        """Begin to import a file; its bytes follow in pieces. People with a tester link may not."""
        _check_may(caller)
        return _shown(await self._imports.begin(caller, body.name, body.size))

    async def look(self, caller: Caller, id: PathId) -> Import:
        """How far an import is."""
        return _shown(await self._store.call(self._store.file_import, caller.id, id))

    async def add(
        self, caller: Caller, id: PathId, request: Request, at: Annotated[int, Query(ge=0, le=2**40)] = 0
    ) -> Import:
        """Add a piece of the file, as `application/octet-stream`. at: where it begins. If that is not the end
        of what has arrived, nothing changes, and the answer's `received` says where to go on. After the last
        piece the file is checked."""
        _check_may(caller)
        await self._store.call(self._store.file_import, caller.id, id)  # what is not theirs is not found
        if request.headers.get("content-type", "") != "application/octet-stream":
            raise ApiError(
                415,
                "not_bytes",
                "The request's body is not a piece of a file.",
                "Send bytes with the header Content-Type: application/octet-stream.",
            )
        return _shown(await self._imports.add(caller, id, at, await request.body()))

    async def start(self, caller: Caller, id: PathId, body: StartImportBody) -> Import:
        """Import a checked file. on_bad: `refuse` imports nothing if there are entries that cannot be
        read."""
        _check_may(caller)
        return _shown(await self._imports.start(caller, id, body.on_bad))

    async def forget(self, caller: Caller, id: PathId) -> None:
        """Cancel an import, or forget a finished one. Conversations that it brought stay."""
        await self._imports.forget(caller, id)

    async def origin(self, caller: Caller, id: PathId) -> Origin:
        """Where a conversation was imported from; nothing for one that was not."""
        found = await self._store.call(self._store.origin, caller.id, id)
        name = PRODUCTS.get(found.product, found.product)
        return Origin.of({"product": found.product, "name": name, "at": found.at, "details": found.details})


def _shown(job: ImportJob) -> Import:
    return Import.of(job)


def _check_may(caller: Owner) -> None:
    if caller.kind == "guest":
        raise ApiError(
            403,
            "import_not_allowed",
            "This link doesn't allow imports.",
            "Sign in to import chats.",
        )
