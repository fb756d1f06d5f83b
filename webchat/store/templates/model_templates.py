"""Verbs on the chat templates that the operator gave models. They are the operator's: no owner is asked."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from webchat.store.database.codec import clean, now
from webchat.store.database.tables.operating import ChatTemplateRow
from webchat.store.database.tables.people import OwnerRow
from webchat.store.database.transactions import Database, reads, writes
from webchat.store.errors import TemplateChanged
from webchat.store.template_records import ChatTemplate

_COLUMNS = (
    ChatTemplateRow.model,
    ChatTemplateRow.number,
    ChatTemplateRow.created_at,
    OwnerRow.name.label("author"),
    ChatTemplateRow.note,
    ChatTemplateRow.text,
)
_VERSIONS = select(*_COLUMNS).join(OwnerRow, OwnerRow.id == ChatTemplateRow.author_id)


class ChatTemplateVerbs(Database):
    """Versions of each model's template; the newest counts."""

    @reads
    def chat_template_versions(self, connection: Connection, model: str) -> list[ChatTemplate]:
        """All of a model, newest first."""
        rows = connection.execute(
            _VERSIONS.where(ChatTemplateRow.model == model).order_by(ChatTemplateRow.number.desc())
        )
        return [ChatTemplate(**row._mapping) for row in rows]

    @reads
    def chat_templates(self, connection: Connection) -> list[ChatTemplate]:
        """The newest of each model that has one in force."""
        newest = select(func.max(ChatTemplateRow.number).label("number"), ChatTemplateRow.model).group_by(
            ChatTemplateRow.model
        )
        last = newest.subquery()
        rows = connection.execute(
            _VERSIONS.join(
                last, (last.c.model == ChatTemplateRow.model) & (last.c.number == ChatTemplateRow.number)
            ).where(ChatTemplateRow.text.is_not(None))
        )
        return [ChatTemplate(**row._mapping) for row in rows]

    @writes
    def change_chat_template(
        self,
        connection: Connection,
        author: str,
        model: str,
        text: str | None,
        *,
        note: str = "",
        based_on: int | None = None,
    ) -> ChatTemplate | None:
        """A new version; the newest where nothing changes, `None` where there is none yet and none is asked
        for. text: `None` goes back to the model's own. based_on: the number of the newest version that the
        author has seen. Raises TemplateChanged when there is a newer one."""
        text = None if text is None else clean(text)
        # Two who write at once: the first takes the number, on SQLite by being the one writer.
        newest = connection.execute(
            _VERSIONS.where(ChatTemplateRow.model == model)
            .order_by(ChatTemplateRow.number.desc())
            .limit(1)
            .with_for_update(of=ChatTemplateRow)
        ).first()
        number = 0 if newest is None else newest.number
        if (based_on or 0) != number:
            raise TemplateChanged(number)
        if text == (None if newest is None else newest.text):
            return None if newest is None else ChatTemplate(**newest._mapping)
        values = {"author_id": author, "created_at": now(), "note": clean(note), "text": text}
        connection.execute(insert(ChatTemplateRow).values(model=model, number=number + 1, **values))
        made = connection.execute(
            _VERSIONS.where(ChatTemplateRow.model == model, ChatTemplateRow.number == number + 1)
        ).one()
        return ChatTemplate(**made._mapping)
