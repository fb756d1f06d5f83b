"""Removes a person who signs in, with all that is theirs, in slices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection, delete, select, update

from webchat.store.database.tables.base import DISCARDED
from webchat.store.database.tables.operating import DecisionRow, PromptTemplateRow
from webchat.store.database.tables.people import OwnerRow, PersonRow, SessionRow
from webchat.store.database.tables.replays import ReplayRunRow
from webchat.store.database.tables.sharing import ImportRow, ImportSourceRow
from webchat.store.database.transactions import long, reads, writes
from webchat.store.judgements.stored_reviews import remove_reviews
from webchat.store.people.keys import forget_keys
from webchat.store.people.people import PeopleVerbs
from webchat.store.records import Deletion
from webchat.store.search.names import forget_name
from webchat.store.upkeep.purge import PurgeVerbs
from webchat.store.upkeep.slicing import SLICE_ROWS, slices_of
from webchat.store.verbs.trash import TrashVerbs


class RemovalVerbs(PeopleVerbs, PurgeVerbs, TrashVerbs):
    """Removing people."""

    @long
    def remove_person(self, owner: str, *, spare_last: bool = False) -> Deletion:
        """Sign a person out for good and permanently delete what is theirs: conversations, personal prompt
        templates, judgements and votes, what the log of decisions has of their texts, and last the account.
        Templates they shared stay, without their name. Raises NotFound, and with `spare_last` LastOperator
        where nobody would be left who operates.

        What is cut off midway goes on when it is asked for again; the next purge frees the space.
        """
        self.in_turn(self.set_disabled, owner, True, spare_last=spare_last)
        self.in_turn(self._stop_imports, owner)
        deletion = self.delete_conversations(owner, for_good=True)
        while templates := self._personal_templates(owner):
            self.in_turn(self._discard_templates, templates)
        logged = slices_of(self._decisions(DecisionRow.owner_id == owner))
        for _ in self.slices(partial(self._forget_content, numbers) for numbers in logged):
            pass
        while self.in_turn(self._forget_reviews, owner):
            pass
        last = self.delete_conversations(owner, for_good=True)  # begun by a request that was under way
        if not self.closing:
            self.in_turn(self._forget_person, owner)
            self.delete_conversations(owner, for_good=True)  # imported by a command until just now
        return Deletion(deletion.conversations + last.conversations, deletion.running or last.running)

    @writes
    def _stop_imports(self, connection: Connection, owner: str) -> None:
        """An import that finds itself forgotten writes no further conversation."""
        connection.execute(delete(ImportRow).where(ImportRow.owner_id == owner))

    @writes
    def _forget_reviews(self, connection: Connection, owner: str) -> int:
        return remove_reviews(connection, owner, SLICE_ROWS)

    @reads
    def _personal_templates(self, connection: Connection, owner: str) -> Sequence[str]:
        personal = (PromptTemplateRow.owner_id == owner, PromptTemplateRow.scope == "personal")
        left = PromptTemplateRow.deleted_at.is_distinct_from(DISCARDED)
        query = select(PromptTemplateRow.id).where(*personal, left)
        return list(connection.scalars(query.limit(SLICE_ROWS)))

    @writes
    def _discard_templates(self, connection: Connection, ids: Sequence[str]) -> None:
        those = update(PromptTemplateRow).where(PromptTemplateRow.id.in_(ids))
        connection.execute(those.values(deleted_at=DISCARDED))

    @writes
    def _forget_person(self, connection: Connection, owner: str) -> None:
        forget_keys(connection, owner)
        connection.execute(delete(SessionRow).where(SessionRow.owner_id == owner))
        for imports in (ImportRow, ImportSourceRow):
            connection.execute(delete(imports).where(imports.owner_id == owner))
        connection.execute(delete(PersonRow).where(PersonRow.owner_id == owner))
        forget_name(connection, owner)
        running = (ReplayRunRow.owner_id == owner, ReplayRunRow.state == "open")
        connection.execute(update(ReplayRunRow).where(*running).values(state="cancelled"))
        # Nobody's any more, until a purge finds it empty: no cookie ever named the id of a person.
        connection.execute(update(OwnerRow).where(OwnerRow.id == owner).values(kind="visitor", name=""))
