"""Two replies to one message, side by side: look at them, vote, and go on with one."""

from __future__ import annotations

from webchat.api.conversations import shown
from webchat.api.reading import Caller, PathId
from webchat.api.services import Services
from webchat.api.wire.comparisons import Comparison, GoOnBody, VoteBody
from webchat.api.wire.messages import Thread
from webchat.moderation import Context
from webchat.store import judgement_records as records
from webchat.store.records import Owner


class Comparisons:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def look(self, caller: Caller, id: PathId) -> Comparison:
        """A comparison and its two replies. Until it is closed nothing tells which model wrote which."""
        found = await self._store.call(self._store.comparison, caller.id, id)
        return await self._shown(caller, found)

    async def vote(self, caller: Caller, id: PathId, body: VoteBody) -> Comparison:
        """Vote, and see which model wrote which. The first vote counts: a later one gets what was stored. 409
        while one of the replies is being written."""
        comment = body.comment.strip()
        if comment:
            found = await self._store.call(self._store.comparison, caller.id, id)
            context = Context(
                "input",
                caller.id,
                conversation_id=found.conversation_id,
                counts=False,
                profile=caller.terms.moderation_profile,
            )
            comment = await self._services.review.text(context, comment)
        vote = records.Vote(body.preferred, body.left_good, body.right_good, comment)
        voted = await self._store.call(self._store.vote_on, caller.id, id, vote)
        self._services.turns.changed(caller.id, voted.conversation_id)
        return await self._shown(caller, voted)

    async def go_on(self, caller: Caller, id: PathId, body: GoOnBody) -> Thread:
        """Continue the conversation with one of the replies, and with its model; without a vote, the
        comparison ends."""
        conversation = await self._store.call(self._store.go_on_with, caller.id, id, body.side)
        self._services.turns.changed(caller.id, conversation.id)
        return await shown(self._services, caller, conversation)

    async def _shown(self, caller: Owner, found: records.Comparison) -> Comparison:
        left, right = [
            await self._store.call(self._store.message, caller.id, side.message_id)
            for side in (found.left, found.right)
        ]
        return Comparison.told(found, left, right, caller)
