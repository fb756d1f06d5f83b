"""A person's API keys. No key makes, lists or revokes keys."""

from __future__ import annotations

from datetime import UTC, datetime

from webchat.api.reading import Member, PathId
from webchat.api.services import Services
from webchat.api.wire.keys import ApiKey, ApiKeyList, NewApiKey, NewApiKeyBody
from webchat.auth.api_keys import new_key


class KeyRoutes:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._owners = services.identities.owners

    async def list(self, owner: Member) -> ApiKeyList:
        """The caller's API keys that are not revoked, the newest first."""
        return ApiKeyList.read(await self._store.call(self._store.own_keys, owner.id), datetime.now(UTC))

    async def create(self, owner: Member, body: NewApiKeyBody) -> NewApiKey:
        """Create an API key of the caller, which is shown only in this answer. 409 for too many."""
        now = datetime.now(UTC)
        made = await self._store.call(
            new_key, self._store, owner.id, body.name, body.expires, now, body.terms.terms()
        )
        return NewApiKey(key=ApiKey.read(made.key, now), token=made.token)

    async def revoke(self, owner: Member, id: PathId) -> None:
        """Revoke one of the caller's API keys: what uses it is refused at once."""
        await self._store.call(self._store.revoke_key, owner.id, id)
        self._owners.forget_key(id)
